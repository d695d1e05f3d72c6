"""The null's metrics are the grader's, and it knows luck from signal."""

import numpy as np
import pyarrow as pa
import pytest

from validate.baselines.null import null_scores, scores
from validate.score import Answer, Metric, Rules, score

N = 150


def _values(metric: Metric, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if metric == "macro_f1":
        return rng.choice(list("abc"), N, p=[0.6, 0.3, 0.1]).astype(object)
    return rng.normal(size=N)


def _graded(metric: Metric, truth: np.ndarray, found: np.ndarray) -> float:
    rules = Rules(metric, "row_id", ("x",), label_type="text", classes=("a", "b", "c"))
    tables = [pa.table({"row_id": range(N), "x": list(side)}) for side in (truth, found)]
    return score(Answer("t", "class-mm", rules, tables[0]), tables[1]).score


@pytest.mark.parametrize("metric", ["macro_f1", "clipped_r2"])
def test_without_a_change_of_pairs_it_is_the_score_of_the_grader(metric: Metric) -> None:
    truth, other = _values(metric, 0), _values(metric, 1)
    mixed = np.where(np.arange(N) % 3 == 0, other, truth)
    for found in (truth, other, mixed):
        (alone,) = scores(metric, truth, found, np.arange(N)[None, :])
        assert alone == pytest.approx(_graded(metric, truth, found), abs=1e-6)


@pytest.mark.parametrize("metric", ["macro_f1", "clipped_r2"])
def test_another_pairing_is_the_score_against_moved_truth(metric: Metric) -> None:
    truth = found = _values(metric, 0)
    pairing = np.random.default_rng(5).permutation(N)
    (score_,) = scores(metric, truth, found, pairing[None, :])
    assert score_ == pytest.approx(_graded(metric, truth[pairing], found), abs=1e-6)


def test_constant_truth_counts_only_the_exact_answer() -> None:
    truth, pairing = np.ones(N), np.arange(N)[None, :]
    assert scores("clipped_r2", truth, np.ones(N), pairing) == [1.0]
    assert scores("clipped_r2", truth, np.ones(N) + 0.1, pairing) == [0.0]


def test_numbers_too_large_to_square_score_nothing() -> None:
    truth = np.linspace(-1e200, 1e200, N)
    assert scores("clipped_r2", truth, -truth, np.arange(N)[None, :]) == [0.0]


def test_the_best_of_several_attempts_counts_and_the_seed_decides() -> None:
    truth = _values("macro_f1", 0)
    attempts = [_values("macro_f1", seed) for seed in (1, 2, 3)]
    one = null_scores("macro_f1", truth, attempts[:1], seed=9)
    best = null_scores("macro_f1", truth, attempts, seed=9)
    assert (best >= one).all()
    assert best.mean() > one.mean()
    assert (best == null_scores("macro_f1", truth, attempts, seed=9)).all()
    assert (best != null_scores("macro_f1", truth, attempts, seed=8)).any()

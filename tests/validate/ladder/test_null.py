"""The null's metrics are the grader's, and it knows luck from signal."""

import numpy as np
import pyarrow as pa
import pytest

from validate.ladder.null import null_scores, scores
from validate.score import Answer, Metric, Rules, score

N = 150


def _columns(metric: Metric, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    if metric == "macro_f1":
        return {name: rng.choice(list("abc"), N, p=[0.6, 0.3, 0.1]).astype(object) for name in "xy"}
    return {name: rng.normal(size=N) for name in "xy"}


def _graded(metric: Metric, truth: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> float:
    rules = Rules(metric, "row_id", tuple(truth), label_type="text", classes=("a", "b", "c"))
    tables = [
        pa.table({"row_id": range(N), **{name: list(side[name]) for name in side}})
        for side in (truth, found)
    ]
    return score(Answer("t", "class-mm", rules, tables[0]), tables[1]).score


@pytest.mark.parametrize("metric", ["macro_f1", "clipped_r2"])
def test_without_a_change_of_pairs_it_is_the_score_of_the_grader(metric: Metric) -> None:
    truth, other = _columns(metric, 0), _columns(metric, 1)
    mixed = {name: np.where(np.arange(N) % 3 == 0, other[name], truth[name]) for name in truth}
    for found in (truth, other, mixed):
        (alone,) = scores(metric, truth, found, np.arange(N)[None, :])
        assert alone == pytest.approx(_graded(metric, truth, found), abs=1e-6)


@pytest.mark.parametrize("metric", ["macro_f1", "clipped_r2"])
def test_another_pairing_is_the_score_against_moved_truth(metric: Metric) -> None:
    truth, found = _columns(metric, 0), _columns(metric, 0)
    pairing = np.random.default_rng(5).permutation(N)
    moved = {name: values[pairing] for name, values in truth.items()}
    (score_,) = scores(metric, truth, found, pairing[None, :])
    assert score_ == pytest.approx(_graded(metric, moved, found), abs=1e-6)


def test_constant_truth_counts_only_the_exact_answer() -> None:
    truth, pairing = {"x": np.ones(N)}, np.arange(N)[None, :]
    assert scores("clipped_r2", truth, {"x": np.ones(N)}, pairing) == [1.0]
    assert scores("clipped_r2", truth, {"x": np.ones(N) + 0.1}, pairing) == [0.0]


def test_numbers_too_large_to_square_score_nothing() -> None:
    truth = {"x": np.linspace(-1e200, 1e200, N)}
    assert scores("clipped_r2", truth, {"x": -truth["x"]}, np.arange(N)[None, :]) == [0.0]


def test_the_best_of_several_attempts_counts_and_the_seed_decides() -> None:
    truth = _columns("macro_f1", 0)
    attempts = [_columns("macro_f1", seed) for seed in (1, 2, 3)]
    one = null_scores("macro_f1", truth, attempts[:1], seed=9)
    best = null_scores("macro_f1", truth, attempts, seed=9)
    assert (best >= one).all()
    assert best.mean() > one.mean()
    assert (best == null_scores("macro_f1", truth, attempts, seed=9)).all()
    assert (best != null_scores("macro_f1", truth, attempts, seed=8)).any()

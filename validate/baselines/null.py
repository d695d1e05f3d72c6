"""The permutation null: what the baselines would reach if answers had nothing to do with rows.

Takes predictions and truth of a target as the grader reads them, returns the scores of the best
attempt under random pairings of truth. The best of all attempts is taken for each pairing,
since the best of all is what a target is judged by. The metrics are those of `score.py`, for many
pairings at once. Pairings are uniform over all rows: that neighbours in time resemble is not
accounted for.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from validate.score import Metric

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

PAIRINGS = 999
"""With the observed one a thousand, so that p is at least 0.001."""
_AT_ONCE = 100
"""Pairings that are held in memory together: 8 MB at 10,000 rows."""

TargetValues = npt.NDArray[Any]
"""Values of one target by row, as `Answer.right` has them."""


def null_scores(
    metric: Metric, truth: TargetValues, attempts: Sequence[TargetValues], seed: int
) -> _Floats:
    """Best score of each random pairing, `(PAIRINGS,)`; deterministic."""
    rng = np.random.default_rng(seed)
    best = []
    for start in range(0, PAIRINGS, _AT_ONCE):
        size = (min(_AT_ONCE, PAIRINGS - start), len(truth))
        pairings = rng.permuted(np.broadcast_to(np.arange(len(truth)), size), axis=1)
        best.append(np.max([scores(metric, truth, a, pairings) for a in attempts], axis=0))
    return np.concatenate(best)


def scores(metric: Metric, truth: TargetValues, attempt: TargetValues, pairings: _Ints) -> _Floats:
    """Score under each pairing: row `i` is graded against truth's row `pairings[:, i]`."""
    of = _macro_f1 if metric == "macro_f1" else _clipped_r2
    return of(truth, attempt, pairings)


def _macro_f1(truth: npt.NDArray[Any], attempt: npt.NDArray[Any], pairings: _Ints) -> _Floats:
    """The number of rows of each class, true or predicted, is the same under every pairing."""
    codes = {label: code for code, label in enumerate(dict.fromkeys([*truth, *attempt]))}
    right, guessed = (np.array([codes[label] for label in side]) for side in (truth, attempt))
    sizes = np.bincount(right, minlength=len(codes)) + np.bincount(guessed, minlength=len(codes))
    is_hit = (right[pairings] == guessed).astype(np.float32)
    hits = is_hit @ np.eye(len(codes), dtype=np.float32)[guessed]
    return np.asarray((2 * hits / sizes).mean(axis=1))


def _clipped_r2(truth: _Floats, attempt: _Floats, pairings: _Ints) -> _Floats:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        spread = np.sum((truth - truth.mean()) ** 2)
        error = np.sum((truth[pairings] - attempt) ** 2, axis=1)
        clipped = np.nan_to_num(np.clip(1 - error / spread, 0, 1))
    # Where truth is constant, only the exact answer counts.
    return np.asarray(np.where((error == 0) | (spread == 0), error == 0, clipped))

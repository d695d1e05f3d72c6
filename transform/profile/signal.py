"""How well the features tell a target: a small forest, held out as the split will hold out.

Takes a matrix, features and a target; returns a score. It ranks candidates so that what is proposed
has room between chance and perfection. It is one seeded fit on a sample, no proof: that is the
business of the validation room.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transform.profile.matrix import Floats, Ints, SampledMatrix, seeded
from transform.profile.profile import TargetKind
from transform.profile.single_feature import chance, single_feature_score

SAMPLED_ROWS = 2_000
"""Rows of the matrix: forests stay quick, and 600 rows give a score to a few hundredths."""
_TREES = 15
_HELD_OUT_SHARE = 0.3
"""More than a task holds out, because a sample is scored."""
_MIN_FIT, _MIN_SCORED = 50, 30
"""Rows without which a score says nothing."""


@dataclass(frozen=True)
class Signal:
    """What a forest told."""

    score: float
    """Macro-F1, or R²; at most 1."""
    skill: float
    """The score between chance (0) and perfection (1); may be negative."""
    weights: dict[str, float]
    """Importance of each feature; sums to 1."""


def held_out(
    matrix: SampledMatrix, order: Floats | None, groups: Ints | None, key: str
) -> npt.NDArray[np.bool_]:
    """Rows of the matrix that are scored: the latest, whole groups, or any."""
    if order is not None:
        cut = np.nanquantile(order, 1 - _HELD_OUT_SHARE)
        return np.asarray(order > cut, dtype=np.bool_)
    rng = seeded(f"signal {key}")
    if groups is not None:
        return rng.random(int(groups.max()) + 1)[groups] < _HELD_OUT_SHARE
    return rng.random(len(matrix.rows)) < _HELD_OUT_SHARE


def forest_signal(
    matrix: SampledMatrix,
    target: str,
    features: tuple[str, ...],
    kind: TargetKind,
    test: npt.NDArray[np.bool_],
) -> Signal | None:
    """Score a small forest; None when too few rows or classes are there to say anything."""
    values = matrix.column(target)
    known = np.isfinite(values)
    fit, scored = known & ~test, known & test
    if fit.sum() < _MIN_FIT or scored.sum() < _MIN_SCORED or not features:
        return None
    if len(np.unique(values[fit])) < 2 or len(np.unique(values[scored])) < 2:
        return None
    data, truth = matrix.columns(features), values[scored]
    forest = _forest(kind)
    labels = values.astype(str) if kind == "classification" else values
    guess = forest.fit(data[fit], labels[fit]).predict(data[scored])
    score, floor = _score(labels[scored], guess, kind), chance(truth, kind)
    weights = dict(zip(features, forest.feature_importances_.tolist(), strict=True))
    return Signal(score, (score - floor) / (1 - floor), weights)


def _forest(kind: TargetKind) -> Any:
    """Half of the features at each split, so that one strong feature does not hide the others."""
    # Imported late: scikit-learn takes a second to load, and most processes never fit.
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    if kind == "regression":
        return RandomForestRegressor(_TREES, min_samples_leaf=3, random_state=0, max_features=0.5)
    return RandomForestClassifier(
        _TREES, min_samples_leaf=3, random_state=0, max_features=0.5, class_weight="balanced"
    )


def _score(truth: npt.NDArray[Any], guess: npt.NDArray[Any], kind: TargetKind) -> float:
    from sklearn.metrics import f1_score, r2_score

    if kind == "regression":
        return float(r2_score(truth, guess))
    return float(f1_score(truth, guess, average="macro", zero_division=0))


def single_feature_signal(
    matrix: SampledMatrix, target: str, feature: str, kind: TargetKind, test: npt.NDArray[np.bool_]
) -> float:
    """What one feature tells by itself, on the same rows; see `single_feature_score`."""
    values, column = matrix.column(target), matrix.column(feature)
    known = np.isfinite(values)
    fit, scored = known & ~test, known & test
    return single_feature_score(column[fit], values[fit], column[scored], values[scored], kind)

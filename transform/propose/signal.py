"""How well the features tell a target: a small forest, held out as the split will hold out.

A matrix, features and a target enter; a score leaves. It ranks candidates so that what is proposed
has room between chance and perfection. It is one seeded look at a sample, no proof: that is the
business of the validation room.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from extract.noun import Noun
from transform.propose.matrix import Floats, Ints, Matrix, seeded


class SignalConfig(Noun):
    """The effort of one look."""

    rows: int = Field(default=2_000, ge=100)
    """Sampled rows."""
    trees: int = Field(default=15, ge=1)
    held_out_share: float = Field(default=0.3, gt=0, lt=1)


@dataclass(frozen=True)
class Signal:
    """Outcome of one look."""

    score: float
    """Macro-F1, or R²; at most 1."""
    skill: float
    """The score between chance (0) and perfection (1); may be negative."""
    weights: dict[str, float]
    """Importance of each feature; sums to 1."""


def held_out(
    matrix: Matrix, order: Floats | None, groups: Ints | None, key: str, config: SignalConfig
) -> npt.NDArray[np.bool_]:
    """Rows of the matrix on which a look is scored: the latest, whole groups, or any."""
    n = len(matrix.rows)
    if order is not None:
        cut = np.nanquantile(order, 1 - config.held_out_share)
        return np.asarray(order > cut, dtype=np.bool_)
    rng = seeded(f"signal {key}")
    if groups is not None:
        return rng.random(int(groups.max()) + 1)[groups] < config.held_out_share
    return rng.random(n) < config.held_out_share


def look(
    matrix: Matrix,
    target: str,
    features: tuple[str, ...],
    problem: Literal["classification", "regression"],
    test: npt.NDArray[np.bool_],
    config: SignalConfig,
) -> Signal | None:
    """Score a small forest; None when too few rows or classes are there to say anything."""
    values = matrix.column(target)
    known = np.isfinite(values)
    fit, score = known & ~test, known & test
    if fit.sum() < 50 or score.sum() < 30 or not features:
        return None
    if len(np.unique(values[fit])) < 2 or len(np.unique(values[score])) < 2:
        return None
    data = matrix.columns(features)
    judge = _classified if problem == "classification" else _regressed
    return judge(data[fit], values[fit], data[score], values[score], features, config.trees)


def alone(
    matrix: Matrix,
    target: str,
    feature: str,
    problem: Literal["classification", "regression"],
    test: npt.NDArray[np.bool_],
) -> float:
    """Score of one tree on one feature; 0 when nothing can be said."""
    found = look(matrix, target, (feature,), problem, test, SignalConfig(trees=1))
    return found.score if found else 0.0


def _classified(
    train: Floats,
    labels: Floats,
    held: Floats,
    truth: Floats,
    features: tuple[str, ...],
    trees: int,
) -> Signal:
    """Macro-F1; chance is guessing with the classes' shares, or the commonest class."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import f1_score

    forest = RandomForestClassifier(
        trees, min_samples_leaf=3, class_weight="balanced", random_state=0, bootstrap=trees > 1,
        max_features=0.5,
    )  # fmt: skip
    guess = forest.fit(train, labels.astype(str)).predict(held)
    truth_text = truth.astype(str)
    score = float(f1_score(truth_text, guess, average="macro", zero_division=0))
    classes, counts = np.unique(truth_text, return_counts=True)
    share = counts.max() / counts.sum()
    floor = max(1 / len(classes), 2 * share / (1 + share) / len(classes))
    return _signal(score, (score - floor) / (1 - floor), forest.feature_importances_, features)


def _regressed(
    train: Floats,
    values: Floats,
    held: Floats,
    truth: Floats,
    features: tuple[str, ...],
    trees: int,
) -> Signal:
    """R²; chance is the mean."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.metrics import r2_score

    forest = RandomForestRegressor(
        trees, min_samples_leaf=3, random_state=0, bootstrap=trees > 1, max_features=0.5
    )
    score = float(r2_score(truth, forest.fit(train, values).predict(held)))
    return _signal(score, score, forest.feature_importances_, features)


def _signal(score: float, skill: float, weights: Floats, features: tuple[str, ...]) -> Signal:
    return Signal(score, skill, dict(zip(features, weights.tolist(), strict=True)))

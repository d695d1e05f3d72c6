"""What one column tells of a target by itself: a tree, fitted on train, scored on held-out rows.

Columns as numbers enter, missing as NaN, which is a value to a tree; a score leaves. Held-out rows
that a corrupted cell spoils do not hide a leak: of numbers the worst few are left out of account.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["classification", "regression"]
_SPOILT = 0.02
"""Share of the held-out rows, the worst, that are left out of account."""
_LEAST = 30
"""Held-out rows without which nothing is said."""


def alone(known: Floats, answers: Floats, asked: Floats, truth: Floats, kind: Kind) -> float:
    """Macro-F1 or R² of one tree on one column; 0 when nothing can be said.

    `known` and `asked` are the column on train and on held-out rows.
    """
    if len(truth) < _LEAST or len(np.unique(answers)) < 2 or len(np.unique(truth)) < 2:
        return 0.0
    judge = _classified if kind == "classification" else _regressed
    return judge(known[:, None], answers, asked[:, None], truth)


def _classified(known: Floats, answers: Floats, asked: Floats, truth: Floats) -> float:
    from sklearn.metrics import f1_score
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0, class_weight="balanced")
    guess = tree.fit(known, answers.astype(np.int64)).predict(asked)
    return float(f1_score(truth.astype(np.int64), guess, average="macro", zero_division=0))


def _regressed(known: Floats, answers: Floats, asked: Floats, truth: Floats) -> float:
    from sklearn.metrics import r2_score
    from sklearn.tree import DecisionTreeRegressor

    guess = DecisionTreeRegressor(random_state=0).fit(known, answers).predict(asked)
    error = np.abs(truth - guess)
    kept = error.argsort(kind="stable")[: int(np.ceil(len(error) * (1 - _SPOILT)))]
    if len(np.unique(truth[kept])) < 2:
        return 0.0
    return max(float(r2_score(truth, guess)), float(r2_score(truth[kept], guess[kept])))


def chance(truth: Floats, kind: Kind) -> float:
    """Score of knowing only how often each label occurs, or the mean."""
    if kind == "regression":
        return 0.0
    counts = np.unique(truth, return_counts=True)[1]
    share = counts.max() / counts.sum()
    return float(max(1 / len(counts), 2 * share / (1 + share) / len(counts)))

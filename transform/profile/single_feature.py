"""What one column tells of a target by itself: a tree, fitted on some rows, scored on others.

Takes columns as numbers, missing as NaN, which is a value to a tree; returns a score. Held-out rows
that a corrupted cell spoils do not hide a leak: of numbers the worst few are left out of account.
Not guaranteed: a small score for a column that only together with others gives the target away.
"""

import numpy as np

from transform.profile.matrix import Floats
from transform.profile.profile import TargetKind

_SPOILT = 0.02
"""Share of the held-out rows, the worst, that are left out of account."""
_LEAST = 30
"""Held-out rows without which nothing is said."""


def single_feature_score(
    known: Floats, answers: Floats, asked: Floats, truth: Floats, kind: TargetKind
) -> float:
    """Macro-F1 or R² of one tree on one column; 0 when nothing can be said.

    `known` and `asked` are the column on the rows for fitting and for scoring.
    """
    if len(truth) < _LEAST or len(np.unique(answers)) < 2 or len(np.unique(truth)) < 2:
        return 0.0
    score = _classified if kind == "classification" else _regressed
    return score(known[:, None], answers, asked[:, None], truth)


def _classified(known: Floats, answers: Floats, asked: Floats, truth: Floats) -> float:
    from sklearn.metrics import f1_score
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(random_state=0, class_weight="balanced")
    # As text: the codes of labels may be any numbers, which trees would take for amounts.
    guess = tree.fit(known, answers.astype(str)).predict(asked)
    return float(f1_score(truth.astype(str), guess, average="macro", zero_division=0))


def _regressed(known: Floats, answers: Floats, asked: Floats, truth: Floats) -> float:
    from sklearn.metrics import r2_score
    from sklearn.tree import DecisionTreeRegressor

    guess = DecisionTreeRegressor(random_state=0).fit(known, answers).predict(asked)
    error = np.abs(truth - guess)
    kept = error.argsort(kind="stable")[: int(np.ceil(len(error) * (1 - _SPOILT)))]
    if len(np.unique(truth[kept])) < 2:
        return 0.0
    return max(float(r2_score(truth, guess)), float(r2_score(truth[kept], guess[kept])))


def chance(truth: Floats, kind: TargetKind) -> float:
    """Score of knowing only how often each label occurs (macro-F1), or the mean (R²)."""
    if kind == "regression":
        return 0.0
    counts = np.unique(truth, return_counts=True)[1]
    share = counts.max() / counts.sum()
    # Of always saying the commonest label, or each one as often as it occurs.
    return float(max(1 / len(counts), 2 * share / (1 + share) / len(counts)))

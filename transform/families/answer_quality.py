"""Whether an answer on the clean tables is worth an instruction task.

Takes what the last step gives on the clean tables and the source's own targets, returns the rows
whose answer is sure, or a verdict. An answer that is nearly always the same, or no better than
chance, tests nothing; a row whose two best classes are nearly level may fall either way on another
machine. What else makes truth fragile is for validation to find out.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from sklearn.metrics import f1_score, r2_score

from transform.proposal import Problem
from transform.steps.fitting.models import ScoreKind
from transform.task import ID_COLUMN

# Stricter than the gate on constant answers (0.99), so that a draft does not come to fail it.
_LARGEST_SHARE = 0.95
"""Estimators that answer the same in more than this share of the rows are passed over."""
# As much as the gate `learnable` asks of the lower bound of the gap.
_MIN_GAP = 0.05
"""Over chance on the held-out truth: macro-F1 over 1 / classes, or R² over 0."""


def sure_rows(
    answer: pl.DataFrame, scores: Sequence[str], kind: ScoreKind, least: float
) -> list[int]:
    """Ids of the rows whose best class leads by at least `least`; all rows without scores."""
    if not scores:
        return answer[ID_COLUMN].to_list()
    table = answer.select(scores).to_numpy()
    ordered = np.sort(table, axis=1)
    margin = ordered[:, -1] - ordered[:, -2]
    # Decision values have no unit of their own; probabilities are one already.
    scale = float(table.std()) if kind == "decision" else 1.0
    return answer.filter(pl.Series(margin >= least * scale))[ID_COLUMN].to_list()


def is_telling(
    answer: pl.DataFrame, truth: pl.DataFrame, targets: Sequence[str], problem: Problem
) -> bool:
    """Whether all targets are answered variously and better than by chance; rows correspond."""
    return _varies(answer, targets) and all(
        _gap(answer[name], truth[name], problem) >= _MIN_GAP for name in targets
    )


def _varies(answer: pl.DataFrame, targets: Sequence[str]) -> bool:
    commonest = [answer[name].value_counts(name=" n")[" n"].max() for name in targets]
    return max(map(int, commonest)) <= _LARGEST_SHARE * answer.height  # type: ignore[arg-type]


def _gap(answer: pl.Series, truth: pl.Series, problem: Problem) -> float:
    """Macro-F1 less that of guessing classes at their shares, 1 / classes; or R²."""
    if problem == "regression":
        return float(r2_score(truth.to_numpy(), answer.to_numpy()))
    known, said = (side.cast(pl.String).to_list() for side in (truth, answer))
    labels = sorted(set(known))
    score = f1_score(known, said, labels=labels, average="macro", zero_division=0)
    return float(score) - 1 / len(labels)

"""Whether the grade sees that a stated step was done wrong.

Enters an executed task; leaves, for each of its steps, what each violation does to the answer. A
violation is seen when labels of at least `labels_share` of the rows change (one row at least), or
when scores or numbers of at least `rows_share` of the rows leave the tolerance that ships. An
answer of other rows or columns is wrong in all of them.

A violation that ends in an error says little about the grade: whoever makes it is told so. It is
left out, unless all violations of the step end so; then nobody reaches any answer without the step.
That a seen violation loses all its score is for the grader: it is stricter than what is seen here.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.linalg import LinAlgError
from sklearn.exceptions import ConvergenceWarning

from transform.pipeline import Mistakes, Pipeline
from transform.steps.step import Violation
from transform.task import ID_COLUMN, Grading, Task
from validate.verdict import StepExposure, ViolationSeen

_FAILURES = (
    *(ArithmeticError, ValueError, KeyError, LinAlgError),
    *(ConvergenceWarning, pl.exceptions.PolarsError),
)
"""What steps and estimators raise on tables that a mistake has left unfit."""


class Visibility(NamedTuple):
    """How much of an answer must change."""

    labels_share: float
    rows_share: float


class _Tried(NamedTuple):
    """A violation and what became of it."""

    seen: ViolationSeen
    failed: bool


def measure(
    task: Task, mistakes: Mistakes, visibility: Visibility, stop_early: bool = False
) -> tuple[StepExposure, ...]:
    """Exposure of every step, in order; `stop_early`: no violation after the first that is seen."""
    pipeline = Pipeline(task.spec.instructions, task.public)
    truth = pl.read_parquet(task.truth.path)
    exposures = []
    for position, step in enumerate(pipeline.steps):
        tried: list[_Tried] = []
        for one in _tried(pipeline, position, mistakes, truth, task.truth.grading, visibility):
            tried.append(one)
            if stop_early and one.seen.seen and not one.failed:
                break
        answered = [one.seen for one in tried if not one.failed] or [one.seen for one in tried]
        exposure = StepExposure(position=position + 1, kind=step.kind, violations=tuple(answered))
        exposures.append(exposure)
    return tuple(exposures)


def _tried(
    pipeline: Pipeline,
    position: int,
    mistakes: Mistakes,
    truth: pl.DataFrame,
    grading: Grading,
    visibility: Visibility,
) -> Iterator[_Tried]:
    for violation in pipeline.violations(position, mistakes):
        try:
            outcome = pipeline.violated(position, violation)
        except _FAILURES:
            yield _Tried(ViolationSeen(name=violation.name, seen=True, moved=1.0), failed=True)
            continue
        if outcome.answer is None:
            if not violation.if_it_acts:
                unseen = ViolationSeen(name=violation.name, seen=False, moved=0.0)
                yield _Tried(unseen, failed=False)
            continue
        yield _Tried(_compared(violation, outcome.answer, truth, grading, visibility), failed=False)


def _compared(
    violation: Violation,
    answer: pl.DataFrame,
    truth: pl.DataFrame,
    grading: Grading,
    visibility: Visibility,
) -> ViolationSeen:
    """Rows with another label or with a number beyond its tolerance."""
    n = truth.height
    if set(answer.columns) != set(truth.columns) or not answer[ID_COLUMN].equals(truth[ID_COLUMN]):
        return ViolationSeen(name=violation.name, seen=True, moved=1.0)
    relabelled = moved = np.zeros(n, dtype=bool)
    for name in grading.targets if grading.label_type is not None else ():
        labels = (frame[name].cast(pl.String) for frame in (answer, truth))
        relabelled = relabelled | np.not_equal(*(cells.to_numpy() for cells in labels))
    for name, atol in grading.atol.items():
        found, right = (frame[name].cast(pl.Float64).to_numpy() for frame in (answer, truth))
        # Written so that what is no number counts as moved.
        moved = moved | ~(np.abs(found - right) <= atol + grading.rtol * np.abs(right))
    seen = (
        relabelled.sum() >= max(1.0, visibility.labels_share * n)
        or moved.sum() >= visibility.rows_share * n
    )
    share = float(np.mean(relabelled | moved))
    return ViolationSeen(name=violation.name, seen=bool(seen), moved=share)

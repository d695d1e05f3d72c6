"""What the grader needs beside the truth: tolerances, label types and known classes.

Read off the clean training table and the answer, the same way for executed and for held-out truth.
"""

import polars as pl

from transform.task import RTOL, Grading, Instructions

ATOL_SHARE = 1e-8
"""Absolute tolerance as a share of the spread: of the target in train, of a score in truth."""


def grading_of(instructions: Instructions, train: pl.DataFrame, answer: pl.DataFrame) -> Grading:
    """The grading of a task; `train` without noise, `answer` with the id and the answer columns."""
    rtol = RTOL if instructions.rtol is None else instructions.rtol
    if instructions.problem == "classification":
        labels = [answer[name] for name in instructions.targets]
        known = {str(label) for name in instructions.targets for label in train[name].unique()}
        return Grading(
            metric=instructions.metric,
            targets=instructions.targets,
            scores=instructions.scores,
            label_type="integer" if all(s.dtype.is_integer() for s in labels) else "text",
            classes=tuple(sorted(known)),
            rtol=rtol,
            atol={name: _atol(answer[name]) for name in instructions.scores},
            n_rows=answer.height,
        )
    return Grading(
        metric=instructions.metric,
        targets=instructions.targets,
        rtol=rtol,
        atol={name: _atol(train[name]) for name in instructions.targets},
        n_rows=answer.height,
    )


def _atol(values: pl.Series) -> float:
    spread = values.cast(pl.Float64).std()
    return ATOL_SHARE * float(spread or 0.0)  # type: ignore[arg-type]

"""No row of val stands in train: nobody can look an answer up."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.task import ID_COLUMN, Task
from validate.gate import FileGate
from validate.leakage.answered_rows import answered
from validate.leakage.near_duplicates import near_twins
from validate.verdict import Finding

_ALL = 1_000_000
"""Rows are looked at whole."""
_SPARE = 3
"""Near twins more than expected that chance alone may bring."""


class Duplicates(FileGate):
    """Refuses a task in which a val row equals a training row in features and target.

    Rows that are equal but for a jitter or a rounding count where they are more than the training
    rows have among themselves.
    """

    name: ClassVar[str] = "duplicates"
    order: ClassVar[int] = 30

    tolerance: float = Field(default=1e-3, ge=0, lt=1)
    """Difference of two numbers, by the width of the middle of their column, that is none."""
    natural: float = Field(default=2, ge=1)
    """Near twins allowed for each that the data has by nature."""

    def applies_to(self, task: Task) -> bool:
        """Only held-out truth can be looked up; the answer of instructions is no source value."""
        return not task.spec.instructions.is_executed

    def look(self, task: TaskFolder) -> Finding:
        """Count val rows, joined with truth, that occur in train on all shared columns."""
        rows = answered(task, _ALL)
        names = [name for name in rows.held_out.columns if name != ID_COLUMN]
        both = rows.rows.drop(ID_COLUMN)
        known = both.head(rows.train.height).unique()
        solved = both.tail(rows.held_out.height)
        found = solved.join(known, on=names, how="semi", nulls_equal=True).height
        if found:
            return self.refused(found, 0, f"{found} of {solved.height} val rows are in train")
        twins = near_twins(rows, names, self.tolerance)
        limit = _SPARE + self.natural * twins.expected
        if twins.held_out > limit:
            evidence = f"{twins.held_out} of {solved.height} val rows are nearly in train"
            return self.refused(twins.held_out, limit, evidence)
        return self.passed(0, 0, f"0 of {solved.height} val rows are in train")

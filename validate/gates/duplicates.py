"""No row of val stands in train: nobody can look an answer up."""

from typing import ClassVar

import polars as pl

from transform.execute import load_tables
from transform.task import ID_COLUMN, Task
from validate.gate import FileGate
from validate.verdict import Finding


class Duplicates(FileGate):
    """Refuses a task in which a val row equals a training row in features and target."""

    name: ClassVar[str] = "duplicates"
    order: ClassVar[int] = 30

    def applies_to(self, task: Task) -> bool:
        """Only held-out truth can be looked up; the answer of instructions is no source value."""
        return not task.spec.instructions.is_executed

    def look(self, task: Task) -> Finding:
        """Count val rows, joined with truth, that occur in train on all shared columns."""
        train, val = load_tables(task.spec.instructions, task.public)
        solved = val.join(pl.read_parquet(task.truth.path), on=ID_COLUMN)
        shared = [name for name in solved.columns if name in train.columns and name != ID_COLUMN]
        known = train.select(shared).unique().cast(solved.select(shared).schema)
        found = solved.join(known, on=shared, how="semi", nulls_equal=True).height
        result = self.refused if found else self.passed
        return result(found, 0, f"{found} of {solved.height} val rows are in train")

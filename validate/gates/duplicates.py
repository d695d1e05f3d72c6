"""No row of val stands in train: nobody can look an answer up."""

from typing import ClassVar

from transform.files.task_folder import TaskFolder
from transform.task import ID_COLUMN, Task
from validate.gate import FileGate
from validate.leakage.near_duplicates import near_duplicates
from validate.leakage.rows_with_answers import rows_with_answers
from validate.verdict import Finding

_NATURAL = 2.0
"""Near duplicates of train allowed for each that the data has by nature: what train has among
itself is only an estimate."""
_BY_CHANCE = 3
"""Near duplicates more than these that chance alone may bring."""


class Duplicates(FileGate):
    """Refuses a task in which a val row equals a training row in features and target.

    Rows that are equal but for a jitter or a rounding count where they are more than the training
    rows have among themselves.
    """

    name: ClassVar[str] = "duplicates"
    order: ClassVar[int] = 30

    def applies_to(self, task: Task) -> bool:
        """Only held-out truth can be looked up; the answer of instructions is no source value."""
        return not task.spec.instructions.is_executed

    def look(self, task: TaskFolder) -> Finding:
        """Count val rows, joined with truth, that occur in train on all shared columns."""
        rows = rows_with_answers(task)
        names = [name for name in rows.held_out.columns if name != ID_COLUMN]
        both = rows.rows.drop(ID_COLUMN)
        known = both.head(rows.train.height).unique()
        solved = both.tail(rows.held_out.height)
        n_equal = solved.join(known, on=names, how="semi", nulls_equal=True).height
        if n_equal:
            return self.refused(n_equal, 0, f"{n_equal} of {solved.height} val rows are in train")
        # Coarse data repeat by nature; what counts is more than train has among itself.
        near = near_duplicates(rows, names)
        limit = _BY_CHANCE + _NATURAL * near.expected
        if near.held_out > limit:
            evidence = f"{near.held_out} of {solved.height} val rows are nearly in train"
            return self.refused(near.held_out, limit, evidence)
        return self.passed(0, 0, f"0 of {solved.height} val rows are in train")

"""The stated cleaning of the noisy table gives the clean one: rows, order and values."""

from typing import ClassVar

import polars as pl

from transform.files.task_folder import TaskFolder
from transform.run.execute import cleaned
from transform.task import Task
from validate.gate import FileGate
from validate.verdict import Finding


class CleanRoundTrip(FileGate):
    """Refuses noise that the stated steps do not undo exactly."""

    name: ClassVar[str] = "clean_round_trip"
    order: ClassVar[int] = 40

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks."""
        return task.spec.instructions.is_executed

    def look(self, task: TaskFolder) -> Finding:
        """Compare with the table that the noise was put into."""
        expected = pl.read_parquet(task.clean_file)
        restored = cleaned(task.spec.instructions, task.public)
        if restored.height != expected.height:
            return self.refused(restored.height, expected.height, "number of rows after cleaning")
        differing = [name for name in expected.columns if not _equal(restored, expected, name)]
        if differing or set(restored.columns) != set(expected.columns):
            return self.refused(len(differing), 0, f"columns that differ: {differing}")
        return self.passed(0, 0)


def _equal(restored: pl.DataFrame, expected: pl.DataFrame, name: str) -> bool:
    """Same values in the same order; 1 and 1.0 are one value, null equals null."""
    if name not in restored.columns:
        return False
    left, right = restored[name], expected[name]
    if left.dtype.is_numeric() and right.dtype.is_numeric():
        left, right = left.cast(pl.Float64), right.cast(pl.Float64)
    return bool(left.dtype == right.dtype and left.equals(right, null_equal=True))

"""An instruction task has an answer that varies: a constant cannot win it."""

from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.task import Task
from validate.gate import FileGate
from validate.verdict import Finding


class NotConstant(FileGate):
    """Refuses answers of one value, or of one class in nearly all rows."""

    name: ClassVar[str] = "not_constant"
    order: ClassVar[int] = 50

    largest_share: float = Field(default=0.99, gt=0, le=1)
    """Share of the rows that one predicted value may have."""

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks."""
        return task.spec.instructions.is_executed

    def look(self, task: TaskFolder) -> Finding:
        """The largest share over the targets."""
        answer = pl.read_parquet(task.truth_file)
        # The answer alone, not the labels of train: it is what a constant would be graded on.
        shares = [_largest_share(answer[name]) for name in task.truth.grading.targets]
        result = self.passed if max(shares) <= self.largest_share else self.refused
        return result(max(shares), self.largest_share, "share of the commonest value")


def _largest_share(values: pl.Series) -> float:
    counts = values.value_counts(name=" n")[" n"]
    return int(counts.max()) / len(values)  # type: ignore[arg-type]

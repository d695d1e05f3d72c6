"""Truth computed again in another process is the same truth."""

from typing import ClassVar

import pyarrow.parquet as pq
from pydantic import Field

from transform.task import Task
from validate.controls import answer_of
from validate.gate import Gate
from validate.lab import Laboratory
from validate.score import score
from validate.verdict import Finding


class Reproducible(Gate):
    """Refuses truth that another process does not reach within a tenth of the tolerance."""

    name: ClassVar[str] = "reproducible"
    order: ClassVar[int] = 60

    share_of_tolerance: float = Field(default=0.1, gt=0, le=1)
    """Part of the shipped tolerance that re-runs may use up."""

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks; held-out truth is not computed."""
        return task.spec.instructions.is_executed

    def check(self, task: Task, lab: Laboratory) -> Finding:
        """Grade the second answer with the shipped grader under the tighter tolerance."""
        again = pq.read_table(lab.execute_again(task))
        result = score(answer_of(task, self.share_of_tolerance), again)
        outcome = self.passed if result.score == 1.0 else self.refused
        return outcome(result.score, 1.0, result.message)

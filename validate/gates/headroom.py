"""There is room between the best trivial answer and the best scripted one."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.task import Task
from validate.baselines.fit import fitted_baselines
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.verdict import Finding


class Headroom(Gate):
    """Refuses a task on which effort does not pay.

    Measured on the score that ships. For series whose levels differ, naive forecasts
    already score high in clipped R²; such a task is refused though its skill may be fine, because
    the score could not tell good forecasts from trivial ones.
    """

    name: ClassVar[str] = "headroom"
    order: ClassVar[int] = 54

    room: float = Field(default=0.1, gt=0, le=1)
    """Least distance of the ceiling from the floor."""

    def applies_to(self, task: Task) -> bool:
        """Tasks with held-out truth."""
        return not task.spec.instructions.is_executed

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """Ceiling less floor."""
        baseline_scores = fitted_baselines(task, executor).baseline_scores
        # Rounded as scores are published, so that a reader can redo the comparison.
        room = round(baseline_scores.ceiling - baseline_scores.floor, 6)
        result = self.passed if room >= self.room else self.refused
        return result(
            room, self.room, f"floor {baseline_scores.floor:g}, ceiling {baseline_scores.ceiling:g}"
        )

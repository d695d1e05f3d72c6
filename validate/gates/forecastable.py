"""A series can be forecast: some scripted forecaster beats the last season repeated."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.task import Task
from validate.baselines.fit import fitted_baselines
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.verdict import Finding


class Forecastable(Gate):
    """Refuses series on which nobody has skill; of executed truth, a reference without any."""

    name: ClassVar[str] = "forecastable"
    order: ClassVar[int] = 54

    skill: float = Field(default=0.05, gt=0, le=1)
    """Least skill of the best forecaster: its error below that of seasonal naive, as a share."""

    def applies_to(self, task: Task) -> bool:
        """Forecasts, as far as the error of seasonal naive is known."""
        return task.spec.instructions.problem == "forecasting" and task.truth.skill is not None

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The best skill among the baselines."""
        baselines = fitted_baselines(task, executor).baseline_scores.baselines
        skills = {
            baseline.solver: baseline.skill for baseline in baselines if baseline.skill is not None
        }
        if not skills:
            return self.refused(0.0, self.skill, "seasonal naive makes no error anywhere")
        # The best, not the mean: one solver with skill proves that there is something to learn.
        best = max(skills, key=lambda solver: skills[solver])
        result = self.passed if skills[best] >= self.skill else self.refused
        return result(skills[best], self.skill, f"skill of {best}")

"""There is something to learn: the best scripted solver beats chance, and not by luck."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from validate.baselines.fit import Lesson, fitted_baselines
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.verdict import Finding, Proofs


class Learnable(Gate):
    """Refuses noise; of executed truth, instructions that lead to nothing about the world.

    Chance is the mean score when truth is paired with rows at random, not the majority class. Of
    several targets each must be learnable by itself.
    """

    name: ClassVar[str] = "learnable"
    order: ClassVar[int] = 52

    p_value: float = Field(default=0.01, gt=0, lt=1)
    """Share of random pairings that may score as well; it must stay below."""
    gap: float = Field(default=0.05, ge=0, le=1)
    """Least score above chance."""

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The least gap to chance of any target; the baseline_scores is proved by the way."""
        fit_baselines = fitted_baselines(task, executor)
        proofs = Proofs(baseline_scores=fit_baselines.baseline_scores)
        by_luck = max(fit_baselines.lessons, key=lambda lesson: lesson.p_value)
        if by_luck.p_value >= self.p_value:
            said = f"p of the permutation null: {_said(by_luck)}"
            return self.refused(by_luck.p_value, self.p_value, said, None, proofs)
        least = min(fit_baselines.lessons, key=lambda lesson: lesson.gap)
        said = f"gap to chance: {_said(least)}"
        if least.gap < self.gap:
            return self.refused(least.gap, self.gap, said, None, proofs)
        return self.passed(least.gap, self.gap, said, proofs)


def _said(lesson: Lesson) -> str:
    score, chance, luck = lesson.score, lesson.chance, lesson.p_value
    return f"`{lesson.target}`: score {score:g}, chance {chance:g}, p {luck:g}"

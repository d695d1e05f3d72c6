"""There is something to learn: the best scripted solver beats chance, and not by luck."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from validate.baselines.fit import TargetSignal, fitted_baselines
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
        """The least gap to chance of any target; the baseline scores are proved by the way."""
        fits = fitted_baselines(task, executor)
        proofs = Proofs(baseline_scores=fits.baseline_scores)
        by_luck = max(fits.signals, key=lambda signal: signal.p_value)
        # Luck first: a gap that chance may bring is none, however wide.
        if by_luck.p_value >= self.p_value:
            evidence = f"p of the permutation null: {_described(by_luck)}"
            return self.refused(by_luck.p_value, self.p_value, evidence, None, proofs)
        least = min(fits.signals, key=lambda signal: signal.gap)
        evidence = f"gap to chance: {_described(least)}"
        if least.gap < self.gap:
            return self.refused(least.gap, self.gap, evidence, None, proofs)
        return self.passed(least.gap, self.gap, evidence, proofs)


def _described(signal: TargetSignal) -> str:
    score, chance, luck = signal.score, signal.chance, signal.p_value
    return f"`{signal.target}`: score {score:g}, chance {chance:g}, p {luck:g}"

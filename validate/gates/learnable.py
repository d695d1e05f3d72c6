"""There is something to learn: the best scripted solver beats chance, and not by luck."""

from typing import ClassVar

from pydantic import Field

from transform.task import Task
from validate.gate import Gate
from validate.lab import Laboratory
from validate.ladder.climb import climbed
from validate.verdict import Finding, Proofs


class Learnable(Gate):
    """Refuses noise; of executed truth, instructions that lead to nothing about the world.

    Chance is the mean score when truth is paired with rows at random, not the majority class.
    """

    name: ClassVar[str] = "learnable"
    order: ClassVar[int] = 52

    p_value: float = Field(default=0.01, gt=0, lt=1)
    """Share of random pairings that may score as well; it must stay below."""
    gap: float = Field(default=0.05, ge=0, le=1)
    """Least score above chance."""

    def check(self, task: Task, lab: Laboratory) -> Finding:
        """The gap to chance; the ladder is proved by the way."""
        climb = climbed(task, lab)
        proofs = Proofs(ladder=climb.ladder)
        found, luck = climb.ladder.ceiling, climb.ladder.p_value
        gap = round(found - climb.chance, 6)
        said = f"score {found:g}, chance {climb.chance:g}, p {luck:g}"
        if luck >= self.p_value:
            return self.refused(
                luck, self.p_value, f"p of the permutation null: {said}", None, proofs
            )
        if gap < self.gap:
            return self.refused(gap, self.gap, f"gap to chance: {said}", None, proofs)
        return self.passed(gap, self.gap, f"gap to chance: {said}", proofs)

"""The steps of one task, run once, so that a mistake is run only from where it is made.

Enters a task's instructions and its public files; leaves the workspace before each step, the
mutations of each step, and the answer that each of them leads to. Frames are never changed in
place, so a mutation shares all that comes before it, and one that reaches the estimator with the
reference's tables needs no fit. The reference's own answer is not computed here: it is the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

import polars as pl

from transform.run.execute import load
from transform.steps import registry
from transform.steps.step import Mutation, Slip, Step, Workspace
from transform.task import ID_COLUMN, Instructions

MutationSet = Literal["own", "held_out"]
"""The set by which a task is built, or the one that only measures it."""


@dataclass(frozen=True)
class Consequence:
    """What a mutation leads to."""

    acts: bool
    """Whether the tables that enter the last step differ from the reference's."""
    answer: pl.DataFrame | None
    """Ascending id; None where it does not act."""


class Pipeline:
    """One task's steps with the workspace before each of them."""

    def __init__(self, instructions: Instructions, public: Path) -> None:
        """Load the files and apply all steps but the last."""
        self.steps = tuple(registry.resolve(spec) for spec in instructions.steps)
        self._columns = (ID_COLUMN, *instructions.answer_columns)
        self._before = [load(instructions, public)]
        for step in self.steps[:-1]:
            self._before.append(step.apply(self._before[-1]))

    def mutations(self, position: int, mutation_set: MutationSet) -> tuple[Mutation, ...]:
        """Those of the step at this position from 0; held back is also a change of order."""
        step = self.steps[position]
        if mutation_set == "own":
            return step.mutations()
        if position + 2 >= len(self.steps) or self._before[position].parts:
            return step.held_out_mutations()
        after = self.steps[position + 1]
        late = Mutation(f"after_{after.kind}", (after, step), places=2, if_it_acts=True)
        return (*step.held_out_mutations(), late)

    def mutated(self, position: int, mutation: Mutation) -> Consequence:
        """The consequence of one mutation.

        Raises whatever a step or an estimator raises on tables that it cannot take.
        """
        rest = (*mutation.instead, *self.steps[position + mutation.places :])
        if position + 1 < len(self.steps):
            work = _applied(rest[:-1], self._before[position])
            if self._same(work, self._before[-1]):
                return Consequence(acts=False, answer=None)
            rest = rest[-1:]
        else:
            work = self._before[position]
        answer = _applied(rest, work).answer
        assert answer is not None, "the last step must set the answer"
        return Consequence(acts=True, answer=answer.sort(ID_COLUMN))

    def _same(self, work: Workspace, reference: Workspace) -> bool:
        """Whether the last step cannot tell the two apart."""
        pairs = ((work.train, reference.train), (work.val, reference.val))
        if self.steps[-1].sees_column_order:
            return all(one.equals(other) for one, other in pairs)
        return all(
            set(one.columns) == set(other.columns) and one.select(other.columns).equals(other)
            for one, other in pairs
        )


def _applied(steps: Sequence[Step | Slip], work: Workspace) -> Workspace:
    return reduce(lambda done, step: step.apply(done), steps, work)

"""The steps of one task, run once, so that a mistake is run only from where it is made.

Takes a task's instructions and its public files, returns the answer that a mutation of any step
leads to. Frames are never changed in
place, so a mutation shares all that comes before it, and one that reaches the estimator with the
reference's tables needs no fit. The reference's own answer is not computed here: it is the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import polars as pl

from transform.run.execute import load_workspace
from transform.steps import registry
from transform.steps.step import Mutation, Step, UnstatedChange, Workspace
from transform.task import ID_COLUMN, Instructions


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
        self._before = [load_workspace(instructions, public)]
        for step in self.steps[:-1]:
            self._before.append(step.apply(self._before[-1]))

    def mutated(self, position: int, mutation: Mutation, n_replaced: int = 1) -> Consequence:
        """The consequence of a mutation of the `n_replaced` steps from this position, from 0, on.

        Raises whatever a step or an estimator raises on tables that it cannot take.
        """
        rest = (*mutation.instead, *self.steps[position + n_replaced :])
        if position + 1 < len(self.steps):
            work = _applied(rest[:-1], self._before[position])
            # Equal tables give an equal answer: no fit is needed to know it.
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
        # Frames are compared column by column only where order cannot matter.
        if self.steps[-1].sees_column_order:
            return all(one.equals(other) for one, other in pairs)
        return all(
            set(one.columns) == set(other.columns) and one.select(other.columns).equals(other)
            for one, other in pairs
        )


def _applied(steps: Sequence[Step | UnstatedChange], work: Workspace) -> Workspace:
    return reduce(lambda done, step: step.apply(done), steps, work)

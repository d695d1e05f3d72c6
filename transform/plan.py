"""What a task is drawn from: a proposal, a variant, the table's split, and what repairs changed.

The plan stage makes plans; drafting one again with a repair gives the repaired task under the
same id. A plan says nothing about whether its draft will be any good.
"""

from datetime import datetime
from typing import Literal

from pydantic import Field

from extract.noun import Noun
from transform.proposal import Proposal
from transform.task import StepSpec, Variant

SplitKind = Literal["time", "group", "random"]


class Repair(Noun):
    """What a gate asks the next draft of a task to do otherwise; repairs add up."""

    salt: int = Field(default=0, ge=0)
    """Goes into all random choices of the draft: another number, other steps and other noise."""
    without_columns: tuple[str, ...] = ()
    """Columns that are not shipped."""
    avoid_steps: tuple[StepSpec, ...] = ()
    """Steps with these very parameters are not stated."""
    avoid_kinds: tuple[str, ...] = ()
    """Kinds of step that are not stated."""
    avoid_models: tuple[str, ...] = ()
    """Estimators that are not drawn."""

    def plus(self, more: "Repair") -> "Repair":
        """Both repairs; salts add, lists join without repeats."""
        return Repair(
            salt=self.salt + more.salt,
            without_columns=_joined(self.without_columns, more.without_columns),
            avoid_steps=(
                *self.avoid_steps,
                *(s for s in more.avoid_steps if s not in self.avoid_steps),
            ),
            avoid_kinds=_joined(self.avoid_kinds, more.avoid_kinds),
            avoid_models=_joined(self.avoid_models, more.avoid_models),
        )


class SplitFile(Noun):
    """The split of a table's rows, shared by all plans of the table."""

    kind: SplitKind
    cutoff: datetime | None
    """By time: the first held-out instant; None otherwise."""
    sha256: str
    """Parquet in the store with one Boolean column: row by row of the table, True for held out,
    null for neither side."""
    description: str
    """How rows were split, for people; stable."""
    key: str
    """Eight hexadecimal digits of the description and of every row's side."""


class Plan(Noun):
    """One task to be drafted."""

    task_id: str
    variant: Variant
    proposal: Proposal
    split: SplitFile
    repair: Repair = Repair()

    def repaired(self, more: Repair) -> "Plan":
        """The plan with one more repair."""
        return self.model_copy(update={"repair": self.repair.plus(more)})


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))

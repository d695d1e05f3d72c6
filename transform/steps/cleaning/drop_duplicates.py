"""Remove training rows that repeat an earlier one.

Stands after the steps that restore cells, so that copies with different noise count as equal.
"""

import random
from typing import ClassVar, Literal

import polars as pl

from transform.steps.phrase import Phrase
from transform.steps.step import (
    Mutation,
    RowRule,
    StepContext,
    StepStage,
    Workspace,
    sampled_rows,
)
from transform.task import ID_COLUMN

_MAX_LOST = 0.05
"""Share of the clean rows that the rule may take from train."""


class DropDuplicates(RowRule):
    """Of rows equal in all columns but the id, the one with the lowest id stays."""

    kind: ClassVar[str] = "drop_duplicates"
    stage: ClassVar[StepStage] = "duplicates"
    noise: ClassVar[str] = "duplicate"
    compares_rows: ClassVar[bool] = True
    phrase: ClassVar[Phrase] = Phrase(
        "From the training table, remove duplicates: of the rows that are equal in all columns but "
        "`row_id`{compare:choice} (missing equals missing), {keep:choice}.",
        {
            "compare": {"all": "", "features": " and the targets"},
            "keep": {
                "lowest": "only the one with the lowest `row_id` stays",
                "none": "none stays",
            },
        },
    )

    compare: Literal["all", "features"] = "all"
    """`features` leaves the targets out of the comparison."""
    keep: Literal["lowest", "none"] = "lowest"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DropDuplicates, ...]":
        """Those that take few clean rows, first without a look at the targets.

        That one may leave conflicting answers to equal rows in the noise; where the table itself
        holds many, they are what the other one must keep.
        """
        # What repeats in the source is data; taking much of it would change the table's meaning.
        height = context.train.height
        both = (cls(compare="features"), cls(compare="all"))
        work = Workspace(context.train, context.val, context.targets)
        lost = {step: height - step.apply(work).train.height for step in both}
        return tuple(step for step in both if lost[step] <= _MAX_LOST * height)

    @property
    def sees_targets(self) -> bool:
        """Copies must be equal in all that is compared."""
        return self.compare == "all"

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows; the others keep their order."""
        # The id tells every row from every other; compared, it would make the rule idle.
        left_out = {ID_COLUMN, *(work.targets if self.compare == "features" else ())}
        compared = [name for name in work.train.columns if name not in left_out]
        keep: Literal["first", "none"] = "first" if self.keep == "lowest" else "none"
        return work.on_train(lambda frame: frame.unique(compared, keep=keep, maintain_order=True))

    def write(self) -> tuple[str, ...]:
        """Pandas also takes missing for equal to missing."""
        without = '["row_id"]' if self.compare == "all" else '["row_id", *targets]'
        keep = '"first"' if self.keep == "lowest" else "False"
        return (
            f"repeated = train.drop(columns={without}).duplicated(keep={keep})",
            "train = train[~repeated].reset_index(drop=True)",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, as comparing the id too does."""
        return (Mutation("skip", ()),)

    def noisy_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Copies of clean rows."""
        return sampled_rows(clean, rng, n)

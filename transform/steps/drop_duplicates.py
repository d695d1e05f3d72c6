"""Remove training rows that repeat an earlier one.

Stands after the steps that restore cells, so that copies with different dirt count as equal.
"""

import random
from typing import ClassVar, Literal

import polars as pl

from transform.steps.phrase import Phrase
from transform.steps.step import RowRule, Sketch, Stage, Violation, Workspace, copies
from transform.task import ID_COLUMN


class DropDuplicates(RowRule):
    """Of rows equal in all columns but the id, the one with the lowest id stays."""

    kind: ClassVar[str] = "drop_duplicates"
    stage: ClassVar[Stage] = "duplicates"
    dirt: ClassVar[str] = "duplicate"
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
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[DropDuplicates, ...]":
        """Always one."""
        return (cls(),)

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows; the others keep their order."""
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

    def violations(self) -> tuple[Violation, ...]:
        """Skip it, lose the originals too, or leave the targets out."""
        return (
            Violation("skip", ()),
            Violation("lose_originals", (self.model_copy(update={"keep": "none"}),)),
            Violation("ignore_targets", (self.model_copy(update={"compare": "features"}),)),
        )

    def dirty_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Exact copies of clean rows."""
        return copies(clean, rng, n)

"""Fill missing categories with a stated text, a category of its own."""

import random
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.preparing.impute_number import missing_columns
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_MANY = 21
"""More texts than are encoded by indicators, missing included."""
_LABELS = ("missing", "unknown", "not given")


class ImputeLabel(Step):
    """The same text for all missing cells."""

    kind: ClassVar[str] = "impute_label"
    stage: ClassVar[StepStage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing texts of {columns:columns} with the text {value:text}."
    )

    columns: tuple[str, ...] = Field(min_length=1)
    value: str

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[ImputeLabel, ...]":
        """All text features with missing cells, with a label that none of them has yet.

        Only where one has many texts: of few, an indicator for the label tells no more than that
        all others are zero.
        """
        columns = missing_columns(context, context.categories)
        # Their columns are numbered, and there a text of its own has its own number.
        if not any(context.train[name].n_unique() > _MANY for name in columns):
            return ()
        known = {text for column in columns for text in context.values(column).unique().to_list()}
        labels = [label for label in rng.sample(_LABELS, len(_LABELS)) if label not in known]
        return tuple(cls(columns=columns, value=label) for label in labels[:1] if columns)

    def apply(self, work: Workspace) -> Workspace:
        """Fill both tables."""
        filled = pl.col(work.present(self.columns)).fill_null(pl.lit(self.value))
        return work.on_both(lambda frame: frame.with_columns(filled))

    def write(self) -> tuple[str, ...]:
        """One dictionary of fills."""
        return (
            f"fill = dict.fromkeys({list(self.columns)!r}, {self.value!r})",
            "train, val = train.fillna(fill), val.fillna(fill)",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, as encoders let one."""
        return (Mutation("skip", ()),)

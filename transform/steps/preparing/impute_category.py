"""Fill missing categories with the most frequent one of the training rows."""

import random
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.preparing.impute_number import missing_columns
from transform.steps.step import (
    FITTED_ON,
    FittedOn,
    Mutation,
    Step,
    StepContext,
    StepStage,
    UnstatedChange,
    Workspace,
)


class ImputeCategory(Step):
    """The mode, fitted on train, filled into both tables."""

    kind: ClassVar[str] = "impute_category"
    stage: ClassVar[StepStage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing texts of {columns:columns} with the most frequent text "
        "of the same column over {source:choice} (of several the first by code points).",
        {"source": FITTED_ON},
    )

    columns: tuple[str, ...] = Field(min_length=1)
    source: FittedOn = "train"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[ImputeCategory, ...]":
        """All text features with missing cells in one step."""
        columns = missing_columns(context, context.categories)
        return (cls(columns=columns),) if columns else ()

    def apply(self, work: Workspace) -> Workspace:
        """One mode a column."""
        rows = work.fitting(self.source)
        fills = [
            # Polars gives several modes in no fixed order.
            pl.col(column).fill_null(min(rows[column].drop_nulls().mode().to_list()))
            for column in work.present(self.columns)
        ]
        return work.on_both(lambda frame: frame.with_columns(fills))

    def write(self) -> tuple[str, ...]:
        """Modes come sorted."""
        rows = "train[columns]" if self.source == "train" else "pd.concat([train, val])[columns]"
        return (
            f"columns = {list(self.columns)!r}",
            f"fill = {{column: min(cells.mode()) for column, cells in {rows}.items()}}",
            "train, val = train.fillna(fill), val.fillna(fill)",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, as encoders let one, or make them a category of their own."""
        return (Mutation("skip", ()), Mutation("own_category", (UnstatedChange(self._with_label),)))

    def _with_label(self, work: Workspace) -> Workspace:
        filled = pl.col(work.present(self.columns)).fill_null("missing")
        return work.on_both(lambda frame: frame.with_columns(filled))

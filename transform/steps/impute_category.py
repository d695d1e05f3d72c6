"""Fill missing categories with the most frequent one of the training rows."""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.impute_number import missing_columns
from transform.steps.phrase import Phrase
from transform.steps.step import SOURCES, Sketch, Source, Stage, Step, Violation, Workspace


class ImputeCategory(Step):
    """The mode, fitted on train, filled into both tables."""

    kind: ClassVar[str] = "impute_category"
    stage: ClassVar[Stage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing texts of {columns:columns} with the most frequent text "
        "of the same column over {source:choice} (of several the {tie:choice} by code points).",
        {"source": SOURCES, "tie": {"first": "first", "last": "last"}},
    )

    columns: tuple[str, ...] = Field(min_length=1)
    source: Source = "train"
    tie: Literal["first", "last"] = "first"

    @classmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[ImputeCategory, ...]":
        """All text features with missing cells in one step."""
        columns = missing_columns(sketch, sketch.categories)
        return (cls(columns=columns),) if columns else ()

    def apply(self, work: Workspace) -> Workspace:
        """One mode a column."""
        rows = work.fitting(self.source)
        fills: list[pl.Expr] = []
        for column in work.present(self.columns):
            modes = sorted(rows[column].drop_nulls().mode().to_list())
            fills.append(pl.col(column).fill_null(modes[0 if self.tie == "first" else -1]))
        return work.on_both(lambda frame: frame.with_columns(fills))

    def write(self) -> tuple[str, ...]:
        """Modes come sorted."""
        rows = "train[columns]" if self.source == "train" else "pd.concat([train, val])[columns]"
        pick = "min" if self.tie == "first" else "max"
        return (
            f"columns = {list(self.columns)!r}",
            f"fill = {{column: {pick}(cells.mode()) for column, cells in {rows}.items()}}",
            "train, val = train.fillna(fill), val.fillna(fill)",
        )

    def violations(self) -> tuple[Violation, ...]:
        """Skip it, as encoders let one, look at the rows to predict, or break ties otherwise."""
        return (
            Violation("skip", ()),
            Violation("fit_on_both", (self.model_copy(update={"source": "both"}),)),
            Violation("other_tie", (self.model_copy(update={"tie": "last"}),)),
        )

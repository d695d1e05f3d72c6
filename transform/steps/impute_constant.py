"""Fill missing numbers with a stated constant."""

import random
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.steps.drop_missing_target import DropMissingTarget
from transform.steps.impute_number import ImputeNumber, missing_columns
from transform.steps.phrase import Phrase
from transform.steps.step import Sketch, Stage, Step, Violation, Workspace

_CONSTANTS = (0.0, -1.0)


class ImputeConstant(Step):
    """The same number for all missing cells."""

    kind: ClassVar[str] = "impute_constant"
    stage: ClassVar[Stage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing values of {columns:columns} with the number "
        "{value:number}."
    )

    columns: tuple[str, ...] = Field(min_length=1)
    value: float

    @classmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[ImputeConstant, ...]":
        """All numeric features with missing cells, one step a constant, in random order."""
        columns = missing_columns(sketch, sketch.numbers)
        values = rng.sample(_CONSTANTS, len(_CONSTANTS))
        return tuple(cls(columns=columns, value=value) for value in values if columns)

    def apply(self, work: Workspace) -> Workspace:
        """Fill both tables."""
        columns = work.numeric(self.columns)
        filled = pl.col(columns).cast(pl.Float64).fill_null(self.value)
        return work.on_both(lambda frame: frame.with_columns(filled))

    def write(self) -> tuple[str, ...]:
        """One dictionary of fills."""
        return (
            f"fill = dict.fromkeys({list(self.columns)!r}, {self.value!r})",
            "train, val = train.fillna(fill), val.fillna(fill)",
        )

    def violations(self) -> tuple[Violation, ...]:
        """Another constant."""
        other = -1.0 if self.value == 0.0 else 0.0
        return (Violation("other_constant", (self.model_copy(update={"value": other}),)),)

    def held_back(self) -> tuple[Violation, ...]:
        """A statistic, or fewer rows."""
        lost = DropMissingTarget(columns=self.columns)
        return (
            Violation("mean", (ImputeNumber(columns=self.columns, strategy="mean"),)),
            Violation("median", (ImputeNumber(columns=self.columns, strategy="median"),)),
            Violation("drop_rows", (lost, self), if_it_acts=True),
        )

"""Fill missing numbers with a stated constant."""

import random
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.steps.fitting.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.preparing.impute_number import missing_columns, share_between
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_QUANTILES = (0.3, 0.7)
"""Where among the values of a column constants are taken from."""


class ImputeConstant(Step):
    """The same number for all missing cells."""

    kind: ClassVar[str] = "impute_constant"
    stage: ClassVar[StepStage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing values of {columns:columns} with the number "
        "{value:number}."
    )

    columns: tuple[str, ...] = Field(min_length=1)
    value: float

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[ImputeConstant, ...]":
        """All numeric features with missing cells, one step a constant.

        Constants are -1 and short numbers from the middle of some column, in random order for
        models that see every number; for the others the one comes first that has most values
        between it and what a careless hand would fill in.
        """
        columns = missing_columns(context, context.numbers)
        if not columns:
            return ()
        name = rng.choice(columns)
        middle = [_short(context.train[name].quantile(q, "nearest")) for q in _QUANTILES]
        values = list(dict.fromkeys(v for v in (-1.0, *middle) if v))
        rng.shuffle(values)
        if not MODELS[context.model].scaling:
            values.sort(key=lambda value: -_distinguished(context, columns, value))
        return tuple(cls(columns=columns, value=value) for value in values)

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

    def mutations(self) -> tuple[Mutation, ...]:
        """Another constant."""
        other = -1.0 if self.value == 0.0 else 0.0
        return (self.mutated("other_constant", value=other),)


def _short(value: float | None) -> float:
    """Two significant digits; never -0.0."""
    return float(f"{value or 0.0:.1e}") + 0.0


def _distinguished(context: StepContext, columns: tuple[str, ...], value: float) -> float:
    """How clearly some column tells the constant from zero and from the median."""
    cells = [context.train[column] for column in columns]
    medians = [known.cast(pl.Float64).median() for known in cells]
    return min(
        max(share_between(known, value, 0.0) for known in cells),
        max(
            share_between(known, value, median)  # type: ignore[arg-type]
            for known, median in zip(cells, medians, strict=True)
        ),
    )

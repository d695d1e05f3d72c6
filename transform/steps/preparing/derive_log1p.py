"""Take the logarithm of one plus a skewed, non-negative column."""

import random
from typing import ClassVar, Literal

import numpy as np
import polars as pl

from transform.steps.fitting.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_MIN_SKEW = 1.0
_MIN_DISTINCT = 10


class DeriveLog1p(Step):
    """`log(1 + x)`, in place or beside the column."""

    kind: ClassVar[str] = "derive_log1p"
    stage: ClassVar[StepStage] = "derive"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, take the natural logarithm of one plus each value of {column:column}; "
        "{into:choice}; missing stays missing.",
        {
            "into": {
                "replace": "the result replaces the column in its place",
                "new": "the result is appended as a column whose name is `log1p_` and that name",
            }
        },
    )

    column: str
    into: Literal["replace", "new"] = "replace"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DeriveLog1p, ...]":
        """The most skewed feature first; none for models that see only the order of values."""
        if not MODELS[context.model].scaling:
            return ()
        skews = {c: _skew(context, c) for c in context.numbers}
        skewed = [c for c in skews if skews[c] >= _MIN_SKEW]
        return tuple(cls(column=c) for c in sorted(skewed, key=lambda c: -skews[c]))

    def apply(self, work: Workspace) -> Workspace:
        """Numpy on the cells that are not missing."""
        if not work.numeric((self.column,)):
            return work
        name = self.column if self.into == "replace" else f"log1p_{self.column}"
        return work.on_both(lambda frame: frame.with_columns(_log1p(frame[self.column], name)))

    def write(self) -> tuple[str, ...]:
        """Numpy passes missing on."""
        name = self.column if self.into == "replace" else f"log1p_{self.column}"
        return (
            "for frame in (train, val):",
            f"    frame[{name!r}] = np.log1p(frame[{self.column!r}])",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, or put the result elsewhere."""
        other = "new" if self.into == "replace" else "replace"
        return (
            Mutation("skip", ()),
            self.mutated("other_place", into=other),
        )


def _log1p(values: pl.Series, name: str) -> pl.Series:
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    # Noise that a mutated step left in may lie at -1 or below.
    possible = np.where(numbers > -1, numbers, np.nan)
    return pl.Series(name, np.log1p(possible), nan_to_null=True)


def _skew(context: StepContext, column: str) -> float:
    """Skewness of a feature, 0 when it is no quantity from zero upwards."""
    values = context.values(column).cast(pl.Float64)
    # Codes may be skewed, too, but are no quantities.
    if values.n_unique() < _MIN_DISTINCT or bool((values < 0).any()):
        return 0.0
    skew = values.skew()
    return skew if skew is not None and np.isfinite(skew) else 0.0

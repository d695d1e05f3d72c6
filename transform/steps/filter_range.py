"""Keep the training rows whose number lies in a stated range.

The range is wider than the clean values, rounded outward, so that it gives away neither the minimum
nor the maximum of the held-out rows.
"""

import math
import random
from typing import ClassVar

import polars as pl

from transform.steps.phrase import Phrase
from transform.steps.step import RowRule, Sketch, Stage, Violation, Workspace


class FilterRange(RowRule):
    """Drop training rows outside `[low, high]`; missing values stay."""

    kind: ClassVar[str] = "filter_range"
    stage: ClassVar[Stage] = "ranges"
    dirt: ClassVar[str] = "out_of_range"
    phrase: ClassVar[Phrase] = Phrase(
        "From the training table, remove the rows in which {column:column} is below {low:number} "
        "or above {high:number}; keep the rows in which it is missing."
    )

    column: str
    low: float
    high: float

    @classmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[FilterRange, ...]":
        """One rule for each numeric feature with enough distinct values, in random order."""
        rules = [_around(sketch, column) for column in sketch.numbers if column not in sketch.taken]
        found = [rule for rule in rules if rule is not None]
        rng.shuffle(found)
        return tuple(found)

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows."""
        value = pl.col(self.column)
        keep = value.is_null() | value.is_between(self.low, self.high)
        return Workspace(work.train.filter(keep), work.val, work.targets)

    def write(self) -> tuple[str, ...]:
        """A boolean mask."""
        name = repr(self.column)
        return (
            f"outside = (train[{name}] < {self.low!r}) | (train[{name}] > {self.high!r})",
            "train = train[~outside]",
        )

    def violations(self) -> tuple[Violation, ...]:
        """Skip it, see one end only, or lose the rows with a missing value."""
        return (
            Violation("skip", ()),
            Violation("no_upper", (self.model_copy(update={"high": 1e300}),)),
            Violation("no_lower", (self.model_copy(update={"low": -1e300}),)),
        )

    def dirty_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Copies of clean rows, alternately below and above the range by up to its width."""
        rows = clean.sample(n, with_replacement=n > clean.height, seed=rng.getrandbits(32))
        width = self.high - self.low
        whole = clean.schema[self.column].is_integer()
        values: list[float] = []
        for position in range(n):
            gap = width * rng.uniform(0.05, 1.0)
            value = self.low - gap if position % 2 else self.high + gap
            values.append(math.floor(value) if position % 2 else math.ceil(value) if whole else value)
        cells = pl.Series(self.column, values).cast(clean.schema[self.column])
        return rows.with_columns(cells, pl.lit(None, pl.Int64).alias("row_id"))


def _around(sketch: Sketch, column: str) -> FilterRange | None:
    """A range that holds all clean values of train and val, with a margin of two digits."""
    values = pl.concat([sketch.train[column], sketch.val[column]]).drop_nulls()
    if values.n_unique() < 10:
        return None
    lowest, highest = float(values.min()), float(values.max())  # type: ignore[arg-type]
    margin = 0.1 * (highest - lowest)
    scale = 10.0 ** (math.floor(math.log10(highest - lowest)) - 1)
    low = math.floor((lowest - margin) / scale) * scale
    high = math.ceil((highest + margin) / scale) * scale
    return FilterRange(column=column, low=round(low, 12), high=round(high, 12))

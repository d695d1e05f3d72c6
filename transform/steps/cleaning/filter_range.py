"""Keep the training rows whose number lies in a stated range.

The range is wider than the clean values, rounded outward, so that it gives away neither the minimum
nor the maximum of the held-out rows.
"""

import math
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

_MIN_DISTINCT = 10
"""Fewer values are codes rather than measurements."""
_MAX_DECIMALS = 6
_MARGIN = (0.005, 0.04)
"""Distance of the ends from the clean values, as a share of their spread."""
_NEAR, _FAR = (0.005, 0.08), (0.3, 1.0)
"""Distance of noisy values from the ends, as a share of the range."""
_MISREAD = 0.1
"""Share of the range by which a misread end lies off."""


class FilterRange(RowRule):
    """Drop training rows outside `[low, high]`."""

    kind: ClassVar[str] = "filter_range"
    stage: ClassVar[StepStage] = "ranges"
    noise: ClassVar[str] = "out_of_range"
    phrase: ClassVar[Phrase] = Phrase(
        "From the training table, remove the rows in which {column:column} is below {low:number} "
        "or above {high:number}{missing:choice}.",
        {
            "missing": {
                "keep": "; keep the rows in which it is missing",
                "remove": "; remove also the rows in which it is missing",
                "unstated": "",
            }
        },
    )

    column: str
    low: float
    high: float
    missing: Literal["keep", "remove", "unstated"] = "keep"
    """Rows with a missing value; `unstated` where there are none, and then like `keep`."""

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[FilterRange, ...]":
        """One rule for each numeric feature with enough distinct values, in random order.

        Columns with missing cells come first: only there can the clause on them be seen.
        """
        free = [column for column in context.numbers if column not in context.taken]
        rules = [rule for column in free if (rule := _around(context, column, rng)) is not None]
        rng.shuffle(rules)
        return tuple(sorted(rules, key=lambda rule: rule.missing == "unstated"))

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows."""
        if not work.numeric((self.column,)):
            return work
        value = pl.col(self.column)
        inside = value.is_between(self.low, self.high)
        keep = inside.fill_null(self.missing != "remove")
        return work.on_train(lambda frame: frame.filter(keep))

    def write(self) -> tuple[str, ...]:
        """A boolean mask."""
        value = f"train[{self.column!r}]"
        outside = f"outside = ({value} < {self.low!r}) | ({value} > {self.high!r})"
        if self.missing == "remove":
            outside += f" | {value}.isna()"
        return (outside, "train = train[~outside].reset_index(drop=True)")

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, or see one end only."""
        return (
            Mutation("skip", ()),
            self.mutated("no_upper", high=1e300),
            self.mutated("no_lower", low=-1e300),
        )

    def noisy_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Copies of clean rows, alternately above and below the range.

        Half of them lie just beyond an end, the others up to the width of the range beyond it. The
        numbers have as many decimals as the clean ones.
        """
        column = clean[self.column]
        # More decimals than the clean numbers have would mark the noise.
        grid = 1.0 if column.dtype.is_integer() else _grid(column)
        width = self.high - self.low
        # Near ones catch a misread end, far ones pull the answer.
        gaps = [width * rng.uniform(*(_FAR if i // 2 % 2 else _NEAR)) for i in range(n)]
        values = [
            _beyond(self.low, -gap, grid) if i % 2 else _beyond(self.high, gap, grid)
            for i, gap in enumerate(gaps)
        ]
        cells = pl.Series(self.column, values, pl.Float64).cast(column.dtype)
        return sampled_rows(clean, rng, n).with_columns(cells)


def _around(context: StepContext, column: str, rng: random.Random) -> FilterRange | None:
    """A range around all clean values with a random margin, three digits of the spread."""
    values = context.values(column).cast(pl.Float64)
    if values.n_unique() < _MIN_DISTINCT:
        return None
    lowest, highest = values.min(), values.max()
    assert isinstance(lowest, float)
    assert isinstance(highest, float)
    spread, largest = highest - lowest, max(-lowest, highest)
    # Beyond these, neighbouring floats or 64-bit integers are too coarse for values outside.
    if not 1e-100 < spread < 1e100 or spread < 1e-9 * largest:
        return None
    if context.train.schema[column].is_integer() and largest > 1e15:
        return None
    exponent = math.floor(math.log10(spread)) - 2
    steps_below, steps_above = (
        math.ceil(rng.uniform(*_MARGIN) * spread / 10.0**exponent) for _ in range(2)
    )
    # Through text, so that the bounds are short decimals; adding zero makes -0.0 a plain zero.
    low = float(f"{math.floor(lowest / 10.0**exponent) - steps_below}e{exponent}") + 0.0
    high = float(f"{math.ceil(highest / 10.0**exponent) + steps_above}e{exponent}") + 0.0
    has_missing = context.train[column].null_count() > 0
    return FilterRange(
        column=column, low=low, high=high, missing="keep" if has_missing else "unstated"
    )


def _grid(values: pl.Series) -> float | None:
    """The power of ten on which all values lie, None when there is none or it is too fine."""
    for decimals in range(_MAX_DECIMALS + 1):
        if (values.round(decimals) == values).all():
            return 10.0**-decimals
    return None


def _beyond(end: float, gap: float, grid: float | None) -> float:
    """A number strictly beyond `end`, upwards for a positive gap, on the grid if there is one."""
    value = end + gap
    if grid is None:
        return value
    steps = math.ceil(value / grid) if gap > 0 else math.floor(value / grid)
    rounded = round(steps * grid, round(-math.log10(grid))) + 0.0
    return rounded if (rounded - end) * gap > 0 else value

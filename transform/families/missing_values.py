"""Injects missing values into some features, so that a task has some to deal with.

Takes train and val, returns them with cells of the same columns emptied: half of them where the
values are largest, so that what fills them matters, half anywhere. Columns come in random order,
those whose mean lies far from the median rather early, because there ways of filling differ. Not
guaranteed: that rows stay different from each other.
"""

import random
from collections.abc import Callable, Sequence

import polars as pl

_LUCK = 0.3
"""Chance against skewness when columns are drawn, in shares of the rows."""


_SHARE = 0.08
"""Of the cells of a column, half of them the largest values: enough that each way of filling them
moves the answer, few enough that the column still tells something."""
MAX_INJECTED_COLUMNS = 4
"""Features with injected missing values; never more than a third, other rules need columns."""


def hide_cells(
    train: pl.DataFrame,
    val: pl.DataFrame,
    features: Sequence[str],
    rng: Callable[[str], random.Random],
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both tables with missing values; `rng` gives the random numbers of one column."""
    order = {name: _skewness(train[name]) + _LUCK * rng(name).random() for name in features}
    # A column with injected missing values is taken; ranges and categories need others.
    n = min(MAX_INJECTED_COLUMNS, max(1, len(features) // 3))
    for name in sorted(features, key=lambda name: -order[name])[:n]:
        seed = rng(f"holes in {name}").getrandbits(32)
        train, val = (_hide(side, name, seed) for side in (train, val))
    return train, val


def _hide(side: pl.DataFrame, name: str, seed: int) -> pl.DataFrame:
    """Empty the cells with the largest values (or texts), and as many others."""
    n = max(2, int(side.height * _SHARE / 2))
    # Ties in random order: of equal values not always the first rows.
    order = side[name].rank("ordinal", descending=True, seed=seed).fill_null(side.height + 1)
    drawn = pl.int_range(side.height, eager=True).shuffle(seed=seed)
    return side.with_columns(
        pl.when((order <= n) | (drawn < n)).then(None).otherwise(pl.col(name)).alias(name)
    )


def _skewness(values: pl.Series) -> float:
    """Share of the values strictly between median and mean; what is no number, a little."""
    if not values.dtype.is_numeric():
        return _LUCK / 2
    known = values.drop_nulls().cast(pl.Float64)
    mean, median = known.mean(), known.median()
    if not isinstance(mean, float) or not isinstance(median, float):
        return 0.0
    low, high = sorted((mean, median))
    return float(known.is_between(low, high, closed="none").sum()) / len(known)

"""How raw rows become one cell of a grid, alike in the look at a series and in its task.

An expression enters, one of a single value leaves; a cell without an observed value is missing,
whatever the aggregation.
"""

import polars as pl

from transform.proposal import Aggregation

_DIGITS = 12
"""Significant digits of means and sums, so that they do not depend on the order of adding."""


def aggregated(values: pl.Expr, how: Aggregation, dtype: pl.DataType) -> pl.Expr:
    """The values of a cell as one; `dtype` is theirs, and of what is no number the last is kept."""
    seen = values.drop_nulls()
    if how == "count":
        return seen.len().cast(pl.Int64)
    if how == "last" or not dtype.is_numeric():
        return seen.last()
    if how == "mean":
        return seen.mean().round_sig_figs(_DIGITS)
    if how == "sum":
        total = seen.sum().round_sig_figs(_DIGITS) if dtype.is_float() else seen.sum()
        return pl.when(seen.len() > 0).then(total)
    return seen.max() if how == "max" else seen.min()

"""How raw rows become one cell of a grid, alike in the look at a series and in its task.

Takes an expression, returns one of a single value; a cell without an observed value is missing,
whatever the aggregation.
"""

import polars as pl

from transform.proposal import Aggregation

_DIGITS = 12
"""Significant digits of means and sums, so that they do not depend on the order of adding."""


def aggregated(values: pl.Expr, how: Aggregation, dtype: pl.DataType) -> pl.Expr:
    """The values of a cell as one; `dtype` is theirs, and of what is no number the last is kept."""
    observed = values.drop_nulls()
    if how == "count":
        return observed.len().cast(pl.Int64)
    if how == "last" or not dtype.is_numeric():
        return observed.last()
    if how == "mean":
        return observed.mean().round_sig_figs(_DIGITS)
    if how == "sum":
        total = observed.sum().round_sig_figs(_DIGITS) if dtype.is_float() else observed.sum()
        return pl.when(observed.len() > 0).then(total)
    return observed.max() if how == "max" else observed.min()

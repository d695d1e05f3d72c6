"""Columns that name rows rather than describe them, recognised by how their values lie.

Values that are drawn meet by chance; numbers that are handed out one by one never do. Takes values,
returns whether they are such names. Not guaranteed: identifiers whose values are as far apart as
measurements.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

_UNIQUE = 0.98
"""Share of distinct values among rows with one."""
_UNIQUE_TEXTS = 0.9
"""The same for texts, which are seldom measurements; a few names may be repeated."""
_MEETINGS = 10.0
"""Pairs of equal values that chance must make expect before their absence says anything."""
_ABSENT = 0.2
"""Part of the expected pairs below which they are absent."""
_LEAST = 50
"""Values without which nothing is said."""
_EXACT = 2**53
"""Whole numbers from which doubles no longer hold each one."""


def names_rows(values: pl.Series) -> bool:
    """Whether a column identifies rows by design: a serial number, a code, a key.

    Whole numbers do when they repeat far less than numbers drawn from their span would (the
    birthday problem, with the flattest of all distributions); texts when nearly all differ.
    """
    present = values.drop_nulls()
    if len(present) < _LEAST:
        return False
    distinct = present.n_unique()
    if present.dtype == pl.String:
        return distinct >= _UNIQUE_TEXTS * len(present)
    if not present.dtype.is_numeric() or distinct < _UNIQUE * len(present):
        return False
    numbers = present.cast(pl.Float64).to_numpy()
    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any():
        return False
    return _avoid_each_other(numbers, len(present) - distinct)


def _avoid_each_other(numbers: npt.NDArray[np.float64], n_equal: int) -> bool:
    # Pairs among n numbers drawn evenly from a span meet n(n-1)/2/span times on average.
    step = _step(numbers)
    span = (numbers.max() - numbers.min()) / step + 1
    expected = len(numbers) * (len(numbers) - 1) / 2 / span
    return bool(expected >= _MEETINGS and n_equal < _ABSENT * expected)


def _step(numbers: npt.NDArray[np.float64]) -> float:
    """The largest number of which all differences are multiples: keys may count by tens."""
    if np.abs(numbers).max() >= _EXACT:
        return 1.0
    return float(np.gcd.reduce(np.diff(np.unique(numbers)).astype(np.int64)))

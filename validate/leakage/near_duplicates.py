"""Held-out rows that stand in train, exactly or nearly: jittered, rounded, written otherwise.

Takes rows with their answers, returns how many held-out rows have a near duplicate in train, beside
how many train has of itself, which is what the nature of the data makes of it. Numbers are compared
by the spread of their column, so that rounding hides nothing. Not guaranteed: rows that were copied
and then changed in more than that.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from validate.leakage.rows_with_answers import RowsWithAnswers

_Floats = npt.NDArray[np.float64]
_TOLERANCE = 1e-3
"""Difference of two numbers, by the width of the middle of their column, that is none: what
rounding to three digits leaves."""
_FAR = 1e3
"""Distance, in the same unit, of what is not equal at all."""


@dataclass(frozen=True)
class NearDuplicates:
    """Counts of held-out rows with a near duplicate in train."""

    held_out: int
    """As observed."""
    expected: float
    """As many if held-out rows had them as often as distinct training rows have among each
    other."""


def near_duplicates(rows: RowsWithAnswers, names: list[str]) -> NearDuplicates:
    """Rows that agree in every one of the named columns.

    Numbers agree within the tolerance, everything else exactly; missing agrees with missing.
    """
    from scipy.spatial import KDTree

    train, held_out = _placed(rows, names)
    if not len(train) or not len(held_out):
        return NearDuplicates(0, 0.0)
    tree = KDTree(train)
    near, _ = tree.query(held_out, k=1, p=np.inf, distance_upper_bound=_TOLERANCE)
    # The nearest of a training row is itself, so the second is asked.
    among, _ = tree.query(train, k=2, p=np.inf, distance_upper_bound=_TOLERANCE)
    natural = float(np.isfinite(among[:, 1]).mean())
    return NearDuplicates(int(np.isfinite(near).sum()), natural * len(held_out))


def _placed(rows: RowsWithAnswers, names: list[str]) -> tuple[_Floats, _Floats]:
    """Distinct training rows and held-out rows as points; codes stand far apart."""
    both = rows.rows.select(names)
    points = np.column_stack([_column(both[name]) for name in names])
    n = rows.train.height
    return np.unique(points[:n], axis=0), points[n:]


def _column(values: pl.Series) -> _Floats:
    if values.dtype.is_float():
        numbers = values.to_numpy()
        known = np.isfinite(numbers)
        spread = _spread(numbers[known])
        return np.where(known, numbers / spread, -_FAR * 10)
    codes = values.rank("dense").fill_null(0).cast(pl.Float64)
    return codes.to_numpy() * _FAR


def _spread(numbers: _Floats) -> float:
    """Width of the middle of a column, so that single wild values make nothing equal."""
    if not len(numbers):
        return 1.0
    low, high = np.quantile(numbers, [0.1, 0.9])
    return float(high - low) or float(numbers.std()) or 1.0

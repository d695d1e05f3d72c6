"""Held-out rows that stand in train, exactly or nearly: jittered, rounded, written otherwise.

Rows with their answers enter; how many held-out rows have a twin in train leaves, beside how many
twins train has of itself, which is what the nature of the data makes of it. Not guaranteed: twins
of which several cells differ.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from validate.leakage.answered_rows import Answered

Floats = npt.NDArray[np.float64]
_FAR = 1e3
"""Distance, in standard deviations, of what is not equal at all."""


@dataclass(frozen=True)
class Twins:
    """Counts of rows that have a twin."""

    held_out: int
    """Held-out rows with a twin in train."""
    expected: float
    """As many if held-out rows had twins as often as distinct training rows have."""
    n_held_out: int


def near_twins(rows: Answered, names: list[str], tolerance: float) -> Twins:
    """Rows that agree in every one of the named columns.

    Numbers agree within `tolerance` standard deviations, everything else exactly; missing agrees
    with missing.
    """
    from scipy.spatial import KDTree

    train, held_out = _placed(rows, names)
    if not len(train) or not len(held_out):
        return Twins(0, 0.0, len(held_out))
    tree = KDTree(train)
    near, _ = tree.query(held_out, k=1, p=np.inf, distance_upper_bound=tolerance)
    among, _ = tree.query(train, k=2, p=np.inf, distance_upper_bound=tolerance)
    natural = float(np.isfinite(among[:, 1]).mean())
    return Twins(int(np.isfinite(near).sum()), natural * len(held_out), len(held_out))


def _placed(rows: Answered, names: list[str]) -> tuple[Floats, Floats]:
    """Distinct training rows and held-out rows as points; codes stand far apart."""
    both = rows.rows.select(names)
    points = np.column_stack([_column(both[name]) for name in names])
    n = rows.train.height
    return np.unique(points[:n], axis=0), points[n:]


def _column(values: pl.Series) -> Floats:
    if values.dtype.is_float():
        numbers = values.to_numpy()
        known = np.isfinite(numbers)
        spread = _spread(numbers[known])
        return np.where(known, numbers / spread, -_FAR * 10)
    codes = values.rank("dense").fill_null(0).cast(pl.Float64)
    return codes.to_numpy() * _FAR


def _spread(numbers: Floats) -> float:
    """Width of the middle of a column, so that single wild values make nothing equal."""
    if not len(numbers):
        return 1.0
    low, high = np.quantile(numbers, [0.1, 0.9])
    return float(high - low) or float(numbers.std()) or 1.0

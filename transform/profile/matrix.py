"""A table as numbers, to measure what tells what.

Takes usable columns of a frame; returns a sampled matrix, in row order. Categories and texts become
codes in the order of their values, instants days since 1970, missing stays missing. It serves
searching only: no task is computed from it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.profile.dependence import codes_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SampledMatrix:
    """Sampled rows of some columns, `(n_rows, n_cols)`."""

    names: tuple[str, ...]
    values: Floats
    """NaN for missing."""
    numeric: npt.NDArray[np.bool_]
    """Per column: the number means something (numbers and instants)."""
    rows: Ints
    """Positions of the sampled rows in the frame, ascending."""

    @cached_property
    def place(self) -> dict[str, int]:
        """Position of each column."""
        return {name: i for i, name in enumerate(self.names)}

    def column(self, name: str) -> Floats:
        """Values of one column."""
        return self.values[:, self.place[name]]

    def columns(self, names: Sequence[str]) -> Floats:
        """Values of some columns, `(n_rows, len(names))`."""
        return self.values[:, [self.place[name] for name in names]]

    @cached_property
    def codes(self) -> Ints:
        """A code per distinct value of each column, missing is a code too."""
        series = [pl.Series(column).fill_nan(None) for column in self.values.T]
        return np.array([codes_of(values) for values in series]).T.reshape(self.values.shape)


_LARGEST = 1e30
"""Trees compute in 32 bits; beyond that a value is only very large."""


def encode(frame: pl.DataFrame, names: Sequence[str], rows: int, key: str) -> SampledMatrix:
    """Sample at most `rows` rows, by a seed derived from `key`, and turn them into numbers."""
    chosen = np.arange(frame.height)
    if frame.height > rows:
        # In row order, so that what is sorted by time stays so.
        chosen = np.sort(seeded(key).choice(frame.height, rows, replace=False))
    sample = frame[chosen.tolist()] if frame.height > rows else frame
    columns = [_numbers(sample[name]) for name in names]
    values = np.array(columns, dtype=np.float64).T.reshape(len(chosen), len(names))
    values = np.clip(values, -_LARGEST, _LARGEST)
    numeric = np.array([frame[name].dtype != pl.String for name in names], dtype=np.bool_)
    return SampledMatrix(tuple(names), values, numeric, chosen.astype(np.int64))


def seeded(key: str) -> np.random.Generator:
    """A generator whose seed is a hash of the key."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big"))


def _numbers(values: pl.Series) -> Floats:
    if values.dtype == pl.String:
        # Ranks of texts do not depend on which text came first in the file.
        values = values.rank("dense")
    elif values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us")).to_physical() / 86_400e6
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()

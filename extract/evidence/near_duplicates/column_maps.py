"""One column in another's words: which values of two columns are the same, also in other units.

Takes two columns of one kind, returns a code for each cell: cells of the two columns bear the same
code where they hold the same value. Numbers may have been rounded, shifted and rescaled on the
way (another unit, min-max or standard scaling, another currency at one rate): the map is guessed
from the extremes of both, because a part of a column still has values near both ends, and then
checked on all values. A map that turns the order around, and a bent one (a logarithm), are not
found.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

NumberArray = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

UNKNOWN = -1
"""Code of a cell that the other column does not hold."""

_MOST_DECIMALS = 9
"""As many as the significant digits that `columns.py` keeps."""
_MAX_ENDS = 40
"""Values from either end of the longer column that may be the shorter one's extremes."""
_N_PROBES = 24
"""Values that test a guess before it is fitted."""
_MAX_CHECKED = 2_000
"""Values that measure a map; their share is exact to about one per cent."""
_FEWEST = 12
"""Distinct values below which no map is searched: almost any would do; only the ends are tried."""
_TIGHT = 1e-5
"""Of the range: what the digits kept by `columns.py` and a map in floating point lose."""
_HELD, _SURE, _FIT = 0.5, 0.9, 0.65
"""Share of values from which a map is one at all, is not bettered, and a guess is refined."""
_REFINED = 5
"""Guesses that are fitted to all values."""


@dataclass(frozen=True)
class UnitMap:
    """`scale * x + shift`, rounded, is the shorter column's value for `x` of the longer one."""

    scale: float
    shift: float
    decimals: int
    tolerance: float
    """Greatest distance at which two numbers are one."""
    hits: float
    """Share of the shorter column's distinct values that the longer one holds."""

    def __call__(self, values: NumberArray) -> NumberArray:
        """The values in the terms of the shorter column."""
        return np.round(self.scale * values + self.shift, self.decimals)


def find_unit_map(longer: NumberArray, shorter: NumberArray) -> UnitMap | None:
    """The map that sends most values of the shorter column into the longer; None without one.

    Both are finite, sorted and each value once. Exact maps go before those that need rounding, as
    rounded numbers fit any dense column.
    """
    if not len(longer) or not len(shorter):
        return None
    best: UnitMap | None = None
    for guess in _guesses(longer, shorter):
        if guess is not None and guess.hits >= _SURE:
            return guess
        if guess is not None and guess.hits > (best.hits if best else _HELD):
            best = guess
    return best


def _guesses(longer: NumberArray, shorter: NumberArray) -> Iterator[UnitMap | None]:
    """Maps from the likeliest on."""
    yield _identity(longer, shorter, _MOST_DECIMALS)
    few = min(len(longer), len(shorter)) < _FEWEST
    if min(len(longer), len(shorter)) >= 2:
        exact = _TIGHT * float(np.ptp(shorter))
        yield _ends(longer, shorter) if few else _affine(longer, shorter, exact, _MOST_DECIMALS)
    yield _identity(longer, shorter, min(_decimals(longer), _decimals(shorter)))
    if not few:
        decimals = _decimals(shorter)
        yield _affine(longer, shorter, 10.0**-decimals, decimals)


def text_codes(longer: pl.Series, shorter: pl.Series) -> tuple[Codes, Codes]:
    """Codes of the cells of two columns of text; 0 is missing."""
    known = longer.unique().drop_nulls().sort()
    return _text_codes(longer, known), _text_codes(shorter, known)


def number_codes(
    longer: NumberArray, shorter: NumberArray, unit_map: UnitMap, grid: NumberArray
) -> tuple[Codes, Codes]:
    """Codes of the cells of two columns of numbers; 0 is missing (not a number).

    `grid` are the distinct values of the longer column under the map.
    """
    long_codes = _number_codes(unit_map(longer), grid, unit_map.tolerance)
    # Only infinite cells of the longer column have no place in the grid; they must equal nothing.
    long_codes[long_codes == UNKNOWN] = UNKNOWN - 1
    rounded = np.round(shorter, unit_map.decimals)
    return long_codes, _number_codes(rounded, grid, unit_map.tolerance)


def _text_codes(values: pl.Series, known: pl.Series) -> Codes:
    codes = values.replace_strict(
        known, pl.Series(range(1, len(known) + 1)), default=UNKNOWN, return_dtype=pl.Int64
    )
    return pl.select(pl.when(values.is_null()).then(0).otherwise(codes)).to_series().to_numpy()


def _number_codes(values: NumberArray, grid: NumberArray, tolerance: float) -> Codes:
    places = _nearest(grid, values)
    codes = np.where(np.abs(grid[places] - values) <= tolerance, places + 1, UNKNOWN)
    return np.where(np.isnan(values), 0, codes).astype(np.int64)


def distinct_values(values: NumberArray) -> NumberArray:
    """The finite values, sorted, each once."""
    return np.unique(values[np.isfinite(values)])


def _nearest(grid: NumberArray, values: NumberArray) -> npt.NDArray[np.int64]:
    """Places in the sorted `grid` of the values next to `values`."""
    right = np.clip(np.searchsorted(grid, values), 1, max(1, len(grid) - 1))
    left = right - 1
    right = np.minimum(right, len(grid) - 1)
    return np.where(np.abs(grid[left] - values) <= np.abs(grid[right] - values), left, right)


def _identity(longer: NumberArray, shorter: NumberArray, decimals: int) -> UnitMap:
    """Equal as they stand, or to so many decimals."""
    checked = shorter[:: max(1, len(shorter) // _MAX_CHECKED)]
    sides = [np.round(side, decimals) for side in (longer, checked)]
    gap = np.abs(sides[0][_nearest(sides[0], sides[1])] - sides[1])
    tolerance = 1e-9 * float(np.abs(sides[1]).max()) + 1e-12
    return UnitMap(1.0, 0.0, decimals, tolerance, float((gap <= tolerance).mean()))


def _decimals(values: NumberArray) -> int:
    """Fewest decimals in which all of some values are written."""
    some = values[:: max(1, len(values) // 500)]
    precision = np.maximum(np.abs(some), 1) * 1e-9
    for decimals in range(_MOST_DECIMALS):
        if (np.abs(np.round(some, decimals) - some) <= precision).all():
            return decimals
    return _MOST_DECIMALS


def _ends(longer: NumberArray, shorter: NumberArray) -> UnitMap | None:
    """The map that sends ends to ends, for as many values on both sides."""
    if len(longer) != len(shorter):
        return None
    scale = (shorter[-1] - shorter[0]) / (longer[-1] - longer[0])
    shift = shorter[0] - scale * longer[0]
    decimals = _decimals(shorter)
    tolerance = max(1.1 * 10.0**-decimals, _TIGHT * float(np.ptp(shorter)))
    apart = float(np.diff(shorter).min())
    gap = float(np.abs(scale * longer + shift - shorter).max())
    if gap > min(tolerance, apart / 3):
        return None
    return UnitMap(scale, shift, _MOST_DECIMALS, apart / 3, 1.0)


def _affine(
    longer: NumberArray, shorter: NumberArray, tolerance: float, decimals: int
) -> UnitMap | None:
    """The best map that sends two values near the ends to the ends of the shorter column."""
    n_ends = int(np.clip(3 * len(longer) // len(shorter), 3, min(_MAX_ENDS, len(longer) // 2)))
    first, last = shorter[0], shorter[-1]
    low, high = np.meshgrid(longer[:n_ends], longer[-n_ends:], indexing="ij")
    scale = (last - first) / (high - low)
    shift = first - scale * low
    probes = shorter[np.linspace(1, len(shorter) - 2, _N_PROBES).astype(int)]
    scale, shift = scale.ravel(), shift.ravel()
    # A few probes reject most guesses.
    for some in (probes[::4], probes):
        wanted = (some - shift[:, None]) / scale[:, None]
        gaps = np.abs(longer[_nearest(longer, wanted)] - wanted) * scale[:, None]
        hits = (gaps <= tolerance).mean(axis=1)
        scale, shift, hits = (part[hits >= _FIT] for part in (scale, shift, hits))
    maps = [
        _refined(longer, shorter, (scale[n], shift[n]), tolerance, decimals)
        for n in np.argsort(-hits, kind="stable")[:_REFINED]
    ]
    return max(maps, key=lambda unit_map: unit_map.hits, default=None)


def _refined(
    longer: NumberArray,
    shorter: NumberArray,
    guess: tuple[float, float],
    tolerance: float,
    decimals: int,
) -> UnitMap:
    """The map through all values that the guess brings together, by least squares."""
    checked = shorter[:: max(1, len(shorter) // _MAX_CHECKED)]
    scale, shift = guess
    partners = longer[_nearest(longer, (checked - shift) / scale)]
    near = np.abs(scale * partners + shift - checked) <= tolerance
    if np.ptp(partners[near]) > 0:
        centre = partners[near].mean()
        scale, height = np.polyfit(partners[near] - centre, checked[near], 1)
        shift = height - scale * centre
    mapped = scale * longer + shift
    gaps = np.abs(mapped[_nearest(mapped, checked)] - checked)
    # What was rounded lies within half a unit; the map itself is not exact.
    hits = float((gaps <= 0.55 * tolerance).mean())
    return UnitMap(float(scale), float(shift), decimals, 0.55 * tolerance, hits)

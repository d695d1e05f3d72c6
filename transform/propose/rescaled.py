"""Whether the numbers of one column are those of another in another unit.

Two columns enter, the second with fewer rows or as many, in any order; the affine map from the
first to the second leaves, or nothing. The map is guessed from the ends of both columns, since a
sample of rows mostly keeps some of the few largest and smallest values, and it is believed when it
hits nearly all values where chance would hit few. Not guaranteed: samples of under a tenth of the
rows, maps that are no straight lines, and numbers rounded coarsely after the change of unit.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_ENDS = 12
"""Values at either end of the longer column that may be the ends of the other."""
_VALUES = 300
"""Values of the other column that are looked up."""
_FEWEST = 50
"""Distinct values without which nothing is concluded."""
_HIT = 0.9
"""Share of the values that a map must hit."""
_LUCK = 0.3
"""Share that it may hit by chance."""


@dataclass(frozen=True)
class Scale:
    """`slope * x + offset` gives the other column, within `error`."""

    slope: float
    offset: float
    error: float


def scale_of(large: Floats, small: Floats) -> Scale | None:
    """The map under which nearly all values of `small` are values of `large`, if there is one."""
    ours = np.unique(large[np.isfinite(large)])
    theirs = np.unique(small[np.isfinite(small)])
    if len(theirs) < _FEWEST or len(ours) < len(theirs):
        return None
    error = _precision(theirs)
    sample = theirs[np.linspace(0, len(theirs) - 1, min(_VALUES, len(theirs))).astype(int)]
    low, high = ours[:_ENDS], ours[-_ENDS:]
    span = np.subtract.outer(high, low)
    rise = theirs[-1] - theirs[0]
    for sign in (1, -1):
        slopes = np.where(span > 0, sign * rise / np.where(span > 0, span, 1), 0).ravel()
        start = theirs[0] if sign > 0 else theirs[-1]
        offsets = start - slopes * np.tile(low, len(high))
        for slope, offset in zip(slopes.tolist(), offsets.tolist(), strict=True):
            if slope and _hits(ours, sample, slope, offset, error):
                return Scale(slope, offset, error)
    return None


def _precision(values: Floats) -> float:
    """Half of the last decimal that is written, at least a rounding of binary numbers."""
    largest = float(np.abs(values).max())
    for digits in range(7):
        if np.allclose(values, np.round(values, digits), rtol=0, atol=1e-9 * max(1.0, largest)):
            return max(0.51 * 10.0**-digits if digits else 1e-9 * largest, 1e-9 * largest)
    return 1e-9 * max(largest, 1e-300)


def _hits(ours: Floats, sample: Floats, slope: float, offset: float, error: float) -> bool:
    """Whether the map takes nearly every value somewhere, and chance would not."""
    back = (sample - offset) / slope
    width = error / abs(slope) + 1e-9 * float(np.abs(ours).max())
    quick = back[:: max(1, len(back) // 20)]
    if _share(ours, quick, width) < _HIT or _share(ours, back, width) < _HIT:
        return False
    span = float(ours[-1] - ours[0])
    return min(1.0, 2 * width * len(ours) / span) <= _LUCK


def _share(ours: Floats, values: Floats, width: float) -> float:
    place = np.searchsorted(ours, values).clip(1, len(ours) - 1)
    gap = np.minimum(np.abs(ours[place] - values), np.abs(ours[place - 1] - values))
    return float((gap <= width).mean())

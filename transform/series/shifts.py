"""Whether a column of some series is made of another column's values at other instants.

Takes series of two columns, row by row in order of time; returns how the first tells the second, or
an empty text. It finds values moved in time (as they are, in another unit, rounded, or as a flag
above a threshold) and whatever is linear in neighbouring values: centred averages, differences,
running totals. What a column tells of the same or an earlier instant is no future; smooth series
always resemble their neighbours, so a later instant must explain clearly better than those before.
Not guaranteed: maxima of windows and other forms that are not linear.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
_SAME = 0.99
"""Correlation of the steps, area under the curve of a flag, or explained share from which values
are those of the target; measurements made side by side stay below."""
_FAR = 400
"""Rows by which a column may be moved: a year of days, and some."""
_WINDOW = 31
"""Rows before and after of which averages and totals may be made: a month of days."""
_MAX_SERIES = 6
"""Series that are compared, evenly chosen."""
_MAX_ROWS = 3_000
"""Rows that are compared, the latest of each series, so that a fit of 63 lags stays quick."""
_ENOUGH = 60
"""Steps without which nothing is concluded."""
_RARE = 10
"""Rows on either side of a flag without which it says nothing."""
_OVERLAP = 0.5
"""Part of the rows that must meet at a lag."""
_CLEARLY = 0.25
"""Part of what earlier instants leave unexplained that a later one may leave."""
_NOTHING = 1e-6
"""Part of the variance below which nothing is left to explain."""


def foretells(column: Sequence[_Floats], target: Sequence[_Floats]) -> str:
    """How a column tells later values of the target; one array for each series, NaN for missing."""
    column, target = _latest(column), _latest(target)
    lags, alike = _by_lag(column, target)
    later, lag = _best(alike, lags, lags > 0)
    past, _ = _best(alike, lags, lags <= 0)
    if later >= _SAME and later > past and 1 - later <= _CLEARLY * (1 - past):
        return f"it is the target {lag} rows later (r = {later:.3f})"
    before = _unexplained(column, target, range(-_WINDOW, 1))
    around = _unexplained(column, target, range(-_WINDOW, _WINDOW + 1))
    if before > _NOTHING and around <= (1 - _SAME) * before:
        return f"it is made of later values of the target ({1 - around / before:.3f} explained)"
    return ""


def repeats(column: Sequence[_Floats], target: Sequence[_Floats]) -> str:
    """How a column tells values of the target at any instant nearby, be it past or future."""
    column, target = _latest(column), _latest(target)
    lags, alike = _by_lag(column, target)
    best, lag = _best(alike, lags, np.abs(lags) <= _WINDOW)
    if best >= _SAME:
        return f"it is the target {lag} rows later (r = {best:.3f})"
    rest = _unexplained(column, target, range(-_WINDOW, _WINDOW + 1))
    if rest <= 1 - _SAME:
        return f"it is made of values of the target ({1 - rest:.3f} explained)"
    return ""


def _latest(series: Sequence[_Floats]) -> list[_Floats]:
    chosen = series[:: max(1, -(-len(series) // _MAX_SERIES))]
    most = _MAX_ROWS // max(1, len(chosen))
    return [np.asarray(values[-most:], dtype=np.float64) for values in chosen]


def _best(
    alike: _Floats, lags: npt.NDArray[np.int64], where: npt.NDArray[np.bool_]
) -> tuple[float, int]:
    if not where.any():
        return 0.0, 0
    place = int(np.where(where, alike, -1).argmax())
    return float(alike[place]), int(lags[place])


# --- moved ------------------------------------------------------------------------------------


def _by_lag(column: list[_Floats], target: list[_Floats]) -> tuple[npt.NDArray[np.int64], _Floats]:
    """How alike the column is to the target so many rows later, 0 to 1, for every lag.

    Values and ranks within a series are compared, by their steps, so that neither unit nor level
    counts: ranks know no outliers, but those of two spans of a trend differ. Of a flag it is the
    area under the curve.
    """
    longest = max((len(values) for values in column), default=0)
    far = min(_FAR, longest - 1)
    lags = np.arange(-far, far + 1)
    known = (
        np.concatenate([values[np.isfinite(values)] for values in column])
        if column
        else np.empty(0)
    )
    if longest < _ENOUGH or len(np.unique(known)) < 2:
        return lags, np.zeros(len(lags))
    values = np.unique(known)
    if len(values) == 2:
        flags = [np.where(np.isfinite(x), (x == values[1]).astype(float), np.nan) for x in column]
        # A threshold may be that of all series or of each.
        places = np.cumsum([len(y) for y in target])[:-1]
        together = np.split(_ranks(np.concatenate(target)), places)
        by_series = _curves(flags, [_ranks(y) for y in target], far)
        return lags, np.maximum(by_series, _curves(flags, together, far))
    plain = [np.diff(x) for x in column], [np.diff(y) for y in target]
    ranked = [np.diff(_ranks(x)) for x in column], [np.diff(_ranks(y)) for y in target]
    return lags, np.maximum(_correlations(*plain, far), _correlations(*ranked, far))


def _ranks(values: _Floats) -> _Floats:
    """Mean ranks from 0 to 1, NaN where missing; ties share theirs."""
    from scipy.stats import rankdata

    known = np.isfinite(values)
    ranks = np.full(len(values), np.nan)
    if known.any():
        ranks[known] = (rankdata(values[known]) - 0.5) / known.sum()
    return ranks


def _correlations(column: list[_Floats], target: list[_Floats], far: int) -> _Floats:
    """|r| about zero at every lag, over all series together."""
    x, y, p, q = _joined(column, target, far)
    n = _lagged(p, q, far)
    scale = _lagged(x * x, q, far) * _lagged(p, y * y, far)
    r = np.abs(_lagged(x, y, far)) / np.sqrt(np.maximum(scale, 1e-300))
    return np.where(_enough(n) & (scale > 1e-12), np.minimum(r, 1.0), 0.0)


def _curves(flags: list[_Floats], target: list[_Floats], far: int) -> _Floats:
    """Area under the curve of the flag for the target at every lag, or of its opposite."""
    x, y, p, q = _joined(flags, target, far)
    up, down = _lagged(x, q, far), _lagged(p - x, q, far)
    above = _lagged(x, y, far) / np.maximum(up, 1)
    below = _lagged(p - x, y, far) / np.maximum(down, 1)
    enough = (up >= _RARE) & (down >= _RARE) & _enough(up + down)
    return np.where(enough, np.minimum(0.5 + np.abs(above - below), 1.0), 0.0)


def _enough(n: _Floats) -> npt.NDArray[np.bool_]:
    """Lags at which enough rows meet; of series that wander, the ends always agree."""
    return np.asarray(n >= max(_ENOUGH, _OVERLAP * n.max(initial=0)), dtype=np.bool_)


def _joined(
    column: list[_Floats], target: list[_Floats], far: int
) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    """Both columns, series after series with gaps wider than any lag, and where they are known."""
    # So wide that no lag reaches from one series into the next.
    gap = np.full(far, np.nan)
    x = np.concatenate([part for values in column for part in (values, gap)])
    y = np.concatenate([part for values in target for part in (values, gap)])
    p, q = np.isfinite(x), np.isfinite(y)
    return np.where(p, x, 0), np.where(q, y, 0), p.astype(float), q.astype(float)


def _lagged(a: _Floats, b: _Floats, far: int) -> _Floats:
    """Sums of `a[t] * b[t + lag]` for the lags from `-far` to `far`."""
    # Padded, because the product of transforms is a circular correlation.
    size = 1 << int(len(a) + far).bit_length()
    sums = np.fft.irfft(np.conj(np.fft.rfft(a, size)) * np.fft.rfft(b, size), size)
    return np.concatenate([sums[size - far :], sums[: far + 1]])


# --- mixed ------------------------------------------------------------------------------------


def _unexplained(column: list[_Floats], target: list[_Floats], lags: range) -> float:
    """Part of the variance of a column's steps that is not linear in the target at those lags.

    1 where too few rows are complete to say anything.
    """
    blocks = [_block(x, y, lags) for x, y in zip(column, target, strict=True)]
    rows = np.concatenate(blocks) if blocks else np.empty((0, len(lags) + 1))
    freedom = len(rows) - len(lags) - len(blocks)
    if freedom < 2 * len(lags) or len(rows) < _ENOUGH:
        return 1.0
    steps, values = rows[:, 0], rows[:, 1:]
    total = float(steps @ steps)
    if total <= 0:
        return 1.0
    values /= max(float(values.std()), 1e-300)
    rest = steps - values @ np.linalg.lstsq(values, steps, rcond=1e-10)[0]
    return min(1.0, (len(rows) - len(blocks)) / freedom * float(rest @ rest) / total)


def _block(x: _Floats, y: _Floats, lags: range) -> _Floats:
    """A step of the column beside the target around it, for each complete instant of a series.

    Columns are centred: the level of a series says nothing.
    """
    n, before, after = len(x), max(-lags[0], 1), max(lags[-1], 0)
    place = np.arange(before, max(before, n - after))
    rows = np.column_stack([x[place] - x[place - 1], *(y[place + lag] for lag in lags)])
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows - rows.mean(axis=0) if len(rows) else rows

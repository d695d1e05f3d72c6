"""Whether a covariate of the same instant says what a forecast is to find out.

Takes series of a covariate and a target, row by row in order of time; returns why the future rows
must not carry the covariate, or an empty text. A value known in advance may move the target, but
what follows it like a shadow was measured with it. What simple history tells anyway is not held
against a covariate. Not guaranteed: to tell a perfectly obeyed plan from a measurement.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from transform.series.shifts import repeats

_Floats = npt.NDArray[np.float64]
_SAME_INSTANT = 0.99
"""|r| at the same instant, over all rows or in the median series, of one thing under two names."""
_PLANNED = 0.95
"""Share of what history leaves unexplained that a covariate which mostly holds still may tell: a
plan that moves the target explains much of it."""
_MEASURED = 0.9
"""The same for one that moves at most instants and has many values."""
_FEW = 20
"""Most values of a plan."""
_ENOUGH = 60
"""Rows without which nothing is concluded."""
_STILL = 0.5
"""Share of the steps that a plan does not move; a measurement moves nearly always."""


def leaks_target(
    covariate: Sequence[_Floats],
    target: Sequence[_Floats],
    horizon: int,
    season: int,
) -> str:
    """How a covariate of future rows tells the target; one array a series, NaN for missing."""
    r = _together(covariate, target)
    if r >= _SAME_INSTANT:
        return f"it moves with the target at the same instant (|r| = {r:.3f})"
    moved = repeats(covariate, target)
    if moved:
        return moved
    limit = _MEASURED if _is_measured(covariate) else _PLANNED
    share = beyond_history(covariate, target, horizon, season)
    if share >= limit:
        return f"it explains {share:.3f} of what the history leaves open"
    return ""


def _together(covariate: Sequence[_Floats], target: Sequence[_Floats]) -> float:
    """|r| at the same instant: over all rows, or in the median series where that is more."""
    pairs = [_complete(x, y) for x, y in zip(covariate, target, strict=True)]
    pairs = [pair for pair in pairs if len(pair) >= _ENOUGH]
    if not pairs:
        return 0.0
    return max(_r(np.concatenate(pairs)), float(np.median([_r(pair) for pair in pairs])))


def _complete(x: _Floats, y: _Floats) -> _Floats:
    rows = np.column_stack([x, y]).astype(np.float64)
    known: _Floats = rows[np.isfinite(rows).all(axis=1)]
    return known


def _r(pairs: _Floats) -> float:
    centred = pairs - pairs.mean(axis=0)
    scale = float(np.sqrt((centred**2).sum(axis=0).prod()))
    return abs(float(centred[:, 0] @ centred[:, 1])) / scale if scale > 0 else 0.0


def _is_measured(covariate: Sequence[_Floats]) -> bool:
    known = [x[np.isfinite(x)] for x in covariate]
    steps = np.concatenate([np.diff(x) for x in known]) if known else np.empty(0)
    values = len(np.unique(np.concatenate(known))) if known else 0
    return bool(values > _FEW and len(steps) and (steps != 0).mean() > _STILL)


def beyond_history(
    covariate: Sequence[_Floats], target: Sequence[_Floats], horizon: int, season: int
) -> float:
    """Share of what a linear fit on the time before the horizon leaves open that a covariate tells.

    It knows the values one or more seasons ago and their mean over that season; the covariate
    enters by value and rank, now and as long ago.
    """
    back = season * -(-max(1, horizon) // max(1, season))
    blocks = [_open(x, y, back, season) for x, y in zip(covariate, target, strict=True)]
    rows = np.concatenate(blocks) if blocks else np.empty((0, 7))
    if len(rows) < _ENOUGH:
        return 0.0
    y, history, known = rows[:, 0], rows[:, 1:4], rows[:, 4:]
    left = _rest(history, y)
    if left <= 1e-9 * float(y @ y):
        return 0.0
    return 1 - _rest(np.column_stack([history, known]), y) / left


def _open(x: _Floats, y: _Floats, back: int, season: int) -> _Floats:
    """Target, history and covariate of each complete instant, centred within the series."""
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    first = back + season
    if len(y) <= first:
        return np.empty((0, 7))
    at = np.arange(first, len(y))
    season_mean = np.mean([y[at - back - k] for k in range(season)], axis=0)
    ranks = x.argsort(kind="stable").argsort(kind="stable").astype(np.float64)
    # History ends whole seasons before the instant, at least a horizon: later is not known yet.
    columns = (y[at], y[at - back], y[at - back - 1], season_mean, x[at], ranks[at], x[at - back])
    rows: _Floats = np.column_stack(columns)
    rows = rows[np.isfinite(rows).all(axis=1)]
    return rows - rows.mean(axis=0) if len(rows) else rows


def _rest(columns: _Floats, y: _Floats) -> float:
    spread = columns.std(axis=0)
    scaled = columns / np.where(spread > 0, spread, 1)
    rest = y - scaled @ np.linalg.lstsq(scaled, y, rcond=1e-9)[0]
    return float(rest @ rest)

"""Forecasts of the recent past: whether effort will pay on a table before a task is made of it.

Takes series as a matrix, instants by series; returns how forecasts from the last origins would
have fared. Simple answers (last value, mean, drift, past season) stand against a ridge on lags,
season and calendar, by the clipped R² and the skill that tasks are graded by. Deterministic, some
ten milliseconds. Not guaranteed: that the future is like the past, or what a patient solver finds.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from transform.profile.matrix import Floats, Ints

_SEED = 1
_WIDTHS = (3, 14, 60)
"""Values over which recent means are taken, beside four seasons."""
_SEASONS = 8
"""Seasons over which a usual value of the same place in the season is taken."""


_ORIGINS = 6
"""Origins, a horizon apart, the last one a horizon before the end."""
_MIN_HISTORY = 90
"""Instants before the first origin, from which the ridge can learn a weekly season."""
_PAIRS = 2_000
"""Pairs of origin and step that the ridge learns from."""
_PENALTIES = (30.0, 1000.0)
"""Of the ridge on standardised features: for series that follow their past closely, and loosely."""
_MIN_ROOM = 0.1
"""R² of the best fitted less that of the best simple forecast; the headroom gate asks the same."""
_MIN_SKILL = 0.05
"""1 − error / error of seasonal naive, mean over the series; the forecastable gate's."""
_MIN_SCORE = 0.05
"""R² of the best fitted; the learnable gate's gap."""
_LUCK = 7.0
"""R² times the number of scored rows that chance may reach: squared normal deviates, p < 0.01."""
_MAX_SCORE = 0.97
"""R² from which nothing is left to do."""


@dataclass(frozen=True)
class Past:
    """The observed values of one target, instants by series, in order of time."""

    values: Floats
    """`(n_instants, n_series)`, NaN where nothing was observed."""
    calendar: Floats
    """`(n_instants, n_fields)`."""
    known: Floats
    """What is known in advance, `(n_instants, n_series, n_covariates)`, NaN for missing."""
    season: int

    def until(self, end: int) -> "Past":
        """The part before an instant."""
        return replace(
            self, values=self.values[:end], calendar=self.calendar[:end], known=self.known[:end]
        )

    @cached_property
    def filled(self) -> Floats:
        """Values with gaps filled by the value before, or the first one."""
        known = np.isfinite(self.values)
        at = np.maximum.accumulate(np.where(known, np.arange(len(known))[:, None], -1), axis=0)
        at = np.maximum(at, known.argmax(axis=0))
        return np.nan_to_num(np.take_along_axis(self.values, at, axis=0))

    @cached_property
    def sums(self) -> Floats:
        """Running totals of the filled values, from zero."""
        return np.concatenate([np.zeros((1, self.values.shape[1])), self.filled.cumsum(axis=0)])

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation of each series; 1 where it does not move."""
        spread = self.filled.std(axis=0)
        return np.where(spread > 0, spread, 1.0)


@dataclass(frozen=True)
class Outlook:
    """How forecasts of the past fared, as means over the origins."""

    likely: float
    """Share of the origins at which a task would have been worth its while."""
    learnt: float
    """Share of the origins at which a model beat chance and the past season, room or not."""
    room: float
    """R² of the best fitted less that of the best simple forecast."""


NOTHING = Outlook(likely=0.0, learnt=0.0, room=0.0)


def outlook(past: Past, horizon: int) -> Outlook:
    """How well a horizon could have been forecast from each origin."""
    n = len(past.values)
    ends = [n - k * horizon for k in range(_ORIGINS, 0, -1)]
    ends = [end for end in ends if end >= max(_MIN_HISTORY, past.season + horizon)]
    fared = [_fared(past, end, horizon) for end in ends]
    rows = np.array([row for row in fared if row is not None])
    if not len(rows):
        return NOTHING
    floor, ceiling, skill, luck = rows.T
    room = ceiling - floor
    learnt = (skill >= _MIN_SKILL) & (ceiling > np.maximum(_MIN_SCORE, luck))
    worth = learnt & (room >= _MIN_ROOM) & (ceiling < _MAX_SCORE)
    return Outlook(*(float(v.mean()) for v in (worth, learnt, room)))


def _fared(past: Past, end: int, horizon: int) -> tuple[float, float, float, float] | None:
    """R² of the best simple and of the best fitted forecast, its skill, and R² of luck."""
    # Everything fitted sees the past of this origin only, as a solver would.
    before, truth = past.until(end), past.values[end : end + horizon]
    observed = np.isfinite(truth)
    # A series without a past cannot be forecast, so it is not scored either.
    observed &= np.isfinite(before.values).any(axis=0)
    spread = np.sum((truth[observed] - truth[observed].mean()) ** 2) if observed.any() else 0.0
    if spread == 0.0:
        return None
    simple = _simple(before, horizon)
    fitted = _fitted(past, end, horizon)
    naive = _errors(truth, observed, simple[-1])

    def r2(guess: Floats) -> float:
        return max(0.0, 1 - float(np.sum((truth[observed] - guess[observed]) ** 2) / spread))

    def skill(guess: Floats) -> float:
        # As the grader does: a series that repeats exactly has no skill to win.
        moving = naive > 0
        gain = 1 - _errors(truth, observed, guess)[moving] / naive[moving]
        return float(np.clip(gain, 0, 1).mean()) if moving.any() else 0.0

    return (
        max(map(r2, simple)),
        max(map(r2, fitted)),
        max(map(skill, [*simple, *fitted])),
        _LUCK / int(observed.sum()),
    )


def _errors(truth: Floats, observed: np.ndarray, guess: Floats) -> Floats:
    """Mean absolute error of each series that has rows."""
    error = np.where(observed, np.abs(truth - guess), 0.0).sum(axis=0)
    rows = observed.sum(axis=0)
    mean: Floats = error[rows > 0] / rows[rows > 0]
    return mean


def _simple(past: Past, horizon: int) -> list[Floats]:
    """Last value, mean, drift and, last, the season before; `(horizon, n_series)` each."""
    filled, n = past.filled, len(past.filled)
    steps = np.arange(horizon)
    last = np.broadcast_to(filled[-1], (horizon, filled.shape[1]))
    mean = np.broadcast_to(np.nanmean(past.values, axis=0), last.shape)
    drift = last + (filled[-1] - filled[0]) / max(1, n - 1) * (steps[:, None] + 1)
    return [last, mean, drift, filled[n - past.season + steps % past.season]]


def _fitted(past: Past, end: int, horizon: int) -> list[Floats]:
    """Ridge forecasts under each penalty, and their mean with the usual season."""
    before = past.until(end)
    n_series = before.values.shape[1]
    # A sample of all pairs says nearly as much, however long the past is.
    rng = np.random.default_rng(_SEED)
    first = min(max(2 * past.season, 7), end // 2)
    ends = rng.integers(first, end, _PAIRS)
    series = rng.integers(0, n_series, _PAIRS)
    steps = rng.integers(0, np.minimum(horizon, ends))
    is_observed = np.isfinite(before.values[ends, series])
    ends, series, steps = ends[is_observed], series[is_observed], steps[is_observed]
    x, level = _features(past, ends - steps - 1, steps, series)
    y = (before.values[ends, series] - level) / past.spread[series]
    later = np.repeat(np.arange(horizon), n_series)
    every = np.tile(np.arange(n_series), horizon)
    asked, base = _features(past, np.full(len(later), end - 1), later, every)
    shape = (horizon, n_series)
    forecasts = [
        (_ridge(x, y, asked, penalty) * past.spread[every] + base).reshape(shape)
        for penalty in _PENALTIES
    ]
    # Shrunk towards the usual season: a ridge alone overshoots where the past is short.
    usual = (asked[:, 0] * past.spread[every] + base).reshape(shape)
    return [*forecasts, np.mean([*forecasts, usual], axis=0)]


def _features(past: Past, origins: Ints, steps: Ints, series: Ints) -> tuple[Floats, Floats]:
    """What is known at the origins about later steps, and the levels that it is relative to."""
    filled, sums, season = past.filled, past.sums, past.season

    def mean(width: int) -> Floats:
        starts = np.maximum(0, origins + 1 - width)
        total: Floats = sums[origins + 1, series] - sums[starts, series]
        return total / (origins + 1 - starts)

    back = origins + 1 - season + steps % season
    seasons = [
        filled[np.maximum(back % season, back - k * season), series] for k in range(_SEASONS)
    ]
    recent = [filled[np.maximum(0, origins - k), series] for k in range(3)]
    # Relative to a recent level, series of any size are learnt together.
    level = mean(max(season, 7))
    usual = [np.mean(seasons[:k], axis=0) for k in (_SEASONS, 3, 1)]
    parts = [*usual, *recent, *(mean(width) for width in (*_WIDTHS, 4 * season))]
    relative = (np.column_stack(parts) - level[:, None]) / past.spread[series][:, None]
    at = origins + steps + 1
    known = past.known[at, series]
    return np.column_stack([relative, steps, past.calendar[at], known]), level


def _ridge(x: Floats, y: Floats, asked: Floats, penalty: float) -> Floats:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ridge = make_pipeline(StandardScaler(), Ridge(penalty, solver="cholesky"))
    forecast: Floats = ridge.fit(x, y).predict(asked)
    # Beyond what was ever seen a line knows nothing.
    return np.clip(forecast, y.min(), y.max())

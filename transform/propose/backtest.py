"""Forecasts of the recent past: whether effort will pay on a table before a task is made of it.

Series enter as matrices, instants by series; how forecasts from the last origins would have
fared leaves. Simple answers (last value, mean, drift, past season) stand against a ridge on lags,
season and calendar, by the clipped R² and the skill that tasks are graded by. Deterministic, some
ten milliseconds. Not guaranteed: that the future is like the past, or what a patient solver finds.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from pydantic import Field

from extract.noun import Noun
from transform.propose.matrix import Floats, Ints

_SEED = 1
_WIDTHS = (3, 14, 60)
"""Values over which recent means are taken, beside four seasons."""
_SEASONS = 8
"""Seasons over which a usual value of the same place in the season is taken."""


class BacktestConfig(Noun):
    """When a forecast is worth a task."""

    origins: int = Field(default=6, ge=1)
    """Origins, a horizon apart, the last one a horizon before the end."""
    min_history: int = Field(default=90, ge=10)
    """Instants before the first origin."""
    pairs: int = Field(default=2_000, ge=100)
    """Pairs of origin and step that the ridge learns from."""
    penalties: tuple[float, ...] = (30.0, 1000.0)
    """Of the ridge on standardised features."""
    room: float = Field(default=0.1, gt=0, lt=1)
    """R² of the best fitted less that of the best simple forecast, at least."""
    skill: float = Field(default=0.05, gt=0, lt=1)
    """1 − error / error of seasonal naive, mean over the series, at least."""
    gap: float = Field(default=0.05, ge=0, lt=1)
    """R² of the best fitted, at least."""
    luck: float = Field(default=7, gt=0)
    """R² by the number of scored rows that chance may reach: squared normal deviates."""
    most: float = Field(default=0.97, gt=0, le=1)
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
        found = self.filled.std(axis=0)
        return np.where(found > 0, found, 1.0)


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


def outlook(past: Past, horizon: int, config: BacktestConfig) -> Outlook:
    """How well a horizon could have been forecast from each origin."""
    n = len(past.values)
    ends = [n - k * horizon for k in range(config.origins, 0, -1)]
    ends = [end for end in ends if end >= max(config.min_history, past.season + horizon)]
    found = [_fared(past, end, horizon, config) for end in ends]
    rows = np.array([row for row in found if row is not None])
    if not len(rows):
        return NOTHING
    floor, ceiling, skill, luck = rows.T
    room = ceiling - floor
    learnt = (skill >= config.skill) & (ceiling > np.maximum(config.gap, luck))
    worth = learnt & (room >= config.room) & (ceiling < config.most)
    return Outlook(*(float(v.mean()) for v in (worth, learnt, room)))


def _fared(
    past: Past, end: int, horizon: int, config: BacktestConfig
) -> tuple[float, float, float, float] | None:
    """R² of the best simple and of the best fitted forecast, its skill, and R² of luck."""
    before, truth = past.until(end), past.values[end : end + horizon]
    seen = np.isfinite(truth)
    seen &= np.isfinite(before.values).any(axis=0)
    spread = np.sum((truth[seen] - truth[seen].mean()) ** 2) if seen.any() else 0.0
    if spread == 0.0:
        return None
    simple = _simple(before, horizon)
    fitted = _fitted(past, end, horizon, config)
    naive = _errors(truth, seen, simple[-1])

    def r2(guess: Floats) -> float:
        return max(0.0, 1 - float(np.sum((truth[seen] - guess[seen]) ** 2) / spread))

    def skill(guess: Floats) -> float:
        moving = naive > 0
        gain = 1 - _errors(truth, seen, guess)[moving] / naive[moving]
        return float(np.clip(gain, 0, 1).mean()) if moving.any() else 0.0

    return (
        max(map(r2, simple)),
        max(map(r2, fitted)),
        max(map(skill, [*simple, *fitted])),
        config.luck / int(seen.sum()),
    )


def _errors(truth: Floats, seen: np.ndarray, guess: Floats) -> Floats:
    """Mean absolute error of each series that has rows."""
    error = np.where(seen, np.abs(truth - guess), 0.0).sum(axis=0)
    rows = seen.sum(axis=0)
    found: Floats = error[rows > 0] / rows[rows > 0]
    return found


def _simple(past: Past, horizon: int) -> list[Floats]:
    """Last value, mean, drift and, last, the season before; `(horizon, n_series)` each."""
    filled, n = past.filled, len(past.filled)
    steps = np.arange(horizon)
    last = np.broadcast_to(filled[-1], (horizon, filled.shape[1]))
    mean = np.broadcast_to(np.nanmean(past.values, axis=0), last.shape)
    drift = last + (filled[-1] - filled[0]) / max(1, n - 1) * (steps[:, None] + 1)
    return [last, mean, drift, filled[n - past.season + steps % past.season]]


def _fitted(past: Past, end: int, horizon: int, config: BacktestConfig) -> list[Floats]:
    """Ridge forecasts under each penalty, and their mean with the usual season."""
    before = past.until(end)
    n_series = before.values.shape[1]
    rng = np.random.default_rng(_SEED)
    first = min(max(2 * past.season, 7), end // 2)
    ends = rng.integers(first, end, config.pairs)
    series = rng.integers(0, n_series, config.pairs)
    steps = rng.integers(0, np.minimum(horizon, ends))
    is_seen = np.isfinite(before.values[ends, series])
    ends, series, steps = ends[is_seen], series[is_seen], steps[is_seen]
    x, level = _features(past, ends - steps - 1, steps, series)
    y = (before.values[ends, series] - level) / past.spread[series]
    ahead = np.repeat(np.arange(horizon), n_series)
    every = np.tile(np.arange(n_series), horizon)
    asked, base = _features(past, np.full(len(ahead), end - 1), ahead, every)
    shape = (horizon, n_series)
    found = [
        (_ridge(x, y, asked, penalty) * past.spread[every] + base).reshape(shape)
        for penalty in config.penalties
    ]
    usual = (asked[:, 0] * past.spread[every] + base).reshape(shape)
    return [*found, np.mean([*found, usual], axis=0)]


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
    level = mean(max(season, 7))
    usual = [np.mean(seasons[:k], axis=0) for k in (_SEASONS, 3, 1)]
    parts = [*usual, *recent, *(mean(width) for width in (*_WIDTHS, 4 * season))]
    relative = (np.column_stack(parts) - level[:, None]) / past.spread[series][:, None]
    at = origins + steps + 1
    known = past.known[at, series]
    return np.column_stack([relative, steps, past.calendar[at], known]), level


def _ridge(x: Floats, y: Floats, asked: Floats, penalty: float) -> Floats:
    centre, scale = x.mean(axis=0), x.std(axis=0)
    used = scale > 1e-12
    x, asked = ((side[:, used] - centre[used]) / scale[used] for side in (x, asked))
    gram = x.T @ x + penalty * np.eye(x.shape[1])
    fitted: Floats = asked @ np.linalg.solve(gram, x.T @ (y - y.mean())) + y.mean()
    return np.clip(fitted, y.min(), y.max())

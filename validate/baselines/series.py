"""Series as forecasters take them: histories, the places to forecast, and features of both.

Takes a case with a grid, returns one `TargetSeries` for each target. The features of a forecast are
what is known at its origin: levels, recent and seasonal values, the calendar of the instant that is
forecast, and the covariates that val carries. Values count by position: a gap in time is none here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.series.seasonal_naive import season_length
from validate.baselines.examples import CALENDAR_FEATURES, calendar, encoded
from validate.baselines.solver import Case

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

_SERIES, _PLACE, _STEP = " series", " place", " step"
"""Scratch columns; shipped names never begin with a space."""
MAX_PAIRS = 5_000
"""Pairs of origin and step that are learnt from, which bounds the time whatever the length of the
series."""
_SHORTEST_WINDOW = 7
"""Values over which a level is taken at least: fewer would follow single values."""
_SEASONS = 10
"""Seasons over which a usual value of the same place in the season is taken."""
CALENDAR = slice(2, 1 + CALENDAR_FEATURES)
"""Columns of `Pairs.x` that are fields of the calendar, after number and step. The day is left out:
no day that is forecast was in the past."""


@dataclass(frozen=True)
class SingleSeries:
    """One series of one target."""

    number: int
    past: _Floats
    """Observed values by time, at least one."""
    known_past: _Floats
    """What is known in advance about the instants of the past, `(len(past), n_known)`."""
    places: _Ints
    """Rows of val that belong to the series."""
    steps: _Ints
    """Which scored instant each of them is, from 0."""
    known_covariates: _Floats
    """What is known in advance about these rows, `(len(places), n_known)`."""


@dataclass(frozen=True)
class Pairs:
    """Origins and steps with their features, and the values to be forecast where they are known.

    Values are relative: less the level at the origin, by the spread of the series.
    """

    x: _Floats
    y: _Floats
    level: _Floats
    spread: _Floats
    is_late: npt.NDArray[np.bool_]
    """Whether the instant lies in the last tenth of the past, or the last horizon."""


@dataclass(frozen=True)
class TargetSeries:
    """All series of one target."""

    series: tuple[SingleSeries, ...]
    season: int
    horizon: int
    covariates: tuple[str, ...]
    """The column that each of the last features of `known_past` comes from."""
    n_rows: int
    """Rows of val."""
    seed: int

    @cached_property
    def lag(self) -> int:
        """The season where every history holds several, else 1."""
        shortest = min(len(one.past) for one in self.series)
        return self.season if shortest >= 2 * self.season + self.horizon else 1

    @cached_property
    def learnt(self) -> Pairs:
        """A seeded sample of pairs within the past, an equal number of each series."""
        each = -(-MAX_PAIRS // len(self.series))
        return _joined([self._learnt(one, each) for one in self.series])

    def _learnt(self, one: SingleSeries, each: int) -> Pairs:
        n = len(one.past)
        rng = np.random.default_rng((self.seed, one.number))
        # The first origins lack a full window, so their features would be of another kind.
        first = min(max(2 * self.lag, _SHORTEST_WINDOW), n - 1)
        ends = np.sort(rng.integers(first, n, each)) if first else np.zeros(0, np.int64)
        steps = rng.integers(0, np.minimum(self.horizon, ends))
        pairs = self._pairs(one, ends - steps - 1, steps, one.known_past[ends])
        late = ends >= n - max(self.horizon, n // 10)
        y = (one.past[ends] - pairs.level) / pairs.spread
        return replace(pairs, y=y, is_late=late)

    @cached_property
    def asked(self) -> Pairs:
        """The pairs that val asks for, series by series; their `y` is not known."""
        last = [np.full(len(one.places), len(one.past) - 1) for one in self.series]
        return _joined(
            [
                self._pairs(one, origins, one.steps, one.known_covariates)
                for one, origins in zip(self.series, last, strict=True)
            ]
        )

    def _pairs(self, one: SingleSeries, origins: _Ints, steps: _Ints, known: _Floats) -> Pairs:
        width = max(self.lag, _SHORTEST_WINDOW)
        level = _mean_before(one.past, origins, width)
        spread = float(one.past.std()) or 1.0
        relative = (_lags(one.past, origins, steps, self.lag) - level[:, None]) / spread
        # A covariate's level is in the series' level already; what it changes by is the news.
        first = known.shape[1] - len(self.covariates)
        change = [
            np.nan_to_num(ahead) - _mean_before(np.nan_to_num(past), origins, width)
            for ahead, past in zip(known[:, first:].T, one.known_past[:, first:].T, strict=True)
        ]
        number = np.full(len(origins), one.number)
        return Pairs(
            x=np.column_stack([number, steps, known[:, 1:], relative, *change]),
            y=np.zeros(len(level)),
            level=level,
            spread=np.full(len(level), spread),
            is_late=np.zeros(len(level), dtype=np.bool_),
        )

    def absolute(self, relative: _Floats) -> _Floats:
        """Forecasts of `asked` in the unit of the target, in the order of val's rows."""
        return self.in_val(relative * self.asked.spread + self.asked.level)

    def in_val(self, values: _Floats) -> _Floats:
        """Values that stand series by series, in the order of val's rows."""
        ordered = np.empty(self.n_rows)
        ordered[np.concatenate([one.places for one in self.series])] = values
        return ordered


def series_of(case: Case) -> Iterator[tuple[str, TargetSeries]]:
    """Each target with its series."""
    grid = case.instructions.grid
    assert grid is not None, "a forecast has a grid"
    keys, time = list(grid.entities), grid.column
    val = case.val.with_row_index(_PLACE).with_columns(
        (pl.col(time).rank("dense") - 1).cast(pl.Int64).alias(_STEP)
    )
    if keys:
        names = val.select(keys).unique().sort(keys).with_row_index(_SERIES)
        val, train = (side.join(names, on=keys, how="inner") for side in (val, case.train))
    else:
        val, train = (side.with_columns(pl.lit(0).alias(_SERIES)) for side in (val, case.train))
    val, train = (side.sort(_SERIES, time) for side in (val, train))
    train_known, val_known, covariates = _known(train, val, time, grid.known_covariates)
    for target in case.instructions.targets:
        # Values count by position, so a missing one closes up.
        observed = train[target].is_not_null().to_numpy()
        series = tuple(
            _series(number, train.filter(observed), train_known[observed], val, val_known, target)
            for number in val[_SERIES].unique(maintain_order=True).to_list()
        )
        yield (
            target,
            TargetSeries(
                series=series,
                season=season_length(grid.frequency, case.train[time]),
                horizon=val[_STEP].n_unique(),
                covariates=covariates,
                n_rows=val.height,
                seed=case.seed,
            ),
        )


def _series(
    number: int,
    train: pl.DataFrame,
    train_known: _Floats,
    val: pl.DataFrame,
    val_known: _Floats,
    target: str,
) -> SingleSeries:
    before, after = ((side[_SERIES] == number).to_numpy() for side in (train, val))
    return SingleSeries(
        number=number,
        past=train[target].cast(pl.Float64).to_numpy()[before],
        known_past=train_known[before],
        places=val[_PLACE].cast(pl.Int64).to_numpy()[after],
        steps=val[_STEP].to_numpy()[after],
        known_covariates=val_known[after],
    )


def _known(
    train: pl.DataFrame, val: pl.DataFrame, time: str, names: tuple[str, ...]
) -> tuple[_Floats, _Floats, tuple[str, ...]]:
    """The calendar, then the covariates of both sides, and where the latter come from."""
    features = [feature for name in names for feature in encoded(train[name], val[name])]
    one = np.column_stack([*calendar(train[time]), *(f[2] for f in features)])
    other = np.column_stack([*calendar(val[time]), *(f[3] for f in features)])
    return one, other, tuple(source for source, *_ in features)


def _mean_before(values: _Floats, origins: _Ints, width: int) -> _Floats:
    """Mean of the last `width` values up to each origin, of fewer where there are no more."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    starts = np.maximum(0, origins + 1 - width)
    return np.asarray((sums[origins + 1] - sums[starts]) / (origins + 1 - starts))


def _lags(past: _Floats, origins: _Ints, steps: _Ints, season: int) -> _Floats:
    """Recent values and means, and those of the same place in the seasons before."""
    back = origins + 1 - season + steps % season
    # Before the first season there is none: the earliest value of the same place stands in.
    seasons = [past[np.maximum(back % season, back - k * season)] for k in range(_SEASONS)]
    recent = [past[np.maximum(0, origins - k)] for k in range(3)]
    # Short to long, in values: a level that just moved, one of weeks, of seasons, the slow one.
    means = [_mean_before(past, origins, width) for width in (3, 14, 4 * season, 60)]
    usual = [np.mean(seasons[:k], axis=0) for k in (3, _SEASONS)]
    return np.column_stack([*seasons[:2], *usual, *recent, *means])


def _joined(parts: list[Pairs]) -> Pairs:
    fields = ("x", "y", "level", "spread", "is_late")
    return Pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))

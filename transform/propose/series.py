"""What is worth forecasting on a grid, and how raw rows become its cells.

A frame, its judged columns and a time axis enter; the targets leave, those most likely to be worth
a task first, with how each number is aggregated. Worth is measured by forecasts of the past, see
`backtest.py`; what may be held out later is not looked at. Left out are constants, counters, parts
of the calendar, coordinates and near copies of a better target.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from pydantic import Field

from extract.evidence.vocabulary import AVERAGED, PLACE, SUMMED, is_code, mentions
from extract.noun import Noun
from transform.proposal import Aggregation
from transform.propose.backtest import BacktestConfig, Outlook, Past, outlook
from transform.propose.identities import correlation
from transform.propose.matrix import Floats
from transform.propose.roles import Judged
from transform.propose.time_axis import SeriesAxis, is_calendar
from transform.rows.size import SizeConfig
from transform.rows.split import as_instants, cells
from transform.series.aggregate import aggregated
from transform.series.comparable import RECENT, comparable_series
from transform.series.covariates import leaks_target
from transform.series.frequency import FREQUENCIES
from transform.series.seasonal_naive import season_length

_SERIES, _INSTANT = " series", " instant"
"""Scratch columns; shipped names never begin with a space."""
_YEAR_DAYS = 365.25


class SeriesConfig(Noun):
    """What a series worth forecasting looks like."""

    max_series: int = Field(default=20, ge=1)
    """Comparable series looked at, the longest first."""
    max_instants: int = Field(default=2_000, ge=100)
    """Instants looked at, the latest before the cutoff."""
    past_share: float = Field(default=0.8, gt=0, lt=1)
    """Share of the rows, by time, that is surely not held out."""
    columns: int = Field(default=40, ge=1)
    """Numbers looked at, in table order."""
    max_missing: float = Field(default=0.2, ge=0, lt=1)
    present: float = Field(default=0.6, gt=0, le=1)
    """Share of the instants looked at that a series must have."""
    min_values: int = Field(default=10, ge=2)
    """Distinct values that a target must have."""
    max_top_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the commonest value beyond which there is little to forecast."""
    counter: float = Field(default=0.99, gt=0.5, le=1)
    """Share of steps that do not fall from which a series is a counter."""
    same: float = Field(default=0.99, gt=0, le=1)
    """|r| from which two targets are one."""
    backtest: BacktestConfig = BacktestConfig()


@dataclass(frozen=True)
class SeriesTarget:
    """A number worth forecasting."""

    name: str
    horizon: int
    alone: Outlook
    """Of forecasts from the past."""
    told: Outlook
    """Of forecasts that also know the covariates of the future; the same where there are none."""

    @property
    def likely(self) -> float:
        """Share of the origins at which a task would have been worth its while."""
        return max(self.alone.likely, self.told.likely)

    @property
    def learnt(self) -> float:
        """Share of the origins at which a model told something."""
        return max(self.alone.learnt, self.told.learnt)

    @property
    def room(self) -> float:
        """R² that effort adds to simple answers."""
        return max(self.alone.room, self.told.room)


def aggregation(column: Judged) -> Aggregation:
    """Amounts and counts are summed, rates and levels averaged; flags hold for the whole cell."""
    name, profile = column.column.name, column.column
    if profile.n_unique <= 2 and profile.integer_like:
        return "max"
    if mentions(name, SUMMED) and not mentions(name, AVERAGED):
        return "sum"
    return "mean"


def series_targets(
    frame: pl.DataFrame,
    judged: Mapping[str, Judged],
    seen: SeriesAxis,
    ahead: Collection[str],
    fixed: Collection[str],
    config: SeriesConfig,
    size: SizeConfig,
) -> tuple[SeriesTarget, ...]:
    """Targets most likely to be worth a task first; near copies of a better one are left out.

    No targets are `ahead`, the covariates known in advance, and `fixed`, what describes a series.
    """
    no_target = {*ahead, *fixed}
    names = [
        name
        for name in judged
        if name not in no_target and _may_be_target(frame, judged[name], seen, config)
    ][: config.columns]
    known = [name for name in ahead if judged[name].role == "number"]
    grid = _grid(frame, judged, seen, [*names, *known], config)
    if grid.is_empty():
        return ()
    found = []
    for name in names:
        target = _looked_at(grid, name, known, seen, config, size)
        if target:
            found.append(target)
    found.sort(key=lambda target: (-round(target.likely, 6), -round(target.room, 6)))
    return _without_copies(found, grid, config)


def _may_be_target(
    frame: pl.DataFrame, column: Judged, seen: SeriesAxis, config: SeriesConfig
) -> bool:
    profile = column.column
    return (
        column.role == "number"
        and profile.name not in seen.entities
        and profile.n_unique >= config.min_values
        and profile.top_share <= config.max_top_share
        and profile.missing_share <= config.max_missing
        and not mentions(profile.name, PLACE)
        and not (profile.integer_like and is_code(profile.name))
        and not is_calendar(frame[profile.name], frame[seen.axis.column])
    )


def _grid(
    frame: pl.DataFrame,
    judged: Mapping[str, Judged],
    seen: SeriesAxis,
    names: list[str],
    config: SeriesConfig,
) -> pl.DataFrame:
    """The latest past on its grid, with the numbers of instant and series."""
    axis = seen.axis
    when = as_instants(frame[axis.column])
    if axis.resample:
        when = cells(when, axis.frequency)
    rows = frame.select(*names, *seen.entities).with_columns(when.alias(axis.column))
    rows = rows.drop_nulls([axis.column, *seen.entities])
    counts = rows[axis.column].value_counts(name=" n").sort(axis.column)
    past = counts.filter(pl.col(" n").cum_sum() <= config.past_share * rows.height)
    past = past.slice(int(axis.resample)).tail(config.max_instants)
    numbers = past.select(axis.column).with_row_index(_INSTANT)
    how = {name: aggregation(judged[name]) if axis.resample else "mean" for name in names}
    cell = [
        aggregated(pl.col(name).cast(pl.Float64), how[name], pl.Float64()).alias(name)
        for name in names
    ]
    rows = rows.join(numbers, on=axis.column)
    grid = rows.group_by(*seen.entities, _INSTANT, axis.column).agg(cell)
    if not seen.entities:
        return grid.with_columns(pl.lit(0).alias(_SERIES)).sort(_INSTANT)
    series = grid.select(seen.entities).unique().sort(seen.entities).with_row_index(_SERIES)
    return grid.join(series, on=seen.entities).sort(_INSTANT, _SERIES)


def _looked_at(
    grid: pl.DataFrame,
    name: str,
    known: list[str],
    seen: SeriesAxis,
    config: SeriesConfig,
    size: SizeConfig,
) -> SeriesTarget | None:
    """The target with the better of two horizons; None when it does not move as series do."""
    values = _matrix(grid, name)
    longest = FREQUENCIES[seen.axis.frequency].horizon
    shown = grid[seen.axis.column].unique().sort()
    season = season_length(seen.axis.frequency, shown)
    found = []
    for horizon in sorted({size.min_instants, longest}):
        kept = _kept(values, horizon, config)
        if not kept or not _varies([values[:, place] for place in kept], config):
            return None
        chosen = values[:, kept]
        past = Past(chosen, _calendar(shown), np.empty((*chosen.shape, 0)), season)
        alone = outlook(past, horizon, config.backtest)
        some = [_matrix(grid, n)[:, kept] for n in known]
        some = [x for x in some if not leaks_target([*x.T], [*chosen.T], horizon, season)]
        told = alone
        if some:
            known_past = replace(past, known=np.nan_to_num(np.stack(some, axis=2)))
            told = outlook(known_past, horizon, config.backtest)
        found.append(SeriesTarget(name, horizon, alone, told))
    return max(found, key=lambda target: (target.likely, target.horizon))


def _matrix(grid: pl.DataFrame, name: str) -> Floats:
    """Instants by series, NaN where nothing was observed."""
    instant, series = (grid[key].to_numpy().astype(np.int64) for key in (_INSTANT, _SERIES))
    table = np.full((int(instant.max()) + 1, int(series.max()) + 1), np.nan)
    table[instant, series] = grid[name].to_numpy()
    return np.where(np.isfinite(table), table, np.nan)


def _kept(values: Floats, horizon: int, config: SeriesConfig) -> list[int]:
    """The comparable ones of the series that are there most of the time."""
    lengths = np.isfinite(values).sum(axis=0)
    long = np.flatnonzero(lengths >= max(horizon, config.present * len(values)))
    if not len(long):
        return []
    pasts = [column[np.isfinite(column)][-RECENT:] for column in values[:, long].T]
    alike = long[comparable_series(pasts, horizon)]
    return sorted(sorted(alike, key=lambda place: -lengths[place])[: config.max_series])


def _calendar(shown: pl.Series) -> Floats:
    """Hour and weekday as flags, the year as waves."""
    hour, weekday = shown.dt.hour().to_numpy(), shown.dt.weekday().to_numpy()
    year = 2 * np.pi * shown.dt.ordinal_day().to_numpy()[:, None] / _YEAR_DAYS * np.arange(1, 4)
    flags = [hour[:, None] == np.unique(hour), weekday[:, None] == np.unique(weekday)]
    return np.column_stack([*flags, np.sin(year), np.cos(year)]).astype(np.float64)


def _varies(values: list[Floats], config: SeriesConfig) -> bool:
    """Whether most series move, up and down."""
    moving = 0
    for series in values:
        known = series[np.isfinite(series)]
        steps = np.diff(known)
        rises, falls = (steps >= 0).mean() if len(steps) else 1, (steps <= 0).mean()
        moving += len(known) >= 50 and max(rises, falls) < config.counter
    return moving * 2 > len(values)


def _without_copies(
    found: list[SeriesTarget], grid: pl.DataFrame, config: SeriesConfig
) -> tuple[SeriesTarget, ...]:
    kept: list[SeriesTarget] = []
    for target in found:
        values = grid[target.name].to_numpy()
        if all(correlation(values, grid[k.name].to_numpy()) < config.same for k in kept):
            kept.append(target)
    return tuple(kept)

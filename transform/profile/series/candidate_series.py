"""What is worth forecasting on a grid, by forecasts of its past.

Takes a frame, the profiles of its columns and a view of it as series; returns the candidates, those
most likely to be worth a task first. Only the past is used, so that nothing is chosen by what will
be held out. Left out are constants, counters, parts of the calendar, coordinates and near copies of
a better candidate. Not guaranteed: that the future is like the past.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from extract.evidence.vocabulary import PLACE, mentions
from transform.profile.identities import correlation
from transform.profile.matrix import Floats
from transform.profile.profile import CandidateSeries, ColumnProfile, SeriesView
from transform.profile.roles import is_number_code
from transform.profile.series.backtest import Outlook, Past, outlook
from transform.profile.series.calendar_columns import is_calendar
from transform.rows.size import SizeConfig
from transform.rows.split import as_instants, cells
from transform.series.aggregate import aggregated
from transform.series.calendar import calendar_part
from transform.series.comparable import RECENT, comparable_series
from transform.series.covariates import leaks_target
from transform.series.frequency import FREQUENCIES
from transform.series.seasonal_naive import season_length

_SERIES, _INSTANT = " series", " instant"
"""Scratch columns; shipped names never begin with a space."""
_YEAR_DAYS = 365.25
_MAX_SERIES = 20
"""Comparable series that are backtested, the longest first."""
_MAX_INSTANTS = 2_000
"""Instants that are backtested, the latest before the cutoff."""
_PAST_SHARE = 0.8
"""Share of the rows, by time, that is surely not held out."""
_NUMBERS = 40
"""Numbers that are backtested, in table order."""
_MAX_MISSING = 0.2
"""Filling more than this by the value before would forecast the filling."""
_PRESENT = 0.6
"""Share of the instants that a series must have."""
_MIN_VALUES = 10
"""Distinct values of a number; with fewer it is a state."""
_MAX_TOP_SHARE = 0.9
"""Share of the commonest value beyond which there is little to forecast."""
_COUNTER = 0.99
"""Share of steps that do not fall from which a series is a counter."""
_SAME = 0.99
"""|r| from which two candidates are one."""
_MIN_STEPS = 50
"""Values of a series without which its steps say nothing."""


def candidate_series(
    frame: pl.DataFrame,
    columns: Mapping[str, ColumnProfile],
    view: SeriesView,
    constant: Collection[str],
    size: SizeConfig,
) -> tuple[CandidateSeries, ...]:
    """Candidates most likely to be worth a task first; near copies of a better one are left out.

    No candidates are the known covariates of the view, and `constant`, what describes a series.
    """
    known = [note.name for note in view.known_covariates]
    names = [
        name
        for name, column in columns.items()
        if name not in {*known, *constant} and _may_be_target(frame, column, view)
    ][:_NUMBERS]
    # Labels would have to be encoded; a plan that matters is mostly a flag or a price.
    known = [name for name in known if columns[name].role == "number"]
    grid = _grid(frame, columns, view, [*names, *known])
    if grid.is_empty():
        return ()
    measured = (_measured(grid, name, known, view, size) for name in names)
    candidates = [candidate for candidate in measured if candidate]
    candidates.sort(key=lambda one: (-round(one.likely, 6), -round(one.room, 6)))
    return _without_copies(candidates, grid)


def _may_be_target(frame: pl.DataFrame, column: ColumnProfile, view: SeriesView) -> bool:
    return (
        may_be_forecast(column)
        and column.name not in view.entities
        and not is_calendar(frame[column.name], frame[view.axis.column])
    )


def may_be_forecast(column: ColumnProfile) -> bool:
    """Whether a column moves as numbers do that are worth forecasting."""
    return (
        column.role == "number"
        and column.n_unique >= _MIN_VALUES
        and column.top_share <= _MAX_TOP_SHARE
        and column.missing_share <= _MAX_MISSING
        and not mentions(column.name, PLACE)
        and not is_number_code(column)
    )


def _grid(
    frame: pl.DataFrame,
    columns: Mapping[str, ColumnProfile],
    view: SeriesView,
    names: list[str],
) -> pl.DataFrame:
    """The latest past on its grid, with the numbers of instant and series."""
    axis = view.axis
    when = as_instants(frame[axis.column])
    if axis.resample:
        when = cells(when, axis.frequency)
    rows = frame.select(*names, *view.entities).with_columns(when.alias(axis.column))
    rows = rows.drop_nulls([axis.column, *view.entities])
    rows = rows.join(_past(rows[axis.column], view), on=axis.column)
    how = {name: columns[name].aggregation if axis.resample else "mean" for name in names}
    cell = [
        aggregated(pl.col(name).cast(pl.Float64), how[name], pl.Float64()).alias(name)
        for name in names
    ]
    grid = rows.group_by(*view.entities, _INSTANT, axis.column).agg(cell)
    if not view.entities:
        return grid.with_columns(pl.lit(0).alias(_SERIES)).sort(_INSTANT)
    series = grid.select(view.entities).unique().sort(view.entities).with_row_index(_SERIES)
    return grid.join(series, on=view.entities).sort(_INSTANT, _SERIES)


def _past(when: pl.Series, view: SeriesView) -> pl.DataFrame:
    """The numbered instants of the latest past."""
    counts = when.value_counts(name=" n").sort(when.name)
    past = counts.filter(pl.col(" n").cum_sum() <= _PAST_SHARE * len(when))
    # The first cell of gathered rows holds only a part of what happened.
    past = past.slice(int(view.axis.resample)).tail(_MAX_INSTANTS)
    return past.select(when.name).with_row_index(_INSTANT)


def _measured(
    grid: pl.DataFrame, name: str, known: list[str], view: SeriesView, size: SizeConfig
) -> CandidateSeries | None:
    """The candidate with the better of two horizons; None when it does not move as series do."""
    values = _matrix(grid, name)
    longest = FREQUENCIES[view.axis.frequency].horizon
    candidates = []
    # The shortest that is scored and the longest: some series can be told for a day, not a month.
    for horizon in sorted({size.min_instants, longest}):
        kept = _kept(values, horizon)
        if not kept or not _varies([values[:, place] for place in kept]):
            return None
        outlooks = _outlooks(
            grid, values[:, kept], [_matrix(grid, n)[:, kept] for n in known], horizon, view
        )
        best = {
            measure: max(getattr(one, measure) for one in outlooks)
            for measure in ("likely", "learnt", "room")
        }
        candidates.append(CandidateSeries(name=name, horizon=horizon, **best))
    return max(candidates, key=lambda candidate: (candidate.likely, candidate.horizon))


def _outlooks(
    grid: pl.DataFrame, values: Floats, known: list[Floats], horizon: int, view: SeriesView
) -> list[Outlook]:
    """Of forecasts from the past and, where there are known covariates, of those that use them."""
    shown = grid[view.axis.column].unique().sort()
    season = season_length(view.axis.frequency, shown)
    past = Past(values, _calendar(shown), np.empty((*values.shape, 0)), season)
    outlooks = [outlook(past, horizon)]
    # What moves with the target was measured with it; the leak gate refuses it later.
    honest = [x for x in known if not leaks_target([*x.T], [*values.T], horizon, season)]
    if honest:
        with_known = replace(past, known=np.nan_to_num(np.stack(honest, axis=2)))
        outlooks.append(outlook(with_known, horizon))
    return outlooks


def _matrix(grid: pl.DataFrame, name: str) -> Floats:
    """Instants by series, NaN where nothing was observed."""
    instant, series = (grid[key].to_numpy().astype(np.int64) for key in (_INSTANT, _SERIES))
    table = np.full((int(instant.max()) + 1, int(series.max()) + 1), np.nan)
    table[instant, series] = grid[name].to_numpy()
    return np.where(np.isfinite(table), table, np.nan)


def _kept(values: Floats, horizon: int) -> list[int]:
    """The comparable ones of the series that are there most of the time."""
    lengths = np.isfinite(values).sum(axis=0)
    long = np.flatnonzero(lengths >= max(horizon, _PRESENT * len(values)))
    if not len(long):
        return []
    # Levels far apart would decide the pooled score, so the task keeps comparable series as well.
    pasts = [column[np.isfinite(column)][-RECENT:] for column in values[:, long].T]
    alike = long[comparable_series(pasts, horizon)]
    return sorted(sorted(alike, key=lambda place: -lengths[place])[:_MAX_SERIES])


def _calendar(shown: pl.Series) -> Floats:
    """Hour and weekday as flags, the year as waves."""
    hour, weekday = (calendar_part(shown, part).to_numpy() for part in ("hour", "dayofweek"))
    year = 2 * np.pi * shown.dt.ordinal_day().to_numpy()[:, None] / _YEAR_DAYS * np.arange(1, 4)
    flags = [hour[:, None] == np.unique(hour), weekday[:, None] == np.unique(weekday)]
    return np.column_stack([*flags, np.sin(year), np.cos(year)]).astype(np.float64)


def _varies(values: list[Floats]) -> bool:
    """Whether most series move, up and down."""
    # A running total only rises: its next value is nearly the last one.
    moving = 0
    for series in values:
        known = series[np.isfinite(series)]
        steps = np.diff(known)
        rises, falls = (steps >= 0).mean() if len(steps) else 1, (steps <= 0).mean()
        moving += len(known) >= _MIN_STEPS and max(rises, falls) < _COUNTER
    return moving * 2 > len(values)


def _without_copies(
    candidates: list[CandidateSeries], grid: pl.DataFrame
) -> tuple[CandidateSeries, ...]:
    kept: list[CandidateSeries] = []
    for candidate in candidates:
        values = grid[candidate.name].to_numpy()
        if all(correlation(values, grid[k.name].to_numpy()) < _SAME for k in kept):
            kept.append(candidate)
    return tuple(kept)

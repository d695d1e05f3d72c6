"""What is worth forecasting on a panel, and how raw rows become cells of its grid.

A frame, its judged columns and a panel enter; the targets leave, those with most room first, with
how each number is aggregated. The room is a look at the history only: how much better some simple
forecast is than repeating the last season. Left out are constants, counters, parts of the calendar,
coordinates and near copies of a better target.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from pydantic import Field

from extract.noun import Noun
from transform.aggregate import aggregated
from transform.baseline import season_length, seasonal_naive
from transform.proposal import Aggregation
from transform.propose.identities import correlation
from transform.propose.matrix import Floats
from transform.propose.roles import Judged
from transform.propose.time_axis import Panel, is_calendar
from transform.propose.vocabulary import AVERAGED, PLACE, SUMMED, is_code, mentions
from transform.size import SizeConfig
from transform.split import cells, instants

_ROW = " row"
"""Scratch column; shipped names never begin with a space."""


class SeriesConfig(Noun):
    """What a series worth forecasting looks like."""

    series: int = Field(default=8, ge=1)
    """Series looked at, the longest first."""
    columns: int = Field(default=40, ge=1)
    """Numbers looked at, in table order."""
    max_missing: float = Field(default=0.2, ge=0, lt=1)
    min_values: int = Field(default=10, ge=2)
    """Distinct values that a target must have."""
    max_top_share: float = Field(default=0.9, gt=0, le=1)
    """Share of the commonest value beyond which there is little to forecast."""
    counter: float = Field(default=0.99, gt=0.5, le=1)
    """Share of steps that do not fall from which a series is a counter."""
    same: float = Field(default=0.99, gt=0, le=1)
    """|r| from which two targets are one."""


@dataclass(frozen=True)
class SeriesTarget:
    """A number worth forecasting."""

    name: str
    room: float
    """1 − error of a simple forecast / error of seasonal naive, on the history; may be negative."""


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
    panel: Panel,
    config: SeriesConfig,
    size: SizeConfig,
) -> tuple[SeriesTarget, ...]:
    """Targets with most room first; near copies of a better one are left out."""
    names = [name for name in judged if _may_be_target(frame, judged[name], panel, config)]
    grid, series = _grid(frame, judged, panel, names[: config.columns], config)
    season = season_length(panel.axis.frequency, grid[panel.axis.column])
    found = []
    for name in names[: config.columns]:
        values = [grid[name].to_numpy()[rows] for rows in series]
        if not _varies(values, config):
            continue
        found.append(SeriesTarget(name, _room(values, season, size)))
    found.sort(key=lambda target: -round(target.room, 6))
    return _without_copies(found, grid, config)


def _may_be_target(frame: pl.DataFrame, column: Judged, panel: Panel, config: SeriesConfig) -> bool:
    profile = column.column
    return (
        column.role == "number"
        and profile.name not in panel.entities
        and profile.n_unique >= config.min_values
        and profile.top_share <= config.max_top_share
        and profile.missing_share <= config.max_missing
        and not mentions(profile.name, PLACE)
        and not (profile.integer_like and is_code(profile.name))
        and not is_calendar(frame[profile.name], frame[panel.axis.column])
    )


def _grid(
    frame: pl.DataFrame,
    judged: Mapping[str, Judged],
    panel: Panel,
    names: list[str],
    config: SeriesConfig,
) -> tuple[pl.DataFrame, list[list[int]]]:
    """The history on its grid, by time, and the rows of the longest series."""
    axis, keys = panel.axis, [*panel.entities, panel.axis.column]
    when = instants(frame[axis.column])
    if axis.resample:
        when = cells(when, axis.frequency)
    rows = frame.with_columns(when.alias(axis.column)).drop_nulls(axis.column)
    how = {name: aggregation(judged[name]) if axis.resample else "mean" for name in names}
    numbers = (
        aggregated(pl.col(name).cast(pl.Float64), how[name], pl.Float64()).alias(name)
        for name in names
    )
    grid = rows.group_by(keys).agg(numbers).sort(keys)
    grid = grid.sort(axis.column, maintain_order=True).with_row_index(_ROW)
    instants_ = grid[axis.column].unique().sort()
    last = instants_[int(len(instants_) * 8 / 9)]
    grid = grid.filter(pl.col(axis.column) < last)
    groups = grid.group_by(panel.entities, maintain_order=True) if panel.entities else None
    series = [group[_ROW].to_list() for _, group in groups] if groups else [grid[_ROW].to_list()]
    series.sort(key=len, reverse=True)
    return grid, series[: config.series]


def _varies(values: list[Floats], config: SeriesConfig) -> bool:
    """Whether most series move, up and down."""
    moving = 0
    for series in values:
        known = series[np.isfinite(series)]
        steps = np.diff(known)
        rises, falls = (steps >= 0).mean() if len(steps) else 1, (steps <= 0).mean()
        moving += len(known) >= 50 and max(rises, falls) < config.counter
    return moving * 2 > len(values)


def _room(values: list[Floats], season: int, size: SizeConfig) -> float:
    """How much better the best simple forecast is than seasonal naive, over two origins."""
    errors = []
    for series in values:
        known = series[np.isfinite(series)]
        for back in (1, 2):
            origin = len(known) - back * size.min_instants
            if origin >= max(season, size.min_history):
                truth = known[origin : origin + size.min_instants]
                errors.append(_errors(known[:origin], truth, season))
    if not errors:
        return -1.0
    table = np.array(errors)
    table = table[table[:, 0] > 0] / table[table[:, 0] > 0][:, :1]
    return float(1 - table.mean(axis=0).min()) if len(table) else -1.0


def _errors(history: Floats, truth: Floats, season: int) -> list[float]:
    """Mean absolute errors of seasonal naive, then of simple forecasts."""
    steps = range(len(truth))
    naive = seasonal_naive(history, season, steps)
    whole = history[-(min(len(history) // season, 4) * season) :].reshape(-1, season)
    seasonal_mean = whole.mean(axis=0)[np.arange(len(truth)) % season]
    recent = np.full(len(truth), history[-max(season, 7) :].mean())
    last = np.full(len(truth), history[-1])
    forecasts = [naive, seasonal_mean, recent, last, (naive + recent) / 2]
    return [float(np.abs(truth - forecast).mean()) for forecast in forecasts]


def _without_copies(
    found: list[SeriesTarget], grid: pl.DataFrame, config: SeriesConfig
) -> tuple[SeriesTarget, ...]:
    kept: list[SeriesTarget] = []
    for target in found:
        values = grid[target.name].to_numpy()
        if all(correlation(values, grid[k.name].to_numpy()) < config.same for k in kept):
            kept.append(target)
    return tuple(kept)

"""Forecasting tasks: series on a grid, cut at one instant.

Takes a plan and the table's split, returns a draft of `ts-cf` (the past alone) or, where covariates
of the source are known in advance, of `ts-xf`, or a `Drop`. Both share grid, cutoff, entities,
rows and horizon. The cut is made on the grid that is scored, scored values are observed ones, and
raw rows of a resampled table never ship, so that no answer can be computed from train. Whether
anything can be forecast is for validation to find out.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.noun import Noun
from transform.files.rendered_task import RenderedTask, assign_ids, render_task, too_small
from transform.files.tables import cell_types, pick_format
from transform.files.task_folder import Draft
from transform.plan import Plan
from transform.proposal import Aggregation, Proposal
from transform.rows.size import SizeConfig
from transform.rows.split import Split, as_instants, cells
from transform.seed import derive_seed
from transform.series.aggregate import aggregated
from transform.series.comparable import RECENT, comparable_series
from transform.series.covariates import leaks_target
from transform.series.frequency import FREQUENCIES
from transform.series.seasonal_naive import season_length, seasonal_naive
from transform.series.shifts import foretells
from transform.task import ID_COLUMN, VARIANTS, Grid, Instructions

SERIES, _STEP, _SIDE, _PAST = " series", " step", " held out", " past"
"""Scratch columns; shipped names never begin with a space."""
_CLOCK = 0.9999
"""Correlation with the instants from which a column is the time written otherwise."""
_MIN_SHARE = 0.5
"""Scored instants of a series as a share of the horizon."""
_AGGREGATED_NOTE = "Several rows of the source were aggregated into each row."
_REPEATED_NOTE = "Repeated rows, and instants with several different rows, were left out."


class ForecastingConfig(Noun):
    """How large a forecasting task may be."""

    max_entities: int = Field(default=20, ge=1)
    """Series of a task: those with the longest history, then by name. Instruction forecasts ship
    fewer."""
    max_train_rows: int = Field(default=20_000, ge=1)
    """Rows of train; of longer histories the most recent part ships."""


@dataclass(frozen=True)
class ShippedSeries:
    """All series of a task on their grid."""

    proposal: Proposal
    train: pl.DataFrame
    """Rows with all targets before the cutoff, by series and time."""
    scored: pl.DataFrame
    """Rows with all targets from the cutoff on; `_STEP` counts the scored instants from 0."""
    known_covariates: tuple[str, ...]
    notes: tuple[str, ...]


def draft_forecast(
    raw: RawDataset,
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: ForecastingConfig,
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Render a forecasting plan.

    A `Drop` when history, future or series are too few, or when no covariate is left for `ts-xf`.
    """
    proposal = plan.proposal
    frame = frame.drop(plan.repair.without_columns, strict=False)
    shipped = shipped_series(frame, proposal, split, config, size)
    if isinstance(shipped, tuple):
        return too_small(proposal, plan.task_id, plan.variant, *shipped)
    if plan.variant == "ts-xf" and not shipped.known_covariates:
        what = "covariates that are known in advance and tell more than the calendar"
        return too_small(proposal, plan.task_id, plan.variant, what, 0, 1)
    return render_task(raw, proposal, _rendered(shipped, plan), folder)


TooFew = tuple[str, float, float]
"""What there is too little of, how much there is, how much is needed."""


def shipped_series(
    frame: pl.DataFrame,
    proposal: Proposal,
    split: Split,
    config: ForecastingConfig,
    size: SizeConfig,
) -> ShippedSeries | TooFew:
    """The series that are shipped, or what they lack."""
    assert proposal.time is not None, "a forecast has a time axis"
    on_grid, notes = _on_grid(sided(frame, proposal, split), proposal)
    past, future = (on_grid.filter(side).drop(_SIDE) for side in (~pl.col(_SIDE), pl.col(_SIDE)))
    time = proposal.time.column
    most = FREQUENCIES[proposal.time.frequency].horizon
    most = min(most, proposal.horizon or most, future[time].n_unique())
    scored = _scored(past, future, proposal, most, config, size)
    if isinstance(scored, tuple):
        return scored
    kept = past.join(scored.select(SERIES).unique(), on=SERIES, how="semi").sort(SERIES, time)
    horizon = scored[_STEP].n_unique()
    longest = max(config.max_train_rows // kept[SERIES].n_unique(), size.history_factor * horizon)
    train = kept.group_by(SERIES, maintain_order=True).tail(longest)
    foretelling = [
        name for name in _covariates(train, proposal) if _foretells(train, name, proposal)
    ]
    train = train.drop(foretelling, *(c.name for c in train if c.null_count() == train.height))
    return ShippedSeries(
        proposal, train, scored, _known_covariates(train, proposal, horizon), notes
    )


def _covariates(train: pl.DataFrame, proposal: Proposal) -> list[str]:
    assert proposal.time is not None
    others = {proposal.time.column, *proposal.entities, *proposal.targets, SERIES}
    return [name for name in train.columns if name not in others]


# --- the grid ---------------------------------------------------------------------------------


def sided(frame: pl.DataFrame, proposal: Proposal, split: Split) -> pl.DataFrame:
    """Rows with instant, entity and side, by time; the columns in shipped order."""
    assert proposal.time is not None
    time = as_instants(frame[proposal.time.column]).alias(proposal.time.column)
    names = _columns(frame, proposal)
    sided = frame.with_columns(time, split.held_out.alias(_SIDE)).select(*names, _SIDE)
    floats = sided.select(cs.float()).columns
    tidy = sided.with_columns(
        *(pl.when(pl.col(name).is_finite()).then(name).alias(name) for name in floats),
        cs.string().replace("", None),
        (cs.boolean() - cs.by_name(_SIDE)).cast(pl.Int64),
    )
    return tidy.drop_nulls([time.name, *proposal.entities, _SIDE]).sort(
        time.name, maintain_order=True
    )


def _columns(frame: pl.DataFrame, proposal: Proposal) -> list[str]:
    """Time, entities, targets, then the numbers and known covariates in table order."""
    assert proposal.time is not None
    first = [proposal.time.column, *proposal.entities, *proposal.targets]
    features = {feature.name for feature in proposal.features}
    others = [
        column.name
        for column in frame
        if column.name not in first
        and (
            column.name in proposal.known_covariates
            or (column.name in features and _is_number(column))
        )
    ]
    return [*first, *others]


def _is_number(column: pl.Series) -> bool:
    return column.dtype.is_numeric() or column.dtype == pl.Boolean


def _on_grid(rows: pl.DataFrame, proposal: Proposal) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """One row with all targets for each series and instant, and what was done to get there.

    An instant with rows on both sides of the cutoff is left out.
    """
    assert proposal.time is not None
    time = proposal.time.column
    cell = cells(rows[time], proposal.time.frequency)
    if proposal.time.resample:
        grid = _aggregate(rows.with_columns(cell), proposal)
        # The first and the last cell may hold a part of what happened in them.
        grid = grid.filter(pl.col(time).is_between(cell.min(), cell.max(), closed="none"))
        note = _AGGREGATED_NOTE
    else:
        # A source that has one instant in each cell keeps its own, for example month ends.
        own = rows[time].n_unique() == cell.n_unique()
        distinct = (rows if own else rows.with_columns(cell)).unique(maintain_order=True)
        grid = distinct.filter(pl.len().over(time, *proposal.entities) == 1)
        note = _REPEATED_NOTE if grid.height < rows.height else ""
    grid = grid.filter(pl.col(_SIDE).n_unique().over(time) == 1).drop_nulls(proposal.targets)
    return _numbered(grid, proposal.entities), (note,) if note else ()


def _numbered(grid: pl.DataFrame, entities: tuple[str, ...]) -> pl.DataFrame:
    """The grid with the number of the series, in order of the names of the entities."""
    if not entities:
        return grid.with_columns(pl.lit(0, pl.UInt32).alias(SERIES))
    names = grid.select(entities).unique().sort(entities).with_row_index(SERIES)
    return grid.join(names, on=entities, maintain_order="left")


def _aggregate(rows: pl.DataFrame, proposal: Proposal) -> pl.DataFrame:
    """Cells of the grid, see `aggregated`."""
    assert proposal.time is not None
    keys = [*proposal.entities, proposal.time.column, _SIDE]
    how: dict[str, Aggregation] = dict(proposal.aggregations)
    values = [name for name in rows.columns if name not in keys]
    grid = rows.group_by(keys, maintain_order=True).agg(
        aggregated(pl.col(name), how.get(name, "mean"), rows.schema[name]) for name in values
    )
    return grid.select(rows.columns)


# --- what is scored ---------------------------------------------------------------------------


def _scored(
    past: pl.DataFrame,
    future: pl.DataFrame,
    proposal: Proposal,
    most: int,
    config: ForecastingConfig,
    size: SizeConfig,
) -> pl.DataFrame | TooFew:
    """Rows of the first instants after the cutoff, of comparable series with enough around it."""
    assert proposal.time is not None
    time, target = proposal.time.column, proposal.targets[0]
    history = (
        past.group_by(SERIES)
        .agg(pl.len().alias("n"), pl.col(target).tail(RECENT).cast(pl.Float64).alias(_PAST))
        .sort(pl.col("n"), pl.col(SERIES), descending=[True, False])
    )
    held_out = future.group_by(SERIES).agg(pl.len().alias("after"))
    long = history.filter(pl.col("n") >= size.shortest_history).join(
        held_out.filter(pl.col("after") >= _MIN_SHARE * size.min_instants),
        on=SERIES,
        maintain_order="left",
    )
    if long.is_empty():
        longest = int(history["n"][0]) if history.height else 0
        return "instants of history before scored ones", longest, size.shortest_history
    lengths = long["n"].head(config.max_entities).to_list()
    typical: int = lengths[len(lengths) // 2]
    horizon = size.horizon(typical, most)
    enough = long.filter(pl.col("n") >= size.history_factor * horizon)
    alike = comparable_series([past.to_numpy() for past in enough[_PAST]], max(horizon, 1))
    enough = enough[alike].head(config.max_entities)
    rows = _first_instants(future.join(enough, on=SERIES, how="semi"), time, horizon)
    complete = pl.len().over(SERIES) >= _MIN_SHARE * horizon
    rows = _first_instants(rows.filter(complete), time, horizon)
    counts = (
        ("scored instants", rows[time].n_unique(), size.min_instants),
        ("scored rows", rows.height, size.min_scored_rows),
    )
    short = next((count for count in counts if count[1] < count[2]), None)
    return short or rows.sort(SERIES, time)


def _first_instants(rows: pl.DataFrame, time: str, horizon: int) -> pl.DataFrame:
    """Rows of the first `horizon` observed instants, numbered by `_STEP`."""
    step = (pl.col(time).rank("dense") - 1).cast(pl.Int64).alias(_STEP)
    return rows.with_columns(step).filter(pl.col(_STEP) < horizon)


# --- covariates -------------------------------------------------------------------------------


def _foretells(train: pl.DataFrame, name: str, proposal: Proposal) -> bool:
    """Whether a column of the past is made of later values of a target."""
    if not train.schema[name].is_numeric():
        return False
    values = _by_series(train, name)
    return any(foretells(values, _by_series(train, target)) for target in proposal.targets)


def _known_covariates(train: pl.DataFrame, proposal: Proposal, horizon: int) -> tuple[str, ...]:
    """Covariates that future rows may carry; empty when none tells more than calendar and name."""
    assert proposal.time is not None
    time = proposal.time.column
    season = season_length(proposal.time.frequency, train[time])
    names = [
        name
        for name in _covariates(train, proposal)
        if name in proposal.known_covariates
        and not any(
            leaks_target(_by_series(train, name), _by_series(train, target), horizon, season)
            for target in proposal.targets
        )
    ]
    return tuple(names) if any(not _is_calendar(train, n, time) for n in names) else ()


def _by_series(train: pl.DataFrame, name: str) -> list[np.ndarray]:
    """A column as numbers, one array a series, by time; texts become codes of all series."""
    values = train[name].rank("dense") if train.schema[name] == pl.String else train[name]
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    starts = train[SERIES].rle_id().to_numpy()
    return np.split(numbers, np.flatnonzero(np.diff(starts)) + 1)


def _is_calendar(train: pl.DataFrame, name: str, time: str) -> bool:
    """Whether the series and one field of the calendar decide the value."""
    when = pl.col(time).dt
    fields = (pl.lit(0), when.month(), when.day(), when.weekday(), when.hour())
    values = train.filter(pl.col(name).is_not_null())
    counts = [pl.col(name).n_unique().over(SERIES, field).max() for field in fields]
    if values.select(pl.min_horizontal(counts)).item() == 1:
        return True
    if not train.schema[name].is_numeric():
        return False
    if values.select((pl.col(name) == when.year()).all()).item():
        return True
    pairs = values.select(time, name).unique()
    clock = pl.corr(pl.col(name), when.epoch("s")).abs().fill_nan(0)
    return pairs[time].is_unique().all() and pairs.select(clock).item() > _CLOCK


# --- rendering --------------------------------------------------------------------------------


def _rendered(shipped: ShippedSeries, plan: Plan) -> RenderedTask:
    proposal, variant, task_id = plan.proposal, plan.variant, plan.task_id
    assert proposal.time is not None
    known = shipped.known_covariates if variant == "ts-xf" else ()
    train, solved = assign_ids(
        shipped.train.drop(SERIES), shipped.scored, derive_seed("row ids", task_id)
    )
    val = solved.select(ID_COLUMN, proposal.time.column, *proposal.entities, *known)
    numbers = [pl.col(name).cast(pl.Float64) for name in proposal.targets]
    instructions = Instructions(
        variant=variant,
        problem=proposal.problem,
        data=pick_format(task_id, train.columns, val.columns),
        columns=cell_types(train, val),
        targets=proposal.targets,
        metric=VARIANTS[variant].metric,
        grid=Grid(
            column=proposal.time.column,
            frequency=proposal.time.frequency,
            entities=proposal.entities,
            known_covariates=known,
        ),
    )
    truth = solved.select(ID_COLUMN, *numbers)
    skill = json.dumps({"entities": list(_skill(shipped, solved))})
    return RenderedTask(
        task_id, instructions, train, val, truth=truth, skill=skill, notes=shipped.notes
    )


def _skill(shipped: ShippedSeries, solved: pl.DataFrame) -> Iterator[dict[str, object]]:
    """Per series: its rows, season, and the error of seasonal naive for each target."""
    axis = shipped.proposal.time
    assert axis is not None
    season = season_length(axis.frequency, shipped.train[axis.column])
    past = shipped.train.partition_by(SERIES, as_dict=True)
    for key, rows in solved.sort(SERIES, _STEP).group_by(SERIES, maintain_order=True):
        mae = {}
        for target in shipped.proposal.targets:
            history = past[key][target].cast(pl.Float64).to_numpy()
            error = rows[target].cast(pl.Float64).to_numpy() - seasonal_naive(
                history, season, rows[_STEP].to_list()
            )
            mae[target] = float(abs(error).mean())
        yield {"row_ids": rows[ID_COLUMN].to_list(), "season": season, "mae": mae}

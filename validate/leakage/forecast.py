"""Leaks of a forecast: what in its files shows values from the cutoff on.

Takes a forecasting task, returns the columns that leak the future and the faults of its grid.
Instants are compared as instants and as cells of the grid, never as text. Looked for are training
rows at or after the first scored cell, series that are none, columns made of later values of a
target, covariates of future rows that move with it, and ids that follow time or target. Not
guaranteed: covariates that leak the future without being linear in it.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.files.task_folder import TaskFolder
from transform.rows.split import cells
from transform.series.covariates import leaks_target
from transform.series.seasonal_naive import season_length
from transform.series.shifts import foretells
from transform.task import ID_COLUMN, Grid, Instructions
from validate.leakage.leaks import Leaks
from validate.leakage.order import follows, ids_ascend
from validate.leakage.rows_with_answers import RowsWithAnswers, rows_with_answers

_Floats = npt.NDArray[np.float64]
_COVERED = 0.5
"""Share of the instants between its first and last at which the median series must have a row: the
groups of a column that is no entity meet an instant only now and then."""


def find_forecast_leaks(task: TaskFolder) -> Leaks:
    """What leaks values of the task's targets from the cutoff on."""
    instructions = task.spec.instructions
    assert instructions.grid is not None
    leaks = Leaks()
    rows = rows_with_answers(task)
    leaks.faults += _misplaced(instructions, instructions.grid, rows)
    leaks.faults += _order_faults(task, instructions.grid, rows)
    if leaks.faults:
        # Columns are looked at along the time axis, which has to be sound.
        return leaks
    for name, why in _leaking_columns(instructions, instructions.grid, rows):
        leaks.flag(name, f"`{name}`: {why}")
    return leaks


# --- the grid ---------------------------------------------------------------------------------


def _misplaced(instructions: Instructions, grid: Grid, rows: RowsWithAnswers) -> Iterator[str]:
    """Faults of instants and series."""
    train, held_out = rows.train[grid.column], rows.held_out[grid.column]
    if not train.dtype.is_temporal() or train.null_count() or held_out.null_count():
        yield f"`{grid.column}` does not hold an instant in every row"
        return
    last, first = train.max(), held_out.min()
    if last >= first:  # type: ignore[operator]
        yield f"train reaches {last!s}, the first scored instant is {first!s}"
    elif cells(train, grid.frequency).max() >= cells(held_out, grid.frequency).min():  # type: ignore[operator]
        yield f"train holds a part of the first scored cell of {grid.frequency}"
    keys = [cells(train, grid.frequency).alias(" cell"), *grid.entities]
    if not instructions.is_executed and rows.train.select(keys).is_duplicated().any():
        yield "train has several rows in one cell of the grid"
    covered = _covered(rows.train, grid)
    if covered < _COVERED:
        names = ", ".join(f"`{name}`" for name in grid.entities)
        yield f"{names} tell no series: the median one has rows at {covered:.0%} of its instants"


def _covered(train: pl.DataFrame, grid: Grid) -> float:
    """Share of the observed instants within its span at which the median series has a row."""
    if not grid.entities:
        return 1.0
    place = cells(train[grid.column], grid.frequency).rank("dense").alias(" place")
    spans = (
        train.with_columns(place)
        .group_by(grid.entities)
        .agg(pl.col(" place").n_unique() / (pl.col(" place").max() - pl.col(" place").min() + 1))
    )
    return float(spans[" place"].median() or 0.0)  # type: ignore[arg-type]


def _order_faults(task: TaskFolder, grid: Grid, rows: RowsWithAnswers) -> Iterator[str]:
    """Faults of ids and places."""
    instructions = task.spec.instructions
    if not ids_ascend(instructions.data, task.public):
        yield "rows do not stand in the order of their ids"
    ids = rows.rows[ID_COLUMN].cast(pl.Float64).to_numpy()
    for name in (grid.column, *instructions.targets):
        values = rows.rows[name].to_physical().cast(pl.Float64).to_numpy()
        if follows(ids, values, is_label=False):
            yield f"ids follow `{name}`"


# --- columns ----------------------------------------------------------------------------------


def _leaking_columns(
    instructions: Instructions, grid: Grid, rows: RowsWithAnswers
) -> Iterator[tuple[str, str]]:
    """Columns of train that hold the future, and columns of future rows that move with it."""
    taken = {ID_COLUMN, grid.column, *grid.entities, *instructions.targets}
    future = [name for name in rows.held_out.columns if name not in taken]
    past = [name for name in rows.train.columns if name not in {*taken, *future}]
    train = _series(rows.train, grid)
    both = _series(rows.rows.select(*rows.held_out.columns), grid) if future else []
    horizon = rows.held_out[grid.column].n_unique()
    season = season_length(grid.frequency, rows.train[grid.column])
    for target in instructions.targets:
        for name in past:
            why = foretells(_of(train, name), _of(train, target))
            if why:
                yield name, why
        for name in future:
            pair = _of(both, name), _of(both, target)
            why = leaks_target(*pair, horizon, season)
            if why:
                yield name, why


def _series(rows: pl.DataFrame, grid: Grid) -> list[pl.DataFrame]:
    """One frame a series, by time."""
    ordered = rows.sort(grid.column, maintain_order=True)
    if not grid.entities:
        return [ordered]
    return ordered.partition_by(grid.entities, maintain_order=True)


def _of(series: Sequence[pl.DataFrame], name: str) -> list[_Floats]:
    """One column of all series as numbers; texts become codes that all series share."""
    values = pl.concat([part[name] for part in series])
    if values.dtype == pl.String:
        values = values.rank("dense")
    numbers = values.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    return np.split(numbers, np.cumsum([part.height for part in series])[:-1])

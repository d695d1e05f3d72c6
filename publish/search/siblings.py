"""Whether a column of one task, laid beside the held-out rows of another, tells their answers.

Two tasks of one source share a split, so that no row changes sides; but a column that was left out
of one because of target leakage must not stand in the other. Takes the held-out rows of the first
and a table of the second, in comparable types; returns columns, each with how it tells. Rows
are laid side by side by the features that single them out on both sides; forecasts by instant and
series, where values of other instants tell as well. Not guaranteed: what only several columns
together tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.profile.dependence import codes_of, determination
from transform.profile.identities import MAX_DISAGREEING, SAME_NUMBER, SURE, correlation
from transform.series.shifts import foretells, repeats

_ENOUGH = 50
"""Rows side by side without which nothing is concluded."""
_SHARE = 0.1
"""Part of the held-out rows that must find their row."""


@dataclass(frozen=True)
class RowKeys:
    """How a forecast's rows lie in time."""

    time: str
    entities: tuple[str, ...]


def row_keys(future: pl.DataFrame) -> RowKeys | None:
    """Time and entities of a forecast's rows, which come first: the fewest that name the rows."""
    for k in range(1, future.width + 1):
        time, *entities = future.columns[:k]
        if future.select(time, *entities).is_unique().all():
            return RowKeys(time, tuple(entities))
    return None


def telling_columns(
    held_out: pl.DataFrame, targets: Sequence[str], table: pl.DataFrame
) -> Iterator[tuple[str, int]]:
    """Columns of a table that decide a target, and for how many held-out rows.

    Both frames have no id; columns that they share, targets aside, must have the same types.
    """
    keys = [n for n in held_out.columns if n in table.columns and n not in targets]
    others = [n for n in table.columns if n not in keys]
    if not keys or not others:
        return
    # Rows that share their keys could be joined with any of several, which would prove nothing.
    identified = pl.struct(keys).is_unique()
    beside = held_out.filter(identified).join(
        table.filter(identified), on=keys, nulls_equal=True, suffix=" beside"
    )
    if beside.height < max(_ENOUGH, _SHARE * held_out.height):
        return
    for name in others:
        candidate = beside[f"{name} beside" if name in targets else name]
        if any(_decides(candidate, beside[target]) for target in targets):
            yield name, beside.height


def _decides(observed: pl.Series, target: pl.Series) -> bool:
    if observed.dtype.is_numeric() and target.dtype.is_numeric():
        r = correlation(_numbers(observed), _numbers(target), MAX_DISAGREEING)
        if r >= SAME_NUMBER:
            return True
    return determination(codes_of(observed), codes_of(target)) >= SURE


def moved_columns(
    past: pl.DataFrame,
    future: pl.DataFrame,
    target: str,
    by: RowKeys,
    tables: tuple[pl.DataFrame, pl.DataFrame],
    checked: set[str],
) -> Iterator[tuple[str, str, str]]:
    """Columns of a sibling made of a forecast's values at other instants: side, name, how.

    `past` and `future` hold the target; `tables` are the sibling's train and val. Names in
    `checked` are passed over, and those looked at are added: one source has one column of a name.
    """
    keys = [by.time, *by.entities]
    train, val = tables
    if not all(key in train.columns and train[key].dtype == past[key].dtype for key in keys):
        return
    if not train.select(keys).is_unique().all():
        return
    for name in train.columns:
        if name in {*keys, target} or name in checked or not train[name].dtype.is_numeric():
            continue
        # Measuring one column against all instants is dear, and siblings repeat the same columns.
        checked.add(name)
        how = foretells(*_aligned(past, target, train, name, by))
        if how:
            yield "train", name, how
        if name in val.columns and all(key in val.columns for key in keys):
            rows = pl.concat([side.select(*keys, name) for side in tables], how="vertical_relaxed")
            whole = pl.concat([side.select(*keys, target) for side in (past, future)])
            how = repeats(*_aligned(whole, target, rows, name, by))
            if how:
                yield "val", name, how


def _aligned(
    rows: pl.DataFrame, target: str, others: pl.DataFrame, name: str, by: RowKeys
) -> tuple[list[npt.NDArray[np.float64]], list[npt.NDArray[np.float64]]]:
    """Both columns at the instants of the first, one array a series."""
    keys = [by.time, *by.entities]
    beside = others.select(*keys, pl.col(name).alias(" sibling")).unique(keys, keep="first")
    joined = rows.select(*keys, target).join(beside, on=keys, how="left").sort(by.time)
    groups = joined.partition_by(by.entities, maintain_order=True) if by.entities else [joined]
    return [_numbers(g[" sibling"]) for g in groups], [_numbers(g[target]) for g in groups]


def _numbers(values: pl.Series) -> npt.NDArray[np.float64]:
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()

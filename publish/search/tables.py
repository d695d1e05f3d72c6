"""Held-out answers in the tables of a source's tasks.

Takes an opened task and all opened tasks of its source; returns a leak for each table that holds
the target, or held-out rows with their target, or a column that tells it. Executed truth is not
looked for in tables, since it occurs nowhere in the data. A row is proof in the task's own train
table and wherever all its columns are; where a sibling shares only some columns, coincidence is
told from answers by how well they identify rows.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from publish.search.answer_leak import AnswerLeak
from publish.search.opened_task import OpenedTask, leak
from publish.search.siblings import RowKeys, moved_columns, telling_columns
from transform.task import ID_COLUMN

_DRIFT = 3
"""Rows drift, so that coincidences are more or fewer than in train; by less than this factor."""


def leaks_in_tables(task: OpenedTask, siblings: Sequence[OpenedTask]) -> Iterator[AnswerLeak]:
    """The target in its own val, strange tables, held-out rows in the source's tables."""
    shown = sorted(set(task.targets) & set(task.tables["val"].columns))
    if shown:
        yield leak(task, task, "val", f"holds the target {shown[0]!r}")
    for name in sorted(task.tables.keys() - {"train", "val"}):
        yield leak(task, task, name, "is a table that no task names")
    if task.executed:
        return
    for sibling in siblings:
        for name in ("train", "val"):
            if sibling is task and name == "val":
                continue
            n_rows = _n_shown(task, sibling.tables[name], own=sibling is task)
            if n_rows:
                detail = f"holds {n_rows} of {task.held_out.height} held-out rows with their target"
                yield leak(task, sibling, name, detail)
    yield from _in_columns(task, [sibling for sibling in siblings if sibling is not task])


def _in_columns(task: OpenedTask, siblings: Sequence[OpenedTask]) -> Iterator[AnswerLeak]:
    """Columns of siblings that tell a held-out target beside its row, or from another instant."""
    checked = set(task.train.columns)
    for sibling in siblings:
        for name in ("train", "val"):
            yield from _beside(task, sibling, name)
        if task.keys is not None:
            yield from _moved(task, task.keys, sibling, checked)


def _beside(task: OpenedTask, sibling: OpenedTask, name: str) -> Iterator[AnswerLeak]:
    table = sibling.tables[name].drop(ID_COLUMN)
    types = task.held_out.schema
    # A shared column of another type identifies no row, and is no new column either.
    shared = [n for n in types if types[n] == table.schema.get(n)]
    candidates = table.select(n for n in table.columns if n in shared or n not in types)
    held_out = task.held_out.select(*dict.fromkeys((*shared, *task.targets)))
    for column, n_rows in telling_columns(held_out, task.targets, candidates):
        detail = f"its column {column!r} tells {n_rows} held-out targets"
        yield leak(task, sibling, name, detail)


def _moved(
    task: OpenedTask, keys: RowKeys, sibling: OpenedTask, checked: set[str]
) -> Iterator[AnswerLeak]:
    tables = sibling.tables["train"].drop(ID_COLUMN), sibling.tables["val"].drop(ID_COLUMN)
    for target in task.targets:
        columns = moved_columns(task.train, task.held_out, target, keys, tables, checked)
        for name, column, how in columns:
            yield leak(task, sibling, name, f"its column {column!r} tells the future: {how}")


def _n_shown(task: OpenedTask, table: pl.DataFrame, own: bool) -> int:
    """Held-out rows of a task whose features and target stand in one row of a table.

    Where a sibling's table lacks some columns, only rows count that the shared features single out
    on both sides and that the task's own train table says nothing about, and only when they are
    more than `_DRIFT` times the rows that the shared columns cannot tell apart anyway.
    """
    shared = [name for name in task.held_out.columns if name in table.columns]
    features = [name for name in shared if name not in task.targets]
    if not features or len(features) == len(shared):
        return 0
    if own or len(shared) == task.held_out.width:
        return _matching(task.held_out, table, shared, "semi").height
    identified = pl.struct(features).is_unique()
    rows = _matching(task.held_out.filter(identified), task.train, features, "anti")
    others = table.select(shared).unique().filter(identified)
    n_equal = _matching(rows, others, shared, "semi").height
    alike = 1 - task.train.select(shared).n_unique() / task.train.height
    return n_equal if n_equal > _DRIFT * alike * task.held_out.height else 0


def _matching(rows: pl.DataFrame, table: pl.DataFrame, on: Sequence[str], how: Any) -> pl.DataFrame:
    """Rows that do (`semi`) or do not (`anti`) occur in a table by value, missing equal missing."""
    mixed = [name for name in on if rows[name].dtype != table[name].dtype]
    left, right = _as_numbers(rows, mixed), _as_numbers(table.select(on), mixed)
    return left.join(right, on=on, how=how, nulls_equal=True)


def _as_numbers(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Rows in which the named text columns are numbers, as numbers; other rows cannot match."""
    casts = [pl.col(name).cast(pl.Float64, strict=False) for name in names]
    kept = [
        cast.is_not_null() | pl.col(name).is_null() for cast, name in zip(casts, names, strict=True)
    ]
    return table.filter(pl.all_horizontal(kept)).with_columns(casts) if names else table

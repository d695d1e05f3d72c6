"""The columns of one table in numbers: counts, ranges, frequent values, roles.

A stored table and its rows enter, a `TableProfile` without findings leaves. DuckDB counts and
polars looks at orders and shapes; nothing is summed in floating point, so that the number of
threads cannot change a profile.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import polars as pl

from extract.dataset import Column, Table
from transform.profile.dependence import dependencies
from transform.profile.profile import ColumnProfile, Pattern, TableProfile, ValueCount
from transform.profile.roles import with_role

if TYPE_CHECKING:
    # Imported where it is used: a process that only hands work to others need not load it, and
    # those that do complain of its leaks when they end.
    from duckdb import DuckDBPyConnection

_PATTERNS: dict[Pattern, str] = {
    "url": r"^(https?://|www\.)\S+$",
    "email": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "uuid": r"^\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?$",
    "hash": r"^(0x)?([0-9a-f]{16,}|[0-9A-F]{16,})$",
    "ip": r"^\d{1,3}(\.\d{1,3}){3}(:\d+)?$",
    "card": r"^\d{4}([ -]?)\d{4}([ -]?)\d{4}([ -]?)\d{1,7}$",
    "phone": r"^(\+\d{1,3}|\(\d{2,4}\)|0\d{1,4})[-. /()\d]{6,16}$",
}
"""Tried in this order; the first that fits nearly all values is the column's."""
_TOP = 25
"""Frequent values kept per column."""
_TOP_IN_TABLE = 5_000
"""The same over all columns of a wide table, though at least 3 per column."""
_VALUE_LENGTH = 80
"""Characters kept of a value."""
_PATTERN_VALUES = 500
"""Distinct values of a text column that are compared with the patterns."""
_PATTERN_SHARE = 0.9
"""Share of them that must fit."""
_THREADS = 2
"""Threads of DuckDB."""


def profile_columns(table: Table, frame: pl.DataFrame) -> TableProfile:
    """A table in numbers: its columns with their roles, and which tells which."""
    # Numbered names: polars reads some names as patterns, such as `*`.
    numbered = pl.DataFrame({f"c{i}": frame[c.name] for i, c in enumerate(table.columns)})
    top = min(_TOP, max(3, _TOP_IN_TABLE // max(1, numbered.width)))
    with _duckdb() as connection:
        measured = [
            _column(connection, column, values, top)
            for column, values in zip(table.columns, numbered, strict=True)
        ]
    columns = tuple(with_role(column, frame.height) for column in measured)
    return TableProfile(
        name=table.name,
        n_rows=frame.height,
        columns=columns,
        dependencies=dependencies(numbered, columns),
    )


@contextmanager
def _duckdb() -> "Iterator[DuckDBPyConnection]":
    """A connection in memory that fetches nothing from anywhere."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "threads": _THREADS,
    }
    import duckdb

    connection = duckdb.connect(":memory:", config=options)
    try:
        yield connection
    finally:
        connection.close()


def _counts(connection: "DuckDBPyConnection", column: Column) -> dict[str, Any]:
    """Exact counts of the column `v` of `cells`; text measures are None for other types."""
    text = column.type == "text"
    length = "sum(length(v))" if text else "NULL"
    blanks = "sum(length(v) - length(replace(v, ' ', '')))" if text else "NULL"
    whole = "bool_and(v = floor(v))" if column.type == "number" else "NULL"
    query = (
        "SELECT count(v) AS n, count(DISTINCT v) AS n_unique, CAST(min(v) AS VARCHAR) AS minimum, "
        f"CAST(max(v) AS VARCHAR) AS maximum, {length} AS length, {blanks} AS blanks, "
        f"{whole} AS whole FROM cells"
    )
    cursor = connection.execute(query)
    names = [item[0] for item in cursor.description or ()]
    return dict(zip(names, cursor.fetchone() or (), strict=True))


def _top(connection: "DuckDBPyConnection", top: int) -> tuple[ValueCount, ...]:
    query = (
        "SELECT CAST(v AS VARCHAR) AS value, count(*) AS n FROM cells WHERE v IS NOT NULL "
        "GROUP BY v ORDER BY n DESC, v LIMIT ?"
    )
    rows = connection.execute(query, [top]).fetchall()
    return tuple(ValueCount(value=value[:_VALUE_LENGTH], count=n) for value, n in rows)


def _column(
    connection: "DuckDBPyConnection",
    column: Column,
    values: pl.Series,
    top: int,
) -> ColumnProfile:
    # One column at a time, by position: no name of the source ever reaches a query.
    connection.register("cells", values.to_frame("v").to_arrow())
    counts = _counts(connection, column)
    n = counts["n"]
    is_text = column.type == "text" and n > 0
    return ColumnProfile(
        name=column.name,
        type=column.type,
        missing_share=1 - n / len(values) if len(values) else 1.0,
        n_unique=counts["n_unique"],
        unique_share=counts["n_unique"] / n if n else 0.0,
        minimum=_cut(counts["minimum"]),
        maximum=_cut(counts["maximum"]),
        top=_top(connection, top),
        mean_length=int(counts["length"]) / n if is_text else None,
        mean_words=1 + int(counts["blanks"]) / n if is_text else None,
        integer_like=column.type in ("integer", "boolean") or bool(counts["whole"]),
        monotone=n > 1 and counts["n_unique"] == n and _is_monotone(values),
        pattern=_pattern(values) if is_text else None,
    )


def _cut(value: str | None) -> str | None:
    return None if value is None else value[:_VALUE_LENGTH]


def _is_monotone(values: pl.Series) -> bool:
    if values.dtype in (pl.String, pl.Boolean):
        return False
    present = values.drop_nulls()
    return present.is_sorted() or present.is_sorted(descending=True)


def _pattern(values: pl.Series) -> Pattern | None:
    """The first pattern that fits nearly all of some distinct values."""
    distinct = values.drop_nulls().unique(maintain_order=True)
    sample = distinct.gather_every(max(1, len(distinct) // _PATTERN_VALUES))
    sample = sample.head(_PATTERN_VALUES).str.strip_chars()
    for name, expression in _PATTERNS.items():
        if sample.str.contains(expression).sum() >= _PATTERN_SHARE * len(sample):
            return name
    return None

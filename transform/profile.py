"""What a proposer may see of a dataset: counts, ranges and frequent values, never the table.

A `RawDataset` enters, a `Profile` leaves. It is small whatever the table (values are cut, lists are
bounded), so that it can also be shown to a language model. Values are untrusted text of the source.

DuckDB counts and polars looks at orders and shapes; nothing is summed in floating point, so that
the number of threads cannot change a profile. Not guaranteed: that dependencies between columns
are complete (few-valued columns come first) or hold outside the sampled rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from extract.dataset import Column, ColumnType, RawDataset, Table
from extract.noun import Noun
from extract.stored_table import read_stored

if TYPE_CHECKING:
    # Imported where it is used: a process that only hands work to others need not load it, and
    # those that do complain of its leaks when they end.
    from duckdb import DuckDBPyConnection

Pattern = Literal["url", "email", "uuid", "hash", "ip", "phone", "card"]

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
_DEPENDENCY_ROWS = 10_000
"""Rows, evenly spaced, on which dependencies between columns are looked for."""
_DEPENDENCY_COLUMNS = 40
"""Columns, the fewest-valued first, between which dependencies are looked for."""
_DEPENDENCY_STRENGTH = 0.99
"""How surely the second column follows, see `determination`."""
_THREADS = 2
"""Threads of DuckDB."""


class ValueCount(Noun):
    """One frequent value, as text and cut."""

    value: str
    count: int


class ColumnProfile(Noun):
    """One column in numbers. Shares are of all rows, or of those with a value where it says so."""

    name: str
    type: ColumnType
    missing_share: float
    n_unique: int
    """Distinct values, missing not counted."""
    unique_share: float
    """Distinct values by rows with a value; 0 for an empty column."""
    minimum: str | None
    maximum: str | None
    top: tuple[ValueCount, ...]
    """Most frequent values first, ties by value."""
    mean_length: float | None = None
    """Text: characters per value."""
    mean_words: float | None = None
    """Text: words per value, separated by blanks."""
    integer_like: bool = False
    """Numbers: every value is whole."""
    monotone: bool = False
    """Numbers and times: all values differ, and they rise or fall from row to row."""
    pattern: Pattern | None = None
    """Text: what nearly all values look like."""

    @property
    def top_share(self) -> float:
        """Share of the most frequent value among rows with a value; 1 for an empty column."""
        if not self.top:
            return 1.0
        return self.top[0].count * self.unique_share / self.n_unique


class Dependency(Noun):
    """One column tells another: to each value of the first belongs one of the second."""

    determinant: str
    dependent: str
    strength: float
    """How surely, see `determination`."""


class TableProfile(Noun):
    """One table in numbers."""

    name: str
    n_rows: int
    columns: tuple[ColumnProfile, ...]
    dependencies: tuple[Dependency, ...]

    def column(self, name: str) -> ColumnProfile:
        """The column of that name; raises `KeyError`."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class Profile(Noun):
    """All tables of a dataset in numbers, in the dataset's order."""

    tables: tuple[TableProfile, ...]

    def table(self, name: str) -> TableProfile:
        """The table of that name; raises `KeyError`."""
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)


def profile(raw: RawDataset) -> Profile:
    """Profile every table of a dataset."""
    with _duckdb() as connection:
        tables = tuple(_table(connection, table) for table in raw.tables)
    return Profile(tables=tables)


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


def _table(connection: "DuckDBPyConnection", table: Table) -> TableProfile:
    frame = read_stored(table)
    # Numbered names: polars reads some names as patterns, such as `*`.
    numbered = pl.DataFrame({f"c{i}": frame[c.name] for i, c in enumerate(table.columns)})
    top = min(_TOP, max(3, _TOP_IN_TABLE // max(1, numbered.width)))
    columns = tuple(
        _column(connection, column, values, top)
        for column, values in zip(table.columns, numbered, strict=True)
    )
    return TableProfile(
        name=table.name,
        n_rows=frame.height,
        columns=columns,
        dependencies=_dependencies(numbered, columns),
    )


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
    found = _counts(connection, column)
    n = found["n"]
    is_text = column.type == "text" and n > 0
    return ColumnProfile(
        name=column.name,
        type=column.type,
        missing_share=1 - n / len(values) if len(values) else 1.0,
        n_unique=found["n_unique"],
        unique_share=found["n_unique"] / n if n else 0.0,
        minimum=_cut(found["minimum"]),
        maximum=_cut(found["maximum"]),
        top=_top(connection, top),
        mean_length=int(found["length"]) / n if is_text else None,
        mean_words=1 + int(found["blanks"]) / n if is_text else None,
        integer_like=column.type in ("integer", "boolean") or bool(found["whole"]),
        monotone=n > 1 and found["n_unique"] == n and _is_monotone(values),
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


# --- dependencies ----------------------------------------------------------------------------


def _dependencies(
    frame: pl.DataFrame, columns: tuple[ColumnProfile, ...]
) -> tuple[Dependency, ...]:
    """Pairs of which the first determines the second, on evenly spaced rows.

    The columns of `frame` are numbered `c0`, `c1` and so on.
    """
    step = max(1, -(-frame.height // _DEPENDENCY_ROWS))
    sample = frame.gather_every(step)
    # Where values hardly repeat, everything is determined and nothing is said.
    able = [(c, i) for i, c in enumerate(columns) if c.n_unique >= 2 and c.unique_share <= 0.5]
    able = sorted(able, key=lambda item: item[0].n_unique)[:_DEPENDENCY_COLUMNS]
    codes = {c.name: codes_of(sample[f"c{i}"]) for c, i in able}
    found = []
    for first, _ in able:
        for second, _ in able:
            if first is second or first.n_unique < second.n_unique:
                continue
            strength = determination(codes[first.name], codes[second.name])
            if strength >= _DEPENDENCY_STRENGTH:
                found.append((first, second, strength))
    order = {c.name: i for i, c in enumerate(columns)}
    found.sort(key=lambda item: (order[item[0].name], order[item[1].name]))
    return tuple(Dependency(determinant=a.name, dependent=b.name, strength=s) for a, b, s in found)


def codes_of(values: pl.Series) -> npt.NDArray[np.int64]:
    """A number from 0 for each row, equal where values are; missing is a value of its own."""
    if values.dtype == pl.Boolean:
        values = values.cast(pl.Int8)
    return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def determination(determinant: npt.NDArray[np.int64], dependent: npt.NDArray[np.int64]) -> float:
    """How surely one code follows from another: 1 always, 0 no better than the commonest code.

    This is Goodman and Kruskal's lambda on the rows whose determinant occurs at least twice, for
    only they say something; 0 when they are under a quarter of the rows.
    """
    span = int(dependent.max()) + 1 if len(dependent) else 1
    pairs, counts = np.unique(determinant * span + dependent, return_counts=True)
    if not len(pairs):
        return 0.0
    groups = pairs // span
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    total = np.add.reduceat(counts, starts)
    repeated = total >= 2
    seen = int(total[repeated].sum())
    base = np.bincount(
        pairs % span, weights=counts * np.repeat(repeated, np.diff(np.r_[starts, len(pairs)]))
    )
    if seen < len(determinant) / 4 or base.max() >= seen:
        return 0.0
    common = int(np.maximum.reduceat(counts, starts)[repeated].sum())
    return float((common - base.max()) / (seen - base.max()))

"""The first rows of a task's tables, whatever format they have.

Takes the public files of a task by name; returns for each table its name, its header and a few
rows. Cells are returned as they stand, for `terminal.py` to print. Files come from strangers: one
that cannot be read is said to be so, and reading stops after the rows that are shown.
"""

import csv
import io
import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

_ROWS = 5
_MAX_OPERATIONS = 10_000_000
"""Of SQLite's machine for one database: a thousand times what the rows need, a second at most."""

# SQLite takes an empty file for a lack of memory.
_FAULTS = (ValueError, csv.Error, sqlite3.Error, MemoryError, pa.ArrowException)


class TablePreview(NamedTuple):
    """The beginning of one table."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Any]]


def previews(
    files: Sequence[Mapping[str, Any]], contents: Mapping[str, bytes]
) -> Iterator[TablePreview]:
    """One for each table, in the order of the files; metadata has none."""
    readers = {"csv": _from_csv, "parquet": _from_parquet, "sqlite": _from_sqlite}
    for file in files:
        if reader := readers.get(file["format"]):
            try:
                yield from reader(file["name"], contents[file["name"]])
            except _FAULTS as fault:
                yield TablePreview(file["name"], ["cannot be shown"], [[str(fault)]])


def _from_csv(name: str, content: bytes) -> Iterator[TablePreview]:
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8", errors="replace", newline="")
    header, *rows = itertools.islice(csv.reader(text), _ROWS + 1)
    yield TablePreview(name, header, rows)


def _from_parquet(name: str, content: bytes) -> Iterator[TablePreview]:
    table = pq.ParquetFile(pa.BufferReader(content))
    batches = (batch.to_pylist() for batch in table.iter_batches(batch_size=_ROWS))
    rows = [list(row.values()) for row in next(batches, [])]
    yield TablePreview(name, table.schema_arrow.names, rows)


def _from_sqlite(name: str, content: bytes) -> Iterator[TablePreview]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        database.execute("PRAGMA trusted_schema = OFF")
        database.set_progress_handler(lambda: True, _MAX_OPERATIONS)
        # Views are left out: theirs is a query of a stranger.
        listing = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"
        for (table,) in database.execute(listing).fetchall():
            quoted = table.replace('"', '""')
            cursor = database.execute(f'SELECT * FROM "{quoted}" LIMIT {_ROWS}')
            header = [column for column, *_ in cursor.description]
            yield TablePreview(f"{name}: {table}", header, cursor.fetchall())

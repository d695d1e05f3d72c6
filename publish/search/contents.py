"""Reads the task files of a finished release back as tables that can be compared.

Takes a release folder; returns, for the files of one task, a train and a val table whose columns
are numbers (Float64) or text, missing as null, whatever format they ship in. This reader is written
apart from the renderer on purpose: it sees what a solver sees. Integers beyond 2**53 are compared
as floats and may look equal when they are not.
"""

import io
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from publish.release import PublishError
from transform.task import ID_COLUMN

_MIDNIGHT = r"T00:00:00(\.0+)?$"
_LEADING_ZERO = r"^[+-]?0\d"
_PART = re.compile(r"(train|val)_\d+")


class Contents:
    """File contents of a release by SHA-256."""

    def __init__(self, release: Path) -> None:
        """Index all shards; contents are read when they are asked for."""
        self._places: dict[str, tuple[Path, int]] = {}
        for path in sorted(release.glob("data/files/*.parquet")):
            shard = pq.ParquetFile(path)
            for group in range(shard.num_row_groups):
                for sha256 in shard.read_row_group(group, columns=["sha256"])["sha256"].to_pylist():
                    self._places[sha256] = path, group
        # Files of one source lie together: two groups suffice at a border between groups.
        self._group = lru_cache(maxsize=2)(_read_group)

    def hashes(self) -> frozenset[str]:
        """Hashes of all files that the release holds."""
        return frozenset(self._places)

    def read(self, sha256: str) -> bytes:
        """The content. Raises `PublishError` when the release does not hold it."""
        if sha256 not in self._places:
            raise PublishError(f"a task names a file of sha256 {sha256}, which data/files lacks")
        return self._group(*self._places[sha256])[sha256]


def _read_group(path: Path, group: int) -> dict[str, bytes]:
    table = pq.ParquetFile(path).read_row_group(group, columns=["sha256", "content"])
    return dict(zip(table["sha256"].to_pylist(), table["content"].to_pylist(), strict=True))


def released_tables(
    files: Sequence[Mapping[str, Any]], contents: Contents
) -> dict[str, pl.DataFrame]:
    """The tables `train` and `val` of a task, from its `files` column.

    The parts of an SQLite file are joined; a table of another name stands under that name.
    """
    tables: dict[str, pl.DataFrame] = {}
    for file in files:
        if file["role"] == "data":
            tables |= _from_sqlite(contents.read(file["sha256"]))
        elif file["role"] in ("train", "val"):
            read = pl.read_parquet if file["format"] == "parquet" else _from_csv
            tables[file["role"]] = read(io.BytesIO(contents.read(file["sha256"])))
    return {name: comparable_types(table) for name, table in tables.items()}


def _from_csv(content: io.BytesIO) -> pl.DataFrame:
    return pl.read_csv(content, infer_schema=False)


def _from_sqlite(content: bytes) -> dict[str, pl.DataFrame]:
    tables: dict[str, pl.DataFrame] = {}
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        listed = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        )
        for (name,) in listed.fetchall():
            quoted = name.replace('"', '""')
            cursor = database.execute(f'SELECT * FROM "{quoted}"')
            names = [column[0] for column in cursor.description]
            rows = cursor.fetchall()
            part = pl.DataFrame(rows, schema=names, orient="row", infer_schema_length=None)
            match = _PART.fullmatch(name)
            whole = match[1] if match else name
            tables[whole] = tables[whole].join(part, on=ID_COLUMN) if whole in tables else part
    return tables


def comparable_types(table: pl.DataFrame) -> pl.DataFrame:
    """The same rows with the id as Int64 and every other column as Float64 or String.

    Text is a number where the whole column is and no value begins with a superfluous zero; an
    instant at midnight is written as its date.
    """
    return table.select(_comparable(column) for column in table)


def _comparable(column: pl.Series) -> pl.Series:
    if column.name == ID_COLUMN:
        return column.cast(pl.Int64)
    if column.dtype != pl.String:
        return column.cast(pl.Float64)
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() == column.null_count() and not column.str.contains(_LEADING_ZERO).any():
        return numbers
    return column.str.replace(_MIDNIGHT, "")

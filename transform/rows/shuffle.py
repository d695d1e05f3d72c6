"""The public tables of a task in another order: rows of both sides, and columns of val.

The prose tells a solver to sort rows by the id and takes the order of columns from train, so a
solver who does so reaches the same answer from these files. Cells stay as they are, byte for
byte where the format is text. Takes a folder of public files, writes a folder of the same names.
"""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl

from transform.files.parquet import write_parquet
from transform.task import DataFiles, TableSide

_SIDES: tuple[TableSide, ...] = ("train", "val")


def shuffle_files(public: Path, folder: Path, data: DataFiles, seed: int) -> None:
    """Write the tables of `public` into `folder`, shuffled."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    if data.format == "sqlite":
        _shuffle_database(public / data.names[0], folder / data.names[0], data, rng)
        return
    shuffle = _shuffle_csv if data.format == "csv" else _shuffle_parquet
    for side in _SIDES:
        for name in data.tables(side):
            shuffle(public / name, folder / name, side, rng)


def _shuffle_csv(before: Path, after: Path, side: TableSide, rng: random.Random) -> None:
    # The header is read as one more row, so that names with quotes stay as they are.
    cells = pl.read_csv(before, has_header=False, infer_schema=False)
    shuffled = pl.concat([cells.head(1), _rows(cells.slice(1), rng)])
    shuffled.select(_columns(cells.columns, side, rng)).write_csv(
        after, include_header=False, line_terminator="\n", quote_style="necessary"
    )


def _shuffle_parquet(before: Path, after: Path, side: TableSide, rng: random.Random) -> None:
    table = _rows(pl.read_parquet(before), rng)
    write_parquet(table.select(_columns(table.columns, side, rng)), after)


def _rows(table: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    return table[rng.sample(range(table.height), table.height)]


def _columns(names: list[str], side: TableSide, rng: random.Random) -> list[str]:
    # The text takes the order of columns from train, so that one stays.
    return rng.sample(names, len(names)) if side == "val" else names


def _shuffle_database(before: Path, after: Path, data: DataFiles, rng: random.Random) -> None:
    # SQLite would add to a database that is there.
    after.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"{before.resolve().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(after)) as new,
    ):
        for side in _SIDES:
            for table in data.tables(side):
                _copy_shuffled(old, new, table, side, rng)
        new.commit()


def _copy_shuffled(
    old: sqlite3.Connection,
    new: sqlite3.Connection,
    table: str,
    side: TableSide,
    rng: random.Random,
) -> None:
    """Without a primary key, which would bring the rows back into order."""
    declared = {row[1]: row[2] for row in old.execute(f"PRAGMA table_info({table})")}
    names = _columns(list(declared), side, rng)
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
    rows = old.execute(f"SELECT {', '.join(quoted.values())} FROM {table}").fetchall()
    rng.shuffle(rows)
    columns = ", ".join(f"{quoted[name]} {declared[name]}" for name in names)
    new.execute(f"CREATE TABLE {table} ({columns})")
    new.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(names))})", rows)

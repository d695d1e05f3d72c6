"""Shuffled files hold the same cells in another order, which nobody who sorts can tell."""

import csv
import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from transform.files.tables import write_tables
from transform.rows.shuffle import shuffle_files
from transform.task import DataFiles

N = 50
TRAIN = pl.DataFrame(
    {
        "row_id": range(N),
        'the "b"': [f"{i % 7}.50" if i % 5 else None for i in range(N)],
        "text": ["a,b", 'say "x"', "two\nlines", None, " "] * (N // 5),
        "x": [i / 3 for i in range(N)],
    }
)
VAL = TRAIN.select("row_id", 'the "b"', "x", "text")
FORMS = [
    DataFiles(format="csv"),
    DataFiles(format="parquet"),
    DataFiles(format="sqlite"),
    DataFiles(format="sqlite", parts=2),
]


def rows(folder: Path, data: DataFiles, table: str) -> tuple[list[str], list[tuple[object, ...]]]:
    """Header and rows as they lie in the file."""
    if data.format == "csv":
        with (folder / table).open(encoding="utf-8", newline="") as file:
            header, *cells = csv.reader(file)
        return header, [tuple(row) for row in cells]
    if data.format == "parquet":
        content = pq.read_table(folder / table)
        return content.column_names, [tuple(row.values()) for row in content.to_pylist()]
    with closing(sqlite3.connect(folder / data.names[0])) as database:
        cursor = database.execute(f"SELECT * FROM {table}")
        return [column[0] for column in cursor.description], cursor.fetchall()


@pytest.mark.parametrize("data", FORMS, ids=str)
def test_cells_are_the_same_in_another_order(data: DataFiles, tmp_path: Path) -> None:
    public, other = tmp_path / "public", tmp_path / "other"
    write_tables(public, data, TRAIN, VAL)
    shuffle_files(public, other, data, seed=1)
    assert {path.name for path in other.iterdir()} == {*data.names}
    for table in (*data.tables("train"), *data.tables("val")):
        names, before = rows(public, data, table)
        moved, after = rows(other, data, table)
        back = [moved.index(name) for name in names]
        restored = [tuple(row[place] for place in back) for row in after]
        assert restored != before
        assert sorted(restored, key=repr) == sorted(before, key=repr)
        if table.startswith("train"):
            assert moved == names
    columns = [rows(folder, data, data.tables("val")[0])[0] for folder in (public, other)]
    assert sorted(columns[0]) == sorted(columns[1])


@pytest.mark.parametrize("data", FORMS, ids=str)
def test_one_seed_gives_one_order(data: DataFiles, tmp_path: Path) -> None:
    write_tables(tmp_path / "public", data, TRAIN, VAL)
    orders = []
    for place, seed in enumerate((1, 1, 2)):
        shuffle_files(tmp_path / "public", tmp_path / str(place), data, seed)
        tables = (*data.tables("train"), *data.tables("val"))
        orders.append([rows(tmp_path / str(place), data, table) for table in tables])
    assert orders[0] == orders[1] != orders[2]

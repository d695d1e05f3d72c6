"""Frames survive the trip to disk and back bit for bit, in every format and in both readers."""

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from transform.files.tables import (
    cell_types,
    pick_format,
    read_lines,
    read_task_tables,
    shipped,
    write_lines,
    write_tables,
)
from transform.task import ColumnSpec, DataFiles, Instructions

FORMS = [
    DataFiles(format="csv"),
    DataFiles(format="parquet"),
    DataFiles(format="sqlite"),
    DataFiles(format="sqlite", parts=2),
    DataFiles(format="sqlite", parts=3),
]
HOSTILE = [
    "NA",
    "null",
    "nan",
    "007",
    " pad ",
    'q"uo"te',
    "a,b",
    "x\ny",
    "x\r\ny",
    "r\rr",
    "ü\u2028é",
]
NAMES = ["a,b", 'quo"te', "it's", "--; DROP TABLE train_1", "ünï 日本", "x{y}\\n", "1"]


def instructions_of(columns: tuple[ColumnSpec, ...], data: DataFiles, target: str) -> Instructions:
    return Instructions(
        variant="reg-if",
        problem="regression",
        data=data,
        columns=columns,
        targets=(target,),
        metric="allclose",
    )


def tables(n: int = 40) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train (with target `y`) and val, typed, ids interleaved."""
    both = pl.DataFrame(
        {
            "row_id": list(range(n)),
            NAMES[0]: [HOSTILE[i % len(HOSTILE)] if i % 5 else None for i in range(n)],
            NAMES[1]: [0.1 * i if i % 3 else None for i in range(n)],
            NAMES[2]: [i * 7 - 3 for i in range(n)],
            NAMES[3]: [date(2020, 1, 1 + i % 28) if i % 4 else None for i in range(n)],
            NAMES[4]: [datetime(2020, 1, 1, 10, 0, i % 60, i) for i in range(n)],
            "flag": [i % 2 == 0 for i in range(n)],
            "empty": pl.Series([None] * n, dtype=pl.Float64),
            "y": [1 / (i + 1) for i in range(n)],
        }
    )
    return both.filter(pl.col("row_id") % 3 > 0), both.filter(pl.col("row_id") % 3 == 0).drop("y")


def written(
    folder: Path, data: DataFiles, train: pl.DataFrame, val: pl.DataFrame
) -> tuple[Instructions, list[tuple[pl.DataFrame, pl.DataFrame]]]:
    instructions = instructions_of(cell_types(train, val), data, train.columns[-1])
    write_tables(folder, data, shipped(train, val), shipped(val, train))
    return instructions, list(read_task_tables(folder, instructions))


def joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    result = frames[0]
    for frame in frames[1:]:
        result = result.join(frame, on="row_id", maintain_order="left")
    return result


@pytest.mark.parametrize("data", FORMS, ids=str)
def test_round_trip_keeps_every_cell(tmp_path: Path, data: DataFiles) -> None:
    train, val = tables()
    _, parts = written(tmp_path, data, train, val)
    assert len(parts) == data.parts
    for side, frame in enumerate((train, val)):
        whole = frame.with_columns(
            pl.col("flag").cast(pl.Int64), pl.col(NAMES[3]).cast(pl.Datetime("us"))
        )
        assert_frame_equal(joined([part[side] for part in parts]), whole, check_exact=True)
        assert all(part[side].width > 1 for part in parts)


@pytest.mark.parametrize("data", FORMS[:3], ids=str)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    texts=st.lists(st.none() | st.text(st.characters(codec="utf-8")), min_size=4, max_size=4),
    numbers=st.lists(st.none() | st.floats(), min_size=4, max_size=4),
    integers=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=4, max_size=4),
)
def test_any_cells_survive(
    tmp_path: Path,
    data: DataFiles,
    texts: list[str | None],
    numbers: list[float | None],
    integers: list[int],
) -> None:
    frame = pl.DataFrame(
        {"row_id": [3, 5, 6, 9], "t": texts, "f": numbers, "i": integers, "y": [1.0, 2, 3, 4]},
        schema={
            "row_id": pl.Int64,
            "t": pl.String,
            "f": pl.Float64,
            "i": pl.Int64,
            "y": pl.Float64,
        },
    )
    instructions, ((train, _),) = written(tmp_path, data, frame, frame.drop("y"))
    expected = shipped(frame)
    assert_frame_equal(train, expected, check_exact=True)
    assert train["t"].to_list() == [(t or "").replace("\0", "") or None for t in texts]
    program = "\n".join(
        ("import numpy as np, pandas as pd", *read_lines(instructions, frozenset()))
    )
    read = run_here(program, tmp_path)["train"]
    assert [None if pd.isna(x) else x for x in read["t"]] == train["t"].to_list()
    assert [None if pd.isna(x) else x for x in read["f"]] == train["f"].to_list()
    assert read["i"].tolist() == integers


def run_here(program: str, folder: Path) -> dict[str, pd.DataFrame]:
    before = Path.cwd()
    scope: dict[str, pd.DataFrame] = {}
    os.chdir(folder)
    try:
        exec(compile(program, "solution.py", "exec"), scope)
    finally:
        os.chdir(before)
    return scope


@pytest.mark.parametrize("data", FORMS, ids=str)
@pytest.mark.filterwarnings("error")
def test_program_lines_read_what_polars_reads(tmp_path: Path, data: DataFiles) -> None:
    train, val = tables()
    train = train.with_columns(pl.col(NAMES[2]).cast(pl.String).replace("4", "n/a"))
    clean = tables()[0]
    columns = cell_types(clean, val)
    instructions = instructions_of(columns, data, "y")
    write_tables(tmp_path, data, shipped(train, val), shipped(val, train))
    text_columns = frozenset({NAMES[2]})
    parts = read_task_tables(tmp_path, instructions, text_columns)
    program = "\n".join(
        ("import numpy as np, pandas as pd", *read_lines(instructions, text_columns))
    )
    scope = run_here(program, tmp_path)
    types = {column.name: column.type for column in columns}
    for number, pair in enumerate(parts):
        for side, expected in zip(("train", "val"), pair, strict=True):
            read = scope[f"{side}_parts"][number] if data.parts > 1 else scope[side]
            assert read.columns.tolist() == expected.columns
            for name in expected.columns[1:]:
                cells = read[name]
                if types[name] == "text" or (side == "train" and name in text_columns):
                    assert cells.dtype == object
                elif types[name] == "time":
                    assert cells.dtype.kind == "M"
                else:
                    assert cells.dtype in ("int64", "float64")
                assert [None if pd.isna(x) else x for x in cells] == expected[name].to_list()


def test_text_columns_stay_text_in_train_only(tmp_path: Path) -> None:
    train = pl.DataFrame({"row_id": [1, 3], "x": ["1.5", "?"], "y": [1.0, 2.0]})
    val = pl.DataFrame({"row_id": [2], "x": [2.5]})
    instructions = instructions_of(
        (ColumnSpec(name="x", type="number"), ColumnSpec(name="y", type="number")), FORMS[0], "y"
    )
    write_tables(tmp_path, FORMS[0], train, val)
    ((first, second),) = read_task_tables(tmp_path, instructions, frozenset({"x"}))
    assert first["x"].to_list() == ["1.5", "?"]
    assert second["x"].to_list() == [2.5]
    with pytest.raises(ValueError, match=r"'x': expected number cells, found '\?'"):
        read_task_tables(tmp_path, instructions)


def test_integers_that_lost_a_cell_are_read_as_integers(tmp_path: Path) -> None:
    train = pl.DataFrame({"row_id": [1, 3], "x": [1, None], "y": [1.0, 2.0]})
    instructions = instructions_of(
        (ColumnSpec(name="x", type="integer"), ColumnSpec(name="y", type="number")), FORMS[0], "y"
    )
    write_tables(tmp_path, FORMS[0], shipped(train), train.select("row_id", "x").head(1))
    ((read, _),) = read_task_tables(tmp_path, instructions)
    assert read["x"].to_list() == [1, None]
    assert read["x"].dtype == pl.Int64


def test_shipped_decides_a_column_over_both_tables() -> None:
    train = pl.DataFrame({"d": [date(2020, 1, 1)], "i": [1], "t": [""], "b": [True]})
    val = pl.DataFrame({"d": [datetime(2020, 1, 1, 5)], "i": [None]}).cast({"i": pl.Int64})
    train = train.cast({"d": pl.Datetime("us")})
    assert shipped(train).row(0) == ("2020-01-01", 1, None, 1)
    assert shipped(train, val).row(0) == ("2020-01-01T00:00:00", 1.0, None, 1)
    assert shipped(train, val)["i"].dtype == pl.Float64
    assert {c.name: c.type for c in cell_types(train, val)} == {
        "d": "time",
        "i": "number",
        "t": "text",
        "b": "integer",
    }
    assert_frame_equal(shipped(shipped(train, val)), shipped(train, val))


def test_what_files_cannot_hold_is_missing() -> None:
    frame = pl.DataFrame(
        {
            "f": [float("nan"), float("inf"), -0.0],
            "d": [date(9999, 12, 31), date(1, 1, 1), date(2000, 2, 29)],
        }
    )
    assert shipped(frame).to_dict(as_series=False) == {
        "f": [None, None, -0.0],
        "d": [None, None, "2000-02-29"],
    }


def test_fractions_of_seconds_only_where_present() -> None:
    frame = pl.DataFrame({"d": [datetime(2020, 1, 1, 1, 2, 3), datetime(2020, 1, 1, 1, 2, 3, 5)]})
    assert shipped(frame)["d"].to_list() == [
        "2020-01-01T01:02:03.000000",
        "2020-01-01T01:02:03.000005",
    ]
    assert shipped(frame.head(1))["d"].to_list() == ["2020-01-01T01:02:03"]


def test_csv_is_plain(tmp_path: Path) -> None:
    frame = pl.DataFrame({"row_id": [1, 2], "a,b": ['x"y', None], "n": [0.1, 1e300]})
    write_tables(tmp_path, FORMS[0], frame, frame)
    expected = b'row_id,"a,b",n\n1,"x""y",0.1\n2,,1e+300\n'
    assert (tmp_path / "train.csv").read_bytes() == expected


def test_parquet_has_no_foreign_metadata(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    train, val = tables()
    write_tables(tmp_path, FORMS[1], shipped(train), shipped(val))
    assert pq.read_schema(tmp_path / "train.parquet").metadata is None


def test_sqlite_opens_whole_and_hides_its_library(tmp_path: Path) -> None:
    train, val = tables()
    (file,) = write_tables(tmp_path, FORMS[4], shipped(train, val), shipped(val, train))
    assert (file.name, file.role, file.format) == ("data.sqlite", "data", "sqlite")
    content = (tmp_path / "data.sqlite").read_bytes()
    assert content[96:100] == bytes(4)
    database = sqlite3.connect(tmp_path / "data.sqlite")
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master ORDER BY name")]
    assert names == ["train_1", "train_2", "train_3", "val_1", "val_2", "val_3"]
    database.execute("DELETE FROM train_1")
    database.commit()
    assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("data", FORMS, ids=str)
def test_files_are_described_by_hash_and_size(tmp_path: Path, data: DataFiles) -> None:
    train, val = tables()
    files = write_tables(tmp_path, data, shipped(train, val), shipped(val, train))
    assert tuple(file.name for file in files) == data.names
    for file in files:
        content = (tmp_path / file.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


BYTES = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path("tests/transform/files").resolve()))
from test_tables import FORMS, shipped, tables, write_tables
train, val = tables(3000)
for data in FORMS:
    folder = Path(sys.argv[1]) / str(data.parts)
    print([f.sha256 for f in write_tables(folder, data, shipped(train, val), shipped(val, train))])
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    outputs = set()
    for seed, threads in (("1", "1"), ("2", "4")):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "POLARS_MAX_THREADS": threads,
            "PYTHONPATH": ".",
        }
        command = [sys.executable, "-c", BYTES, str(tmp_path / seed)]
        outputs.add(
            subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        )
    assert len(outputs) == 1


def test_formats_are_drawn_by_hash_and_fit_the_table() -> None:
    wide, narrow = [f"c{i}" for i in range(6)], ["a", "b"]
    drawn = [pick_format(f"task-{i}", [*wide, "y"], wide) for i in range(2000)]
    shares = Counter(data.format for data in drawn)
    assert 900 < shares["csv"] < 1100
    assert 400 < shares["sqlite"] < 600
    assert {data.parts for data in drawn if data.format == "sqlite"} == {2, 3}
    assert drawn == [pick_format(f"task-{i}", [*wide, "y"], wide) for i in range(2000)]
    small = {pick_format(f"task-{i}", narrow, narrow).parts for i in range(200)}
    assert small == {1}
    formats = {pick_format(f"task-{i}", [*wide, "Y", "y"], wide).format for i in range(200)}
    assert formats == {"csv", "parquet"}


def test_prediction_is_written_without_an_index(tmp_path: Path) -> None:
    program = "import pandas as pd\nprediction = pd.DataFrame({'row_id': [2], 'y': [0.1]})\n"
    run_here(program + "\n".join(write_lines()), tmp_path)
    assert (tmp_path / "prediction.csv").read_bytes() == b"row_id,y\n2,0.1\n"

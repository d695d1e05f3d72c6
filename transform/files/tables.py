"""Frames to the public files of a task and back, and the lines of a program that reads them.

Takes typed polars frames, writes CSV, Parquet or one SQLite database with the
same bytes for the same frame, and again frames or pandas lines that hold exactly the same cells.
Missing is an empty cell (NULL), so a shipped table has no empty text. Not guaranteed: that a table
suits every format; `pick_format` knows which do. Instants outside 1678 to 2261, which pandas 2
cannot hold, ship as missing.
"""

import csv
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl

from extract.store import sha256_of
from transform.files.parquet import write_parquet
from transform.task import (
    ID_COLUMN,
    PREDICTION_FILE,
    CellType,
    ColumnSpec,
    DataFiles,
    Instructions,
    TableSide,
    TaskFile,
    possible_parts,
)

_MAX_SQLITE_COLUMNS = 1000
"""Half of what SQLite allows by default."""
_FIRST_INSTANT, _LAST_INSTANT = datetime(1678, 1, 1), datetime(2261, 12, 31)
_SQL_TYPES = {pl.Int64: "INTEGER", pl.Float64: "REAL", pl.String: "TEXT"}
_VERSION_BYTES = slice(96, 100)
"""Where a SQLite header holds the version of the library that wrote it; nothing reads it."""


def shipped(frame: pl.DataFrame, *beside: pl.DataFrame) -> pl.DataFrame:
    """The cells as files hold them: Int64, Float64 and String columns, null for missing.

    The form of a column is decided over `frame` and the tables `beside` it: integers become
    Float64 when any is missing, instants are ISO 8601 dates when all are midnight. Already shipped
    frames stay as they are.
    """
    return frame.select(_ship(column, _whole(column, beside)) for column in frame)


def cell_types(frame: pl.DataFrame, *beside: pl.DataFrame) -> tuple[ColumnSpec, ...]:
    """How a solver must read each column but the id; asks the frame before it is `shipped`."""
    columns = [column for column in frame if column.name != ID_COLUMN]
    return tuple(
        ColumnSpec(name=column.name, type=_cell_type(_whole(column, beside))) for column in columns
    )


def _whole(column: pl.Series, beside: Sequence[pl.DataFrame]) -> pl.Series:
    """The column with its continuation in other tables, where the type is the same."""
    others = [frame[column.name] for frame in beside if column.name in frame.columns]
    return pl.concat([column, *(other for other in others if other.dtype == column.dtype)])


def _cell_type(whole: pl.Series) -> CellType:
    if whole.dtype.is_temporal():
        return "time"
    if whole.dtype == pl.String:
        return "text"
    if whole.dtype.is_float() or whole.null_count():
        return "number"
    return "integer"


def _ship(column: pl.Series, whole: pl.Series) -> pl.Series:
    if column.dtype.is_temporal():
        instants = _in_range(column)
        return instants.dt.to_string(_iso_form(_in_range(whole))).alias(column.name)
    if column.dtype == pl.String:
        # SQLite and C readers end a text at a zero byte.
        text = column.str.replace_all("\0", "", literal=True)
        return text.set(text == "", None)
    if column.dtype.is_float():
        numbers = column.cast(pl.Float64)
        return numbers.set(~numbers.is_finite(), None)
    return column.cast(pl.Float64 if whole.null_count() else pl.Int64)


def _in_range(column: pl.Series) -> pl.Series:
    instants = column.cast(pl.Datetime("us"))
    return instants.set(~instants.is_between(_FIRST_INSTANT, _LAST_INSTANT), None)


def _iso_form(whole: pl.Series) -> str:
    """One form for the whole column: dates, seconds, or microseconds."""
    # The shortest form that loses nothing; readers guess least from dates.
    if (whole == whole.dt.truncate("1d")).all():
        return "%Y-%m-%d"
    if (whole.dt.microsecond() == 0).all():
        return "%Y-%m-%dT%H:%M:%S"
    return "%Y-%m-%dT%H:%M:%S%.6f"


def pick_format(task_id: str, train: Sequence[str], val: Sequence[str]) -> DataFiles:
    """Half CSV, a quarter Parquet, a quarter SQLite, by hash of the task id.

    `train` and `val` are the column names. A database has several parts when val has columns enough
    for them; names that SQLite cannot tell apart give CSV.
    """
    drawn = hashlib.sha256(f"format of {task_id}".encode()).digest()
    if drawn[0] % 4 == 0:
        return DataFiles(format="parquet")
    # SQLite does not tell `A` from `a`.
    folded = {name.lower() for name in train}
    if drawn[0] % 4 == 1 and len(folded) == len(train) <= _MAX_SQLITE_COLUMNS:
        possible = possible_parts(len(set(val) - {ID_COLUMN})) or (1,)
        return DataFiles(format="sqlite", parts=possible[drawn[1] % len(possible)])
    return DataFiles(format="csv")


def write_tables(
    folder: Path, data: DataFiles, train: pl.DataFrame, val: pl.DataFrame
) -> tuple[TaskFile, ...]:
    """Write shipped frames (with `row_id`) into `folder`; same frames, same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    if data.format == "sqlite":
        (folder / data.names[0]).write_bytes(_database(data, train, val))
        return (task_file(folder / data.names[0], "sqlite", "data"),)
    for name, frame in zip(data.names, (train, val), strict=True):
        if data.format == "csv":
            frame.write_csv(folder / name, line_terminator="\n", quote_style="necessary")
        else:
            write_parquet(frame, folder / name)
    train_path, val_path = (folder / name for name in data.names)
    return (
        task_file(train_path, data.format, "train"),
        task_file(val_path, data.format, "val"),
    )


def task_file(
    path: Path,
    form: Literal["csv", "parquet", "sqlite", "markdown"],
    role: Literal["train", "val", "data", "metadata"],
) -> TaskFile:
    """The description of a written file."""
    size = path.stat().st_size
    return TaskFile(name=path.name, sha256=sha256_of(path), bytes=size, format=form, role=role)


def _database(data: DataFiles, train: pl.DataFrame, val: pl.DataFrame) -> bytes:
    """A database built in memory: no journal, no free pages, no trace of the library's version."""
    train_names, val_names = (
        [name for name in frame.columns if name != ID_COLUMN] for frame in (train, val)
    )
    with closing(sqlite3.connect(":memory:")) as database:
        # Builds of SQLite differ in their default.
        database.execute("PRAGMA page_size = 4096")
        parts = _divide(train_names, val_names, data.parts)
        tables = zip(data.tables("train"), data.tables("val"), parts, strict=True)
        for train_table, val_table, names in tables:
            _insert(database, train_table, train.select(ID_COLUMN, *names))
            shared = [name for name in val_names if name in names]
            _insert(database, val_table, val.select(ID_COLUMN, *shared))
        database.commit()
        content = bytearray(database.serialize())
    # Two builds of one data set must not differ by the library that wrote them.
    content[_VERSION_BYTES] = bytes(4)
    return bytes(content)


def _divide(train: Sequence[str], val: Sequence[str], parts: int) -> list[list[str]]:
    """Consecutive groups of the train columns, so that joining them gives back their order.

    Each group has a column of val; a column that val lacks goes with the one before it.
    """
    shared = [name for name in train if name in set(val)]
    groups: list[list[str]] = [[] for _ in range(parts)]
    part = 0
    for name in train:
        if name in shared:
            part = shared.index(name) * parts // len(shared)
        groups[part].append(name)
    return groups


def _insert(database: sqlite3.Connection, table: str, frame: pl.DataFrame) -> None:
    columns = [f"{_quoted(n)} {_SQL_TYPES[type(t)]}" for n, t in frame.schema.items()]
    columns[0] += " PRIMARY KEY"
    database.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
    holders = ", ".join("?" * frame.width)
    database.executemany(f"INSERT INTO {table} VALUES ({holders})", frame.iter_rows())


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def read_task_tables(
    folder: Path, instructions: Instructions, text_columns: frozenset[str] = frozenset()
) -> tuple[tuple[pl.DataFrame, pl.DataFrame], ...]:
    """Train and val of each part, typed as steps expect, by ascending `row_id`.

    Columns in `text_columns` stay String in train. Raises `ValueError` for a cell that is not of
    its column's type.
    """
    data = instructions.data
    types = {column.name: column.type for column in instructions.columns}
    for_train: dict[str, CellType] = types | dict.fromkeys(text_columns, "text")
    return tuple(
        (
            _typed(_read(folder, data, train), for_train),
            _typed(_read(folder, data, val), types),
        )
        for train, val in zip(data.tables("train"), data.tables("val"), strict=True)
    )


def _read(folder: Path, data: DataFiles, table: str) -> pl.DataFrame:
    if data.format == "sqlite":
        return _read_sqlite(folder / data.names[0], table)
    path = folder / table
    if data.format == "parquet":
        return pl.read_parquet(path)
    with path.open(encoding="utf-8", newline="") as file:
        # Polars leaves doubled quotes in a header as they are.
        names = next(csv.reader(file))
    return pl.read_csv(path, infer_schema=False, new_columns=names)


def _read_sqlite(path: Path, table: str) -> pl.DataFrame:
    dtypes = {name: dtype() for dtype, name in _SQL_TYPES.items()}
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
        declared = database.execute(f"PRAGMA table_info({table})").fetchall()
        rows = database.execute(f"SELECT * FROM {table}").fetchall()
    schema = {name: dtypes[kind] for _, name, kind, *_ in declared}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _typed(frame: pl.DataFrame, types: dict[str, CellType]) -> pl.DataFrame:
    typed = frame.select(
        _cast(column, types.get(column.name, "integer")).alias(column.name) for column in frame
    )
    for before, after in zip(frame, typed, strict=True):
        if before.null_count() != after.null_count():
            cell = before.filter(before.is_not_null() & after.is_null())[0]
            kind = types.get(before.name, "integer")
            raise ValueError(f"column {before.name!r}: expected {kind} cells, found {cell!r}")
    return typed.sort(ID_COLUMN)


def _cast(column: pl.Series, kind: CellType) -> pl.Series:
    """The column as steps hold it; a cell that is not of the kind becomes null."""
    if kind == "text":
        return column.cast(pl.String)
    if kind == "number":
        return column.cast(pl.Float64, strict=False)
    if kind == "time":
        seconds = column.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False)
        days = column.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us"))
        return seconds.zip_with(seconds.is_not_null(), days)
    whole = column.cast(pl.Int64, strict=False)
    # An integer column that lost a cell to noise is written as floats.
    floats = column.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    return whole.zip_with(whole.is_not_null(), floats)


def read_lines(instructions: Instructions, text_columns: frozenset[str]) -> tuple[str, ...]:
    """Lines of a pandas program that load the public files of a task from the working directory.

    They define `train` and `val`, or the lists `train_parts` and `val_parts` when a database has
    several parts: ascending `row_id`, numbers float64 or int64, text as object with NaN, times as
    datetime64. They expect pandas as `pd` and numpy as `np`, version 2 or 3.
    """
    return tuple(_reading(instructions, text_columns))


def _reading(instructions: Instructions, text_columns: frozenset[str]) -> Iterator[str]:
    texts, times, numbers = (
        [column.name for column in instructions.columns if column.type == kind]
        for kind in ("text", "time", "number")
    )
    data, columns = instructions.data, instructions.columns
    train_texts = [c.name for c in columns if c.name in text_columns or c.type == "text"]
    if data.format == "sqlite":
        yield from ("import sqlite3", "")
    if times:
        yield f"times = {times!r}"
    if data.format != "parquet" and numbers:
        yield f"numbers = {numbers!r}"
    yield from ("", "", "def read_table(name, texts):")
    yield from (f"    {line}" for line in _BODIES[data.format](bool(times), bool(numbers)))
    yield from ("", "")
    yield from _calls(data, train_texts, texts)


def _csv_body(times: bool, numbers: bool) -> Iterator[str]:
    yield '"""The rows of a file by ascending row_id; only an empty cell is missing."""'
    lists = ["*texts", *["*times"] * times, *["*numbers"] * numbers]
    yield f"as_text = dict.fromkeys([{', '.join(lists)}], object)"
    yield 'table = pd.read_csv(name, dtype=as_text, keep_default_na=False, na_values=[""])'
    if times:
        yield from _PARSE_TIMES
    if numbers:
        yield "for column in table.columns.intersection(numbers).difference(texts):"
        yield "    table[column] = table[column].astype(float)  # Python's parser: exact"
    yield 'return table.sort_values("row_id", ignore_index=True)'


def _parquet_body(times: bool, numbers: bool) -> Iterator[str]:
    yield '"""The rows of a file by ascending row_id; text as Python strings."""'
    yield "table = pd.read_parquet(name)"
    if times:
        yield from _PARSE_TIMES
    yield from _PLAIN_TEXT
    yield 'return table.sort_values("row_id", ignore_index=True)'


def _sqlite_body(times: bool, numbers: bool) -> Iterator[str]:
    yield '"""A table of the database by ascending row_id; text as Python strings."""'
    yield 'table = pd.read_sql_query(f"SELECT * FROM {name} ORDER BY row_id", database)'
    if times:
        yield from _PARSE_TIMES
    yield from _PLAIN_TEXT
    if numbers:
        yield "for column in table.columns.intersection(numbers).difference(texts):"
        yield "    table[column] = pd.to_numeric(table[column])  # without any value: object"
    yield "return table"


_PARSE_TIMES = (
    "for column in table.columns.intersection(times):",
    '    table[column] = pd.to_datetime(table[column], format="ISO8601")',
)
_PLAIN_TEXT = (
    "for column in table.columns.intersection(texts):",
    "    cells = table[column].astype(object)",
    "    table[column] = cells.where(cells.notna(), np.nan)",
)
_BODIES: dict[str, Callable[[bool, bool], Iterator[str]]] = {
    "csv": _csv_body,
    "parquet": _parquet_body,
    "sqlite": _sqlite_body,
}


def _calls(data: DataFiles, train_texts: list[str], val_texts: list[str]) -> Iterator[str]:
    if data.format == "sqlite":
        yield f'database = sqlite3.connect("{data.names[0]}")'
    calls: tuple[tuple[TableSide, list[str]], ...] = (("train", train_texts), ("val", val_texts))
    for side, texts in calls:
        names = data.tables(side)
        if len(names) > 1:
            yield f"{side}_parts = [read_table(name, texts={texts!r}) for name in {names!r}]"
        else:
            yield f"{side} = read_table({names[0]!r}, texts={texts!r})"
    if data.format == "sqlite":
        yield "database.close()"


def write_lines() -> tuple[str, ...]:
    """Lines of a pandas program that write the frame `prediction`, its id column included."""
    return (f"prediction.to_csv({PREDICTION_FILE!r}, index=False)",)

"""The file formats that hold tables, each read into headers and columns.

Runs inside a worker: the files are hostile, and the libraries that parse them may crash. What the
bytes say about themselves wins over the suffix. Cells are handed on as text, to be typed under one
set of rules, except where a format knows types of its own (Parquet, Arrow).

Not guaranteed: formulas, colours, merged cells of sheets; views and triggers of databases; anything
below the first level of nested JSON, which stays JSON text.
"""

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from extract.files.unreadable import UnreadableError
from extract.reading.dialect import (
    Rectangle,
    decode,
    preamble,
    read_delimited,
    text_frame,
    without_footer,
)
from extract.reading.header import split_header
from extract.reading.limits import ReadConfig, check_height, check_width

_DELIMITED = {".csv", ".tsv", ".tab", ".psv", ".txt", ".data", ".dat"}
_LOOSE = {".txt", ".data", ".dat"}
"""Suffixes of prose as well: such a file is a table only with two columns or more."""
_JSON = {".json", ".jsonl", ".ndjson", ".geojson"}
_EXCEL = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
_SQLITE = {".sqlite", ".sqlite3", ".db", ".db3"}
_PARQUET = {".parquet", ".pq"}
_ARROW = {".feather", ".arrow", ".ipc"}
_SHEET_HEAD = 60
"""Rows of a sheet in which its title may end."""


@dataclass(frozen=True)
class Sheet:
    """One table as it stands in a file, untyped."""

    label: str
    """Name of the sheet or table inside the file; empty when the file is one table."""
    headers: list[str]
    columns: list[pl.Series]
    semicolons: bool = False
    note: str = ""


def is_tabular(name: str) -> bool:
    """True for names whose suffix may hold a table."""
    suffix = PurePosixPath(name.lower()).suffix
    return suffix in _DELIMITED | _JSON | _EXCEL | _SQLITE | _PARQUET | _ARROW


def read_sheets(path: Path, name: str, limits: ReadConfig) -> Iterator[Sheet]:
    """All tables of a file; `name` is its name at the source. Raises `UnreadableError`."""
    size = path.stat().st_size
    if size > limits.max_bytes:
        detail = f"expected at most {limits.max_bytes} bytes, found {size}"
        raise UnreadableError("too_large", detail)
    kind = _kind(path, PurePosixPath(name.lower()).suffix)
    if kind == "sqlite":
        yield from _sqlite(path, limits)
    elif kind == "excel":
        yield from _excel(path, limits)
    elif kind in ("parquet", "arrow"):
        yield _columnar(path, kind, limits)
    else:
        text = decode(path.read_bytes())
        loose = PurePosixPath(name.lower()).suffix in _LOOSE
        yield _json(text, limits) if kind == "json" else _delimited(text, loose, limits)


def _kind(path: Path, suffix: str) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    for mark, kind in (
        (b"PAR1", "parquet"),
        (b"ARROW1", "arrow"),
        (b"SQLite format 3\x00", "sqlite"),
        (b"PK\x03\x04", "excel"),
        (b"\xd0\xcf\x11\xe0", "excel"),
    ):
        if head.startswith(mark):
            return kind
    if suffix in _PARQUET | _ARROW | _SQLITE | _EXCEL:
        detail = f"expected a {suffix[1:]} file, found other bytes"
        raise UnreadableError("broken_file", detail)
    return "json" if suffix in _JSON else "delimited"


def _delimited(text: str, loose: bool, limits: ReadConfig) -> Sheet:
    if text.lstrip()[:1] == "<":
        raise UnreadableError("not_a_table", "expected delimited text, found markup")
    rectangle = read_delimited(text, limits)
    if loose and rectangle.rows.width < 2:
        raise UnreadableError("not_a_table", "expected delimited text, found one column of lines")
    return _headed("", rectangle)


def _headed(label: str, rectangle: Rectangle) -> Sheet:
    headers, body = split_header(rectangle.rows)
    dialect = rectangle.dialect
    semicolons = dialect is not None and dialect.delimiter == ";"
    return Sheet(label, headers, body.get_columns(), semicolons, rectangle.note)


def _excel(path: Path, limits: ReadConfig) -> Iterator[Sheet]:
    import fastexcel

    try:
        book = fastexcel.read_excel(path.read_bytes())
        for name in book.sheet_names:
            # Two sheets of one file are read one after the other, so that memory holds one.
            sheet = book.load_sheet(name, header_row=None, dtypes="string")
            check_width(sheet.width, limits)
            check_height(sheet.height, limits)
            if sheet.height and sheet.width:
                label = name if len(book.sheet_names) > 1 else ""
                yield _headed(label, _trimmed(sheet.to_polars()))
    except fastexcel.FastExcelError as error:
        raise UnreadableError("broken_file", f"sheet: {error}") from error


def _trimmed(cells: pl.DataFrame) -> Rectangle:
    """A sheet without titles above, notes below and empty columns."""
    cells = cells.select(pl.all().cast(pl.String))
    cells = cells[[column.name for column in cells if column.null_count() < cells.height]]
    cells.columns = [str(n) for n in range(cells.width)]
    head = [[cell or "" for cell in row] for row in cells.head(_SHEET_HEAD).rows()]
    skipped = preamble(head, cells.width) if cells.width else 0
    return Rectangle(without_footer(cells.slice(skipped)))


def _columnar(path: Path, kind: str, limits: ReadConfig) -> Sheet:
    scan = pl.scan_parquet if kind == "parquet" else pl.scan_ipc
    try:
        lazy = scan(path)
        check_width(len(lazy.collect_schema()), limits)
        check_height(int(lazy.select(pl.len()).collect().item()), limits)
        columns = _flattened(lazy.collect())
    except pl.exceptions.PolarsError as error:
        raise UnreadableError("broken_file", f"{kind}: {error}") from error
    check_width(len(columns), limits)
    return Sheet("", [column.name for column in columns], columns)


def _flattened(frame: pl.DataFrame) -> list[pl.Series]:
    """Structs become columns `a.b`; lists and what is nested deeper become JSON text."""
    columns: list[pl.Series] = []
    for column in frame:
        if isinstance(column.dtype, pl.Struct):
            fields = column.struct.unnest()
            columns += [field.alias(f"{column.name}.{field.name}") for field in fields]
        else:
            columns.append(column)
    return [_json_text(column) if column.dtype.is_nested() else column for column in columns]


def _json_text(column: pl.Series) -> pl.Series:
    texts = [
        None if value is None else json.dumps(value, default=str, sort_keys=True)
        for value in column.to_list()
    ]
    return pl.Series(column.name, texts, pl.String)


def _sqlite(path: Path, limits: ReadConfig) -> Iterator[Sheet]:
    # Immutable: no journal is looked for beside the file, and nothing is locked or written.
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.text_factory = lambda data: data.decode("utf-8", "replace")
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid"
            tables = [
                name
                for name, sql in connection.execute(query)
                if not name.startswith("sqlite_") and "VIRTUAL" not in (sql or "").upper()[:30]
            ]
            for name in tables:
                yield _sqlite_table(connection, name, len(tables) > 1, limits)
    except sqlite3.Error as error:
        raise UnreadableError("broken_file", f"sqlite: {error}") from error


def _sqlite_table(
    connection: sqlite3.Connection, name: str, several: bool, limits: ReadConfig
) -> Sheet:
    quoted = name.replace('"', '""')
    cursor = connection.execute(f'SELECT * FROM "{quoted}"')
    headers = [str(column[0]) for column in cursor.description]
    check_width(len(headers), limits)
    rows = cursor.fetchmany(limits.max_rows + 1)
    check_height(len(rows), limits)
    cells = [[_scalar_text(cell) for cell in row] for row in rows]
    return Sheet(name if several else "", headers, text_frame(cells, len(headers)).get_columns())


def _json(text: str, limits: ReadConfig) -> Sheet:
    records = _records(_parsed_json(text))
    check_height(len(records), limits)
    flat = [_flat(record) for record in records]
    keys = list(dict.fromkeys(key for record in flat for key in record))
    check_width(len(keys), limits)
    if not keys:
        raise UnreadableError("not_a_table", "expected JSON records, found none")
    columns = [
        pl.Series(str(n), [_scalar_text(record.get(key)) for record in flat], pl.String)
        for n, key in enumerate(keys)
    ]
    return Sheet("", keys, columns)


def _parsed_json(text: str) -> Any:
    """The value of a JSON text, or the list of the values of its lines."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UnreadableError("broken_file", "json: nested too deeply") from error
    except ValueError as error:
        failure = error
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise UnreadableError("broken_file", f"json: {failure}") from failure


def _records(value: Any) -> list[dict[str, Any]]:
    """Records of any of the shapes that tables are written in."""
    if isinstance(value, dict):
        return _records_of_object(value)
    if isinstance(value, list) and value and all(isinstance(row, list) for row in value):
        return _zipped(value[0], value[1:])
    if isinstance(value, list):
        return [row for row in value if isinstance(row, dict)]
    raise UnreadableError("not_a_table", "expected JSON records or columns, found a single value")


def _records_of_object(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Columns, records under one key of several, or one record for each key."""
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return _zipped(value["columns"], value["data"])
    lists = [cells for cells in value.values() if isinstance(cells, list)]
    tables = [rows for rows in lists if rows and all(isinstance(row, dict) for row in rows)]
    if tables:
        return max(tables, key=len)
    if lists and len(lists) == len(value) and len({len(cells) for cells in lists}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*lists, strict=True)]
    if value and all(isinstance(inner, dict) for inner in value.values()):
        return _of_objects(value)
    return [value] if value else []


def _of_objects(value: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """`{column: {row: cell}}` as pandas writes it, else `{key: record}`."""
    keys = {tuple(v) for v in value.values()}
    if len(keys) == 1 and all(key.isdigit() for key in next(iter(keys))):
        rows = next(iter(keys))
        return [{column: cells[row] for column, cells in value.items()} for row in rows]
    return list(value.values())


def _zipped(headers: list[Any], rows: list[Any]) -> list[dict[str, Any]]:
    names = [str(header) for header in headers]
    return [dict(zip(names, row, strict=False)) for row in rows if isinstance(row, list)]


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    """One level of nesting becomes `outer.inner`."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{inner}": cell for inner, cell in value.items()}
        else:
            flat[key] = value
    return flat


def _scalar_text(value: Any) -> str | None:
    """A cell as text that the typing rules read back to the same value."""
    if value is None or isinstance(value, bytes):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    return str(value).encode("utf-8", "replace").decode()

"""Reading whole datasets: every format, every limit, hostile files, and the real ones."""

import gzip
import io
import json
import os
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import polars as pl
import pytest

from extract.dataset import Column, RawDataset, Table
from extract.drop import Drop
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.sources.mirror import MirrorSource
from extract.store import Store, sha256_of
from extract.stored_table import file_of, located
from extract.workers import Workers

GOLDEN = Path(__file__).parents[2] / "golden"
CSV = b"a,b\n1,x\n2,y\n"
DTYPES = {
    "integer": pl.Int64(),
    "number": pl.Float64(),
    "boolean": pl.Boolean(),
    "text": pl.String(),
    "date": pl.Date(),
    "datetime": pl.Datetime("us"),
}

Read = Callable[..., RawDataset | Drop]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1, memory_mb=ReadConfig().memory_mb) as workers:
        yield workers


@pytest.fixture
def read(workers: Workers, tmp_path: Path) -> Read:
    """Reads one dataset that consists of the given files."""

    def read(files: dict[str, bytes], **limits: Any) -> RawDataset | Drop:
        folder = tmp_path / "mirror" / "own" / "slug"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "dataset-metadata.json").write_text('{"licenses": [{"name": "MIT"}]}')
        for name, content in files.items():
            (folder / name).write_bytes(content)
        source = MirrorSource(tmp_path / "mirror")
        store = Store(str(tmp_path / "state"))
        raw = read_dataset(source, source.refs()[0], Memory(store), workers, ReadConfig(**limits))
        return raw if isinstance(raw, Drop) else located(raw, store)

    return read


def whole(result: RawDataset | Drop) -> RawDataset:
    assert isinstance(result, RawDataset), result
    for table in result.tables:
        check_promises(table)
    return result


def check_promises(table: Table) -> None:
    """What `Table` and `Column` promise, checked on the stored file."""
    frame = pl.read_parquet(file_of(table))
    assert sha256_of(file_of(table)) == table.sha256
    assert frame.height == table.n_rows > 0
    assert frame.columns == [column.name for column in table.columns]
    for column in table.columns:
        values = frame[column.name]
        assert values.dtype == DTYPES[column.type], column
        assert values.null_count() == column.n_missing
        if column.type == "number":
            assert values.is_finite().all()
        if column.type == "text":
            assert not (values.str.strip_chars() == "").any()


def one(result: RawDataset | Drop) -> pl.DataFrame:
    (table,) = whole(result).tables
    return pl.read_parquet(file_of(table))


def reasons(result: RawDataset | Drop) -> dict[str, str]:
    assert isinstance(result, RawDataset), result
    return {file.name: file.reason for file in result.skipped}


def test_golden_files(read: Read, golden: Callable[[str, str], None]) -> None:
    folder = GOLDEN / "reading"
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "expected.txt"}
    lines = []
    for table in whole(read(files)).tables:
        lines.append(f"{table.source_file}: {table.name}, {table.n_rows} rows")
        rows = pl.read_parquet(file_of(table)).head(3)
        for column in table.columns:
            rule = f" ({column.source_format})" if column.source_format else ""
            cells = ", ".join(str(cell) for cell in rows[column.name])
            missing = f", {column.n_missing} missing" if column.n_missing else ""
            lines.append(f"    {column.name}: {column.type}{rule}{missing}: {cells}")
    golden("reading/expected.txt", "\n".join(lines) + "\n")


def parquet() -> bytes:
    out = io.BytesIO()
    rows = {"n": [1, 2], "s": [{"a": 1, "b": "x"}, None], "l": [[1, 2], []], "d": ["1,5", "2,5"]}
    pl.DataFrame(rows).write_parquet(out)
    return out.getvalue()


def test_parquet(read: Read) -> None:
    assert one(read({"t.parquet": parquet()})).to_dict(as_series=False) == {
        "n": [1, 2],
        "s.a": [1, None],
        "s.b": ["x", None],
        "l": ["[1, 2]", "[]"],
        "d": [1.5, 2.5],
    }


@pytest.mark.parametrize(
    "value",
    [
        [{"a": 1, "b": "x"}, {"a": 2}],
        {"a": [1, 2], "b": ["x", None]},
        {"a": {"0": 1, "1": 2}, "b": {"0": "x", "1": None}},
        {"columns": ["a", "b"], "data": [[1, "x"], [2, None]]},
        {"meta": {"n": 2}, "rows": [{"a": 1, "b": "x"}, {"a": 2}]},
        {"k1": {"a": 1, "b": "x"}, "k2": {"a": 2, "b": None}},
        [["a", "b"], [1, "x"], [2, None]],
    ],
)
def test_shapes_of_json(read: Read, value: Any) -> None:
    table = one(read({"t.json": json.dumps(value).encode()}))
    assert table.to_dict(as_series=False) == {"a": [1, 2], "b": ["x", None]}


def excel(n_sheets: int) -> bytes:
    book = openpyxl.Workbook()
    for n in range(n_sheets):
        sheet = book.active if n == 0 else book.create_sheet(f"Second {n}")
        assert sheet is not None
        for row in (["A title"], [], ["id", "when", "x", None], [1, "2020-01-02", 0.1, None]):
            sheet.append(row)
        sheet.append([2, "2020-01-03", 1234567.891])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_excel(read: Read) -> None:
    table = one(read({"book.xlsx": excel(1)}))
    assert table.schema == {"id": pl.Int64(), "when": pl.Date(), "x": pl.Float64()}
    assert table["x"].to_list() == [0.1, 1234567.891]
    result = whole(read({"book.xlsx": excel(2)}))
    assert [table.name for table in result.tables] == ["book Sheet", "book Second 1"]


def sqlite(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    connection.execute('CREATE TABLE "odd ""name" (a INTEGER, "b`c" TEXT, d, e BLOB)')
    connection.execute('INSERT INTO "odd ""name" VALUES (1, "x", 1.5, x\'00\'), (2, NULL, NULL, 1)')
    connection.execute("CREATE TABLE second (day TEXT)")
    connection.execute("INSERT INTO second VALUES ('2020-01-01')")
    connection.execute("CREATE VIEW look AS SELECT * FROM second")
    connection.commit()
    connection.close()
    return path.read_bytes()


def test_sqlite(read: Read, tmp_path: Path) -> None:
    result = whole(read({"t.db": sqlite(tmp_path / "made.db")}))
    assert [table.name for table in result.tables] == ['t odd "name', "t second"]
    first = pl.read_parquet(file_of(result.tables[0]))
    assert first.columns == ["a", "b'c", "d", "e"]
    assert first["d"].to_list() == [1.5, None]
    assert pl.read_parquet(file_of(result.tables[1])).dtypes == [pl.Date]


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_archives(read: Read) -> None:
    inner = zipped({"deep.csv": CSV})
    archive = zipped(
        {"one.csv": CSV, "f/two.csv.gz": gzip.compress(CSV), "in.zip": inner, "r.md": b"x"}
    )
    result = whole(read({"all.zip": archive, "three.csv.gz": gzip.compress(CSV)}))
    assert [(table.name, table.source_file) for table in result.tables] == [
        ("one", "all.zip/one.csv"),
        ("two", "all.zip/two.csv.gz/two.csv"),
        ("three", "three.csv.gz/three.csv"),
    ]
    assert reasons(result) == {"all.zip/in.zip": "not_a_table", "all.zip/r.md": "not_a_table"}


def test_several_files_and_names(read: Read) -> None:
    result = whole(read({"a.csv": CSV, "a.tsv": CSV.replace(b",", b"\t"), "notes.pdf": b"%PDF"}))
    assert [table.name for table in result.tables] == ["a", "a_2"]
    assert reasons(result) == {"notes.pdf": "not_a_table"}


def test_kind_by_content_not_by_suffix(read: Read) -> None:
    assert one(read({"t.csv": parquet()}))["n"].to_list() == [1, 2]


def test_a_broken_file_costs_only_itself(read: Read, tmp_path: Path) -> None:
    good = sqlite(tmp_path / "made.db")
    hostile = {
        "empty.csv": b"",
        "blank.csv": b"\n\n\n",
        "headeronly.csv": b"a,b,c\n",
        "page.csv": b"<!DOCTYPE html><html></html>",
        "binary.csv": os.urandom(5000),
        "cut.parquet": parquet()[:-20],
        "mark.parquet": b"PAR1" + os.urandom(500) + b"PAR1",
        "text.parquet": CSV,
        "broken.xlsx": b"PK\x03\x04" + os.urandom(300),
        "cut.xlsx": excel(1)[:-200],
        "text.xls": b"\xd0\xcf\x11\xe0" + os.urandom(600),
        "cut.db": good[: len(good) // 2],
        "noise.db": b"SQLite format 3\x00" + os.urandom(4000),
        "cut.json": b'[{"a": 1}, {"a":',
        "deep.json": b"[" * 200_000,
        "number.json": b"5",
        "cut.csv.gz": gzip.compress(CSV * 1000)[:-30],
        "noise.csv.gz": b"\x1f\x8b" + os.urandom(100),
        "cut.zip": zipped({"a.csv": CSV * 100})[:-40],
        "prose.txt": b"Dear reader,\nthis is not a table.\nFarewell\n" * 4,
    }
    result = whole(read({**hostile, "good.csv": CSV}))
    assert [table.name for table in result.tables] == ["good"]
    assert set(reasons(result)) == set(hostile)
    assert not [file for file in result.skipped if str(tmp_path) in file.detail]
    assert not [file for file in result.skipped if "/tmp" in file.detail]


def test_bombs(read: Read) -> None:
    zeros = b"0,0\n" * (8 << 20)
    wide = (",".join(["x"] * 100_000) + "\n").encode() * 3
    hostile = {
        "bomb.zip": zipped({"a.csv": zeros}),
        "bomb.csv.gz": gzip.compress(zeros),
        "many.zip": zipped({f"{n}.csv": CSV for n in range(200)}),
        "wide.csv": wide,
        "wide.json": json.dumps([{str(n): 1 for n in range(5000)}]).encode(),
        "long.csv": b"1,2\n" * 60_000,
        "large.csv": b"a,b\n" + b"1,2\n" * 1_500_000,
    }
    result = whole(read({**hostile, "good.csv": CSV}, max_bytes=5 << 20, max_rows=50_000))
    assert reasons(result) == {
        "bomb.zip": "expands_too_much",
        "bomb.csv.gz": "expands_too_much",
        "many.zip": "too_many_files",
        "wide.csv": "too_many_columns",
        "wide.json": "too_many_columns",
        "long.csv": "too_many_rows",
        "large.csv": "too_large",
    }


def test_names_inside_archives_are_not_paths(read: Read, tmp_path: Path) -> None:
    names = ["../../../../escaped.csv", "/escaped.csv", "x\\..\\escaped.csv", "a\nb.csv"]
    result = whole(read({"slip.zip": zipped(dict.fromkeys(names, CSV))}))
    assert len(result.tables) == 4
    assert not list(tmp_path.parent.rglob("escaped.csv"))
    assert not Path("/escaped.csv").exists()
    assert all(table.source_file.isprintable() for table in result.tables)


def test_headers_cannot_inject(read: Read) -> None:
    header = '"a`; DROP TABLE x","b\nc","</script>","=cmd()",row_id,row_id,"\u202eabc"'
    table = one(read({"t.csv": f"{header}\n1,2,3,4,5,6,7\n2,3,4,5,6,7,8\n".encode()}))
    assert table.columns == [
        "a'; DROP TABLE x",
        "b c",
        "</script>",
        "=cmd()",
        "source_row_id",
        "source_row_id_2",
        "abc",
    ]


WIDE_HEADER = b",".join(b"c%d" % i for i in range(12)) + b"\n"
WIDE_ROW = b",".join([b"1.25,word,2020-01-01"] * 4) + b"\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parts", "n", "memory_mb", "timeout_s", "reason"),
    [
        ("bad.json", (b"[", b'{"a":1},', b"{}]"), 4_000_000, 500, 600, "worker_died"),
        # Needs many seconds; the second try has four, and the good file beside it one.
        ("bad.csv", (WIDE_HEADER, WIDE_ROW, b""), 2_000_000, 3000, 1, "timeout"),
    ],
    ids=["hungry", "slow"],
)
def test_hungry_and_slow_files_cost_only_themselves(
    tmp_path: Path,
    name: str,
    parts: tuple[bytes, bytes, bytes],
    n: int,
    memory_mb: int,
    timeout_s: float,
    reason: str,
) -> None:
    folder = tmp_path / "mirror" / "own" / "slug"
    folder.mkdir(parents=True)
    (folder / "dataset-metadata.json").write_text('{"licenses": [{"name": "MIT"}]}')
    (folder / name).write_bytes(parts[0] + parts[1] * n + parts[2])
    (folder / "good.csv").write_bytes(CSV)
    source, store = MirrorSource(tmp_path / "mirror"), Store(str(tmp_path / "state"))
    config = ReadConfig(timeout_s=timeout_s)
    with Workers(1, memory_mb=memory_mb, preload=("extract.reading.read",)) as workers:
        result = read_dataset(source, source.refs()[0], Memory(store), workers, config)
    assert isinstance(result, RawDataset)
    assert [table.name for table in whole(located(result, store)).tables] == ["good"]
    assert list(reasons(result).values()) == [reason]


def test_drops(read: Read, tmp_path: Path) -> None:
    drop = read({"picture.png": b"\x89PNG"})
    assert isinstance(drop, Drop)
    assert drop.reason == "no_table"
    assert "picture.png" in drop.evidence
    metadata = tmp_path / "mirror" / "own" / "slug" / "dataset-metadata.json"
    for licence, reason in (("CC-BY-NC-4.0", "licence_refused"), ("other", "licence_unknown")):
        metadata.write_text(json.dumps({"licenses": [{"name": licence}]}))
        source = MirrorSource(tmp_path / "mirror")
        with Workers(1) as idle:
            store = Store(str(tmp_path / "state"))
            drop = read_dataset(source, source.refs()[0], Memory(store), idle, ReadConfig())
        assert isinstance(drop, Drop)
        assert drop.reason == reason


def test_remembered_and_the_same_twice(
    read: Read, workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = whole(read({"a.csv": CSV, "b.csv": CSV * 2}))
    monkeypatch.setattr(workers, "run", None)
    assert read({}) == first, "no worker is asked again"
    monkeypatch.undo()
    changed = whole(read({"b.csv": CSV * 3}))
    assert changed.sha256 != first.sha256
    assert changed.tables[0] == first.tables[0]
    Store(str(tmp_path / "state")).path(first.tables[0].sha256).unlink()
    assert whole(read({"b.csv": CSV * 2})) == first, "a lost table is read anew"


@pytest.mark.slow
def test_the_real_mirror(mirror: Path, tmp_path: Path) -> None:
    source = MirrorSource(mirror)
    store = Store(str(tmp_path))
    with Workers(2, memory_mb=ReadConfig().memory_mb) as workers:
        read = [
            read_dataset(source, ref, Memory(store), workers, ReadConfig()) for ref in source.refs()
        ]
    results = [located(raw, store) for raw in read if isinstance(raw, RawDataset)]
    assert len(results) == len(read)
    columns: list[Column] = []
    for result in results:
        for table in whole(result).tables:
            columns += table.columns
        assert not reasons(result)
    kinds = {kind: sum(column.type == kind for column in columns) for kind in DTYPES}
    assert kinds["text"] < 0.5 * len(columns)
    assert kinds["number"] > 0
    assert kinds["integer"] > 0
    assert kinds["date"] + kinds["datetime"] >= len(results) / 4
    named_dates = [c for c in columns if c.name.casefold() in ("date", "datetime", "timestamp")]
    assert all(column.type in ("date", "datetime") for column in named_dates)

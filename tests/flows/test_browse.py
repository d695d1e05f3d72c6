"""`opendare tasks`, `show` and `why` over small releases, hostile and damaged ones among them."""

import csv
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.browse.opened import OpenedRelease, ReleaseError, resolve_name
from flows.browse.preview import previews
from flows.browse.show import show_task, write_files
from flows.browse.tasks import TASK_COLUMNS, show_tasks
from flows.browse.why import show_why
from flows.cli import main
from flows.terminal import cell, print_csv, printable
from tests.building import Built

HOSTILE = "red\x1b[31m \x9b2J\x07\u202eback\u200b\x7f"
"""Escape sequences, an 8-bit one, a bell, text that runs backwards, what is invisible."""
TRAIN, VAL = b"row_id,a,y\n0,1,2\n1,=cmd,\x1b[2J\n", b"row_id,a\n5,1\n"
NOTHING_ASKED = dict.fromkeys(("variant", "split", "source", "match"), "")


def file(name: str, content: bytes, form: str = "csv") -> dict[str, Any]:
    sha256, role = hashlib.sha256(content).hexdigest(), name.partition(".")[0]
    return {"name": name, "sha256": sha256, "bytes": len(content), "format": form, "role": role}


def task(task_id: str, source: str, split: str = "train", **fields: object) -> dict[str, Any]:
    return {
        "task_id": task_id,
        "variant": "reg-mm",
        "question": f"Predict `y`.\n  keep  blanks {HOSTILE}",
        "extra_info": {"split": split, "index": 0, "task_id": task_id},
        "files": [file("train.csv", TRAIN), file("val.csv", VAL)],
        "n_rows": 3,
        "difficulty": 0.25,
        "floor": 0.0,
        "ceiling": 0.75,
        "n_cols": 2,
        "license": "MIT",
        "domain": None,
        "language": "en",
        "reward_model": {"style": "rule", "ground_truth": json.dumps({"targets": ["y"]})},
        "checks": [{"name": "size", "verdict": "valid", "value": 3.0, "threshold": 1.0}],
        "source_ref": source,
        "noise": [],
        **fields,
    }


def write(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "a-00000-of-00001.parquet")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A release of four tasks in two configs, with two refusals."""
    out = tmp_path / "release"
    first = task("a__cars__v1__reg-mm-1", "a/cars")
    second = task("a__cars__v1__class-if-2", "a/cars", variant="class-if", difficulty=None)
    third = task("b__birds__v1__reg-mm-3", "b/birds", "eval")
    restricted = task("c__fish__v1__reg-mm-4", "c/fish", "eval")
    write(out / "data" / "tasks", [first, second, third])
    write(out / "data" / "tasks_share-alike", [restricted])
    contents = [{"sha256": file("", c)["sha256"], "name": "x", "content": c} for c in (TRAIN, VAL)]
    write(out / "data" / "files", contents)
    whole: dict[str, Any] = {"source_ref": "d/empty", "key": "d/empty", "variant": None}
    whole |= {"room": "extract", "reason": "no_table", "value": None, "threshold": None}
    whole |= {"detail": "no file is a table", "evidence": None}
    refused = {**whole, "source_ref": "a/cars", "key": "a__cars__v1__reg-mm-9", "value": 0.5}
    refused |= {"reason": "leak", "detail": "one column", "evidence": HOSTILE}
    write(out / "data" / "rejects", [refused, whole])
    write(out / "data" / "sources", [{"ref": r} for r in ("a/cars", "b/birds", "e/dull")])
    return out


@pytest.fixture
def release(folder: Path) -> OpenedRelease:
    return OpenedRelease(folder)


# --- tasks ---------------------------------------------------------------------------------------


def test_tasks_of_all_configs_are_listed_by_id(
    release: OpenedRelease, capsys: pytest.CaptureFixture[str]
) -> None:
    show_tasks(release, NOTHING_ASKED, "table")
    header, *lines, summary = capsys.readouterr().out.splitlines()
    assert header.split() == list(TASK_COLUMNS)
    assert lines[0].split() == ["a__cars__v1__class-if-2", "class-if", "train", "3", "a/cars"]
    assert [line.split()[0] for line in lines] == sorted(row["task_id"] for row in release.tasks)
    assert summary == "4 of 4 tasks: eval 2, train 2"


@pytest.mark.parametrize(
    ("asked", "numbers"),
    [
        ({"variant": "class-if"}, "2"),
        ({"split": "eval"}, "34"),
        ({"source": "a/cars"}, "21"),
        ({"source": "b"}, "3"),
        ({"source": "e/dull"}, ""),
        ({"match": "FISH"}, "4"),
        ({"variant": "reg-mm", "split": "train"}, "1"),
    ],
)
def test_filters_join(
    release: OpenedRelease,
    capsys: pytest.CaptureFixture[str],
    asked: dict[str, str],
    numbers: str,
) -> None:
    show_tasks(release, NOTHING_ASKED | asked, "csv")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert "".join(row["task_id"][-1] for row in rows) == numbers


def test_json_is_one_object_a_line(
    release: OpenedRelease, capsys: pytest.CaptureFixture[str]
) -> None:
    show_tasks(release, NOTHING_ASKED | {"match": "class-if"}, "json")
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["task_id"], row["difficulty"], row["n_rows"]) == (
        "a__cars__v1__class-if-2",
        None,
        3,
    )
    assert tuple(row) == TASK_COLUMNS


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            {"variant": "reg-xx"},
            "class-if, class-mm, reg-if, reg-mm, ts-cf, ts-if, ts-xf; found reg",
        ),
        ({"split": "test"}, "--split: expected one of eval, train; found test"),
        ({"source": "cars"}, "near ones:\n  a/cars"),
    ],
)
def test_a_filter_that_nothing_has_names_what_there_is(
    release: OpenedRelease, asked: dict[str, str], said: str
) -> None:
    with pytest.raises(ReleaseError) as error:
        show_tasks(release, NOTHING_ASKED | asked, "table")
    assert said in str(error.value)


@pytest.mark.parametrize(("name", "value"), [("variant", "ts-xf"), ("split", "eval")])
def test_a_filter_that_this_release_has_not_is_no_error(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    write(folder / "data" / "tasks", [task("a__cars__v1__reg-mm-1", "a/cars")])
    (folder / "data" / "tasks_share-alike" / "a-00000-of-00001.parquet").unlink()
    assert main(["tasks", str(folder), f"--{name}", value]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:] == ["0 of 1 tasks", f"this release has no task with the {name} {value}"]


def test_the_release_is_named_either_way_and_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tasks", str(folder)]) == main(["tasks", "--release", str(folder)]) == 0
    first, second = capsys.readouterr().out.split(" of 4 tasks: eval 2, train 2\n")[:2]
    assert first == second
    assert main(["tasks", str(folder), "--release", str(folder)]) == 2
    assert "expected one release" in capsys.readouterr().err


def test_csv_and_json_exclude_each_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", str(folder), "--csv", "--json"]) == 2
    assert "expected --csv or --json" in capsys.readouterr().err


# --- show ----------------------------------------------------------------------------------------


def test_a_task_is_shown_whole(release: OpenedRelease, capsys: pytest.CaptureFixture[str]) -> None:
    show_task(release, "a__cars__v1__reg-mm-1", None)
    shown = capsys.readouterr().out
    for part in ("Predict `y`.\n  keep  blanks red", "train.csv", "size  valid", "0.75"):
        assert part in shown
    assert "row_id  a     y" in shown
    assert f"opendare score --release {release.folder} --task a__cars__v1__reg-mm-1 pred" in shown


def test_targets_are_previewed_wherever_they_stand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = [f"c{n}" for n in range(12)]
    wide = f"{','.join([*header, 'y', 'z'])}\n{','.join('1' * 14)}\n1,2\n".encode()
    row = task("w__w__v1__reg-mm-1", "w/w", files=[file("train.csv", wide)])
    write(folder / "data" / "tasks", [row])
    stored = {"sha256": file("", wide)["sha256"], "name": "x", "content": wide}
    write(folder / "data" / "files", [stored])
    show_task(OpenedRelease(folder), "w", None)
    shown = capsys.readouterr().out
    assert "train.csv  (5 more columns)\nc0  c1  c2  c3  c4  c5  c6  c7  y\n" in shown


def test_files_are_written_exactly(release: OpenedRelease, tmp_path: Path) -> None:
    show_task(release, "b", tmp_path / "deep" / "work")
    written = {path.name: path.read_bytes() for path in (tmp_path / "deep" / "work").iterdir()}
    assert written == {"train.csv": TRAIN, "val.csv": VAL}


def test_files_that_lie_there_already_are_fine_and_others_are_not(
    release: OpenedRelease, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    show_task(release, "b", work)
    assert "2 files written to" in capsys.readouterr().out
    show_task(release, "b", work)
    assert "2 files are, unchanged, in" in capsys.readouterr().out
    (work / "val.csv").unlink()
    (work / "val.csv").symlink_to(work / "train.csv")
    with pytest.raises(ReleaseError, match=r"found val\.csv, .* another folder, or empty it"):
        show_task(release, "b", work)
    (work / "val.csv").unlink()
    (work / "train.csv").write_bytes(b"other")
    with pytest.raises(ReleaseError, match=r"found train\.csv"):
        show_task(release, "b", work)
    assert [path.name for path in work.iterdir()] == ["train.csv"]


@pytest.mark.parametrize("place", ["file", "file/work"])
def test_a_file_in_the_way_is_told(release: OpenedRelease, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReleaseError, match="found a file; name another folder, or move"):
        show_task(release, "b", tmp_path / place)


def test_a_damaged_file_is_never_written(folder: Path, tmp_path: Path) -> None:
    rows = pq.read_table(folder / "data" / "files").to_pylist()
    rows[0]["content"] += b"tampered"
    write(folder / "data" / "files", rows)
    with pytest.raises(ReleaseError, match=r"train\.csv: expected sha256 .*, found"):
        show_task(OpenedRelease(folder), "b", tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_files_that_do_not_ship_name_the_repair(folder: Path) -> None:
    next((folder / "data" / "files").iterdir()).unlink()
    with pytest.raises(ReleaseError, match="opendare restore"):
        show_task(OpenedRelease(folder), "b", None)


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a/b", "..", ".", "", "a\\b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReleaseError, match="plain file name"):
        write_files({"good.csv": b"", name: b""}, tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_a_wrong_id_names_near_ones(release: OpenedRelease) -> None:
    with pytest.raises(ReleaseError, match="more than one task") as error:
        release.task("a__cars")
    assert "a__cars__v1__class-if-2" in str(error.value)
    with pytest.raises(ReleaseError, match=r"no task .* is called 'cars'; near ones"):
        release.task("cars")


def test_many_near_names_are_counted() -> None:
    with pytest.raises(ReleaseError, match="and 92 more"):
        resolve_name("a", [f"a{n}" for n in range(100)], "thing")


# --- previews ------------------------------------------------------------------------------------


def test_tables_of_every_format_are_previewed() -> None:
    table = pa.table({"row_id": list(range(9)), "a": ["x"] * 9})
    parquet = io.BytesIO()
    pq.write_table(table, parquet)
    database = sqlite3.connect(":memory:")
    database.execute('CREATE TABLE "train ""1" (row_id, a)')
    database.executemany('INSERT INTO "train ""1" VALUES (?, ?)', [(n, "x") for n in range(9)])
    database.execute('CREATE VIEW bad AS SELECT * FROM "train ""1"')
    database.commit()
    contents = {"a.csv": TRAIN, "b.parquet": parquet.getvalue(), "c.sqlite": database.serialize()}
    files = [{"name": name, "format": name.partition(".")[2]} for name in contents]
    shown = list(previews([*files, {"name": "m.md", "format": "markdown"}], contents))
    assert [preview.name for preview in shown] == ["a.csv", "b.parquet", 'c.sqlite: train "1']
    assert [list(preview.header) for preview in shown[1:]] == [["row_id", "a"]] * 2
    assert [len(preview.rows) for preview in shown] == [2, 5, 5]


@pytest.mark.parametrize("form", ["csv", "parquet", "sqlite"])
@pytest.mark.parametrize("content", [b"", b"\0\xff" * 50, b"PAR1", b"SQLite format 3\0"])
def test_a_file_that_is_no_table_is_said_to_be_so(form: str, content: bytes) -> None:
    for preview in previews([{"name": "x", "format": form}], {"x": content}):
        assert preview.name == "x"


# --- why -----------------------------------------------------------------------------------------


def test_refusals_of_a_source_stand_beside_what_is_released(
    release: OpenedRelease, capsys: pytest.CaptureFixture[str]
) -> None:
    show_why(release, "a/cars")
    shown = capsys.readouterr().out
    assert "a/cars: 1 refused, 2 released" in shown
    for part in ("a__cars__v1__reg-mm-9", "leak", "one column", "\\x1b[31m"):
        assert part in shown
    assert "a__cars__v1__class-if-2" in shown


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a__cars__v1__reg-mm-9", "1 refused, 0 released"),
        ("a__cars__v1__reg-mm-1", "0 refused, 1 released"),
        ("d/empty", "no_table"),
        ("e/", "e/dull: 0 refused, 0 released"),
    ],
)
def test_why_takes_tasks_and_sources(
    release: OpenedRelease, capsys: pytest.CaptureFixture[str], name: str, said: str
) -> None:
    show_why(release, name)
    assert said in capsys.readouterr().out


def test_why_says_what_the_reasons_mean(
    release: OpenedRelease, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    show_why(release, "d/empty")
    *_, meaning, page = capsys.readouterr().out.splitlines()
    assert meaning == "no_table: no file could be read as a table"
    assert Path(page.removeprefix("all reasons: ")).is_file()
    show_why(release, "d/empty", tmp_path / "absent.md")
    assert "all reasons" not in capsys.readouterr().out


# --- what is foreign -----------------------------------------------------------------------------


def test_no_control_character_reaches_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"a__{HOSTILE}"
    row = task(name, f"a/{HOSTILE}", variant=HOSTILE, license=HOSTILE)
    row["files"][0] |= {"name": f"t{HOSTILE}.csv"}
    row["checks"][0] |= {"name": HOSTILE}
    write(folder / "data" / "tasks", [row])
    for command in (["tasks", str(folder)], ["tasks", str(folder), "--csv"], ["tasks", "--json"]):
        assert main([*command, *([str(folder)] if command[-1] == "--json" else [])]) == 0
    assert main(["show", name, "--release", str(folder)]) == 0
    assert main(["why", f"a/{HOSTILE}", "--release", str(folder)]) == 0
    assert main(["show", HOSTILE, "--release", str(folder)]) == 2
    assert main(["tasks", str(folder), "--variant", HOSTILE[1:]]) == 2
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert len(shown) > 1000
    assert [c for c in shown if c != "\n" and not c.isprintable()] == []


def test_names_of_files_and_folders_are_escaped(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((folder / "data" / "tasks").iterdir())
    hostile = path.rename(path.with_name(f"{HOSTILE}.parquet"))
    pq.write_table(pa.table({"task_id": ["x"]}), hostile)
    assert main(["tasks", str(folder)]) == 2
    hostile.write_bytes(b"PAR1")
    assert main(["tasks", str(folder)]) == 2
    assert main(["tasks", HOSTILE]) == 2
    assert main(["show", "x", "--release", str(folder.rename(folder.with_name(HOSTILE)))]) == 2
    shown = capsys.readouterr().err
    # The last message names the folder and a file in it.
    assert shown.count("\\x1b[31m") == 5
    assert [c for c in shown if c != "\n" and not c.isprintable()] == []


def test_printable_keeps_blanks_and_lines() -> None:
    assert printable("  a\tb\r\n c\u00a0 é") == "  a\\tb\\r\n c\\xa0 é"


def test_a_spreadsheet_obeys_no_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_csv(["a"], [["=1+1"], ["@x"], [-0.5], [None], [["b", "c"]]])
    assert capsys.readouterr().out.splitlines() == ["a", "'=1+1", "'@x", "-0.5", '""', "b; c"]


def test_a_cell_is_one_line_and_keeps_its_blanks() -> None:
    assert cell(" =1\n\t-9999 ") == " =1\\n\\t-9999 "
    assert cell("x" * 500) == "x" * 100
    assert cell(None) == ""


# --- what is no release --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["tasks", "{}"], ["show", "x", "--release", "{}"], ["why", "x", "--release", "{}"]]
)
def test_a_folder_that_is_no_release_names_what_makes_one(
    tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([part.format(tmp_path) for part in command]) == 2
    assert "`make build-split` makes build/release" in capsys.readouterr().err


def test_a_broken_shard_and_other_columns_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = next((folder / "data" / "tasks").iterdir())
    pq.write_table(pa.table({"task_id": ["x"]}), path)
    assert main(["tasks", str(folder)]) == 2
    assert "lacks the columns difficulty" in capsys.readouterr().err
    path.write_bytes(b"PAR1")
    assert main(["tasks", str(folder)]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_looking_imports_nothing_of_a_build(folder: Path) -> None:
    heavy = ("polars", "pandas", "sklearn", "prefect", "kaggle", "rich")
    program = (
        "import sys; from flows.cli import main; "
        f"main(['tasks', {str(folder)!r}]); main(['show', 'b', '--release', {str(folder)!r}]); "
        f"main(['why', 'a/cars', '--release', {str(folder)!r}]); "
        f"print('loaded', *[m for m in {heavy!r} if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.splitlines()[-1] == "loaded"


def test_a_reader_that_goes_early_is_no_fault(folder: Path) -> None:
    program = "import sys; from flows.cli import main; sys.exit(main(sys.argv[1:]))"
    piped = subprocess.run(
        f"'{sys.executable}' -c '{program}' show b --release '{folder}' | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert piped.stderr == ""


@pytest.mark.slow
def test_every_task_of_a_real_release_is_shown_and_laid_out(
    small_build: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = OpenedRelease(small_build.out)
    for row in opened.tasks:
        show_task(opened, row["task_id"], tmp_path / row["task_id"])
        show_why(opened, row["source_ref"])
        files = opened.task(row["task_id"])["files"]
        written = {path.name: path.read_bytes() for path in (tmp_path / row["task_id"]).iterdir()}
        hashes = {name: hashlib.sha256(content).hexdigest() for name, content in written.items()}
        assert hashes == {file["name"]: file["sha256"] for file in files}
    assert "cannot be shown" not in capsys.readouterr().out
    assert len(opened.tasks) > 5

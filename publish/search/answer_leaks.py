"""Searches every public file of a release for answers.

Enters a release folder, nothing else; leave findings, none for a good release. Five ways in which
an answer can stand outside `data/answers` are looked for:

- **its hash or file**: a truth's SHA-256 in any text, a truth among the task files, a reference
  program in a task's row, a file or table that no task names;
- **lines of the question or the page** that name rows together with their answers;
- **the target itself** in the held-out file of its own task;
- **the held-out row with its true target** in any table of the same source, train or held-out,
  whichever task ships it, found by equal values in all columns that both have;
- **a column that tells the target**, under whatever name and in whatever unit, in a sibling's table
  beside the same held-out rows, or moved in time where the task is a forecast.

The last two apply to held-out truth (`-mm`, `ts-`), not to executed truth, which occurs nowhere in
the data. A row is proof in the task's own train table and wherever all its columns are; where a
sibling shares only some columns, coincidence is told from answers by how well they identify rows.
Answers that several columns tell together are not found.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from extract.noun import Noun
from publish.data.parquet import TableRow
from publish.search.contents import Contents, comparable_types, read_task_tables
from publish.search.siblings import RowKeys, moved_columns, row_keys, telling_columns
from transform.task import ID_COLUMN, VARIANTS

_HASH = re.compile(r"[0-9a-f]{64}")
_CELL = re.compile(r"[^\s|,;:=\"'(){}\[\]]*[^\s|,;:=\"'(){}\[\].]")
_MOST_TEXT = 1_000_000
"""Characters of a page that are searched."""
_FEW_LINES = 3
"""Lines that may name a row and its answer by chance, however rare that is."""
_LUCK = 3
"""Rows drift, so that coincidences are more or fewer than in train; by less than this factor."""


class AnswerLeak(Noun):
    """An answer in a public place."""

    task_id: str
    """The task whose answer it is; empty for a file that belongs to none."""
    holder: str = ""
    """The task whose file shows it; empty for any other file."""
    place: str
    """The file, by its path in the release or by table and task."""
    detail: str


@dataclass(frozen=True)
class _Opened:
    """A task as a solver and a grader see it together."""

    row: TableRow
    tables: Mapping[str, pl.DataFrame]
    held_out: pl.DataFrame
    """Val joined with truth, without the id."""
    targets: tuple[str, ...]
    ids: tuple[str, ...]
    """Of the held-out rows, as text."""
    executed: bool
    """Truth was computed by a program rather than held out from the source."""
    keys: RowKeys | None
    """Forecasts: where their rows lie in time."""

    @property
    def task_id(self) -> str:
        return str(self.row["task_id"])

    @property
    def train(self) -> pl.DataFrame:
        return self.tables["train"].drop(ID_COLUMN)


def find_answer_leaks(release: Path) -> tuple[AnswerLeak, ...]:
    """All answers found outside `data/answers`, sorted by task and place."""
    rows = [row for path in _shards(release, "tasks*") for row in _rows(path)]
    rows.sort(key=lambda row: (row["source_ref"], row["task_id"]))
    contents = Contents(release)
    findings = [*_hashes(release, rows), *_strangers(rows, contents)]
    shards = _shards(release, "answers")
    answers = {row["task_id"]: row["truth"] for path in shards for row in _rows(path)}
    for _, group in groupby(rows, key=lambda row: row["source_ref"]):
        opened = [_open(row, contents, answers[row["task_id"]]) for row in group]
        for task in opened:
            findings += [*_in_words(task, contents), *_in_tables(task, opened)]
    return tuple(sorted(findings, key=lambda finding: finding.model_dump_json()))


def _shards(release: Path, folder: str) -> list[Path]:
    return sorted(release.glob(f"data/{folder}/*.parquet"))


def _rows(path: Path) -> list[TableRow]:
    # `ParquetFile`, since `read_table` would take a folder called `a=b` above it for a column.
    rows: list[TableRow] = pq.ParquetFile(path).read().to_pylist()
    return rows


def _open(row: TableRow, contents: Contents, truth: bytes) -> _Opened:
    tables = read_task_tables(row["files"], contents)
    grading = json.loads(row["reward_model"]["ground_truth"])
    targets, executed = tuple(grading["targets"]), VARIANTS[row["variant"]].executed
    answer = comparable_types(pl.read_parquet(io.BytesIO(truth))).select(ID_COLUMN, *targets)
    features = tables["val"].drop(targets, strict=False)
    held_out = features.join(answer, on=ID_COLUMN)
    ids = tuple(held_out[ID_COLUMN].cast(pl.String))
    keys = row_keys(features.drop(ID_COLUMN)) if row["family"] == "forecasting" else None
    return _Opened(row, tables, held_out.drop(ID_COLUMN), targets, ids, executed, keys)


# --- hashes, programs, files that belong to nobody ----------------------------------------------


def _hashes(release: Path, rows: Sequence[TableRow]) -> Iterator[AnswerLeak]:
    """Hashes of truths in any text, and programs in the rows of their tasks."""
    owners: dict[str, str] = {}
    programs: dict[str, str] = {}
    for path in _shards(release, "answers"):
        for answer in _rows(path):
            owners[answer["sha256"]] = answer["task_id"]
            programs[answer["task_id"]] = answer["solution"]
    for path in sorted(release.rglob("*")):
        name = path.relative_to(release).as_posix()
        if path.is_file() and not name.startswith("data/answers/") and "__pycache__" not in name:
            for found in sorted(owners.keys() & set(_HASH.findall(_text(path)))):
                yield AnswerLeak(task_id=owners[found], place=name, detail="SHA-256 of the truth")
    for row in rows:
        program = programs.get(row["task_id"])
        if program and program in f"{row['question']}\n{row['spec_json']}":
            yield AnswerLeak(task_id=row["task_id"], place="tasks", detail="the reference program")


def _text(path: Path) -> str:
    """All text of a file; of Parquet files every column but binary ones."""
    if path.suffix != ".parquet":
        return path.read_text(encoding="utf-8", errors="replace")
    shard = pq.ParquetFile(path)
    columns = [field.name for field in shard.schema_arrow if str(field.type) != "binary"]
    return "\n".join(
        json.dumps(shard.read_row_group(group, columns=columns).to_pylist(), default=str)
        for group in range(shard.num_row_groups)
    )


def _strangers(rows: Sequence[TableRow], contents: Contents) -> Iterator[AnswerLeak]:
    """Stored files that no task names."""
    named = {file["sha256"] for row in rows for file in row["files"]}
    for sha256 in sorted(contents.hashes() - named):
        yield AnswerLeak(
            task_id="", place=f"data/files: {sha256}", detail="no task names this file"
        )


# --- words ---------------------------------------------------------------------------------------


def _in_words(task: _Opened, contents: Contents) -> Iterator[AnswerLeak]:
    """Lines with an id and its answer, when they are more than the ids would bring by chance."""
    texts = {"question": str(task.row["question"])}
    for file in task.row["files"]:
        if file["role"] == "metadata":
            page = contents.read(file["sha256"]).decode("utf-8", errors="replace")
            texts[file["name"]] = page
    for name, text in texts.items():
        lines = [set(_CELL.findall(line)) for line in text[:_MOST_TEXT].splitlines()]
        for target in task.targets:
            answers = dict(zip(task.ids, map(_spelled, task.held_out[target]), strict=True))
            n_rows = _n_beside(lines, answers)
            # Answers handed on to the next id: what coincidence brings.
            others = dict(zip(task.ids, [*[*answers.values()][1:], ""], strict=True))
            chance = _n_beside(lines, others)
            if n_rows > _FEW_LINES + chance + _LUCK * chance**0.5:
                yield _finding(task, task, name, f"shows {n_rows} answers of {target!r} by id")


def _spelled(answer: Any) -> str:
    """An answer as a cell of a line; whole numbers without a point."""
    return repr(answer).removesuffix(".0") if isinstance(answer, float) else str(answer)


def _n_beside(lines: Sequence[set[str]], answers: Mapping[str, str]) -> int:
    """Ids that share a line with their answer."""
    known = {i: set(_CELL.findall(answer)) for i, answer in answers.items()}
    found = ((i, cells) for cells in lines for i in cells & known.keys())
    return len({i for i, cells in found if known[i] and known[i] <= cells - {i}})


# --- held-out rows -------------------------------------------------------------------------------


def _in_tables(task: _Opened, siblings: Sequence[_Opened]) -> Iterator[AnswerLeak]:
    """The target in its own val, strange tables, held-out rows in the source's tables."""
    shown = sorted(set(task.targets) & set(task.tables["val"].columns))
    if shown:
        yield _finding(task, task, "val", f"holds the target {shown[0]!r}")
    for name in sorted(task.tables.keys() - {"train", "val"}):
        yield _finding(task, task, name, "is a table that no task names")
    if task.executed:
        return
    for sibling in siblings:
        for name in ("train", "val"):
            if sibling is task and name == "val":
                continue
            n_rows = _n_shown(task, sibling.tables[name], own=sibling is task)
            if n_rows:
                detail = f"holds {n_rows} of {task.held_out.height} held-out rows with their target"
                yield _finding(task, sibling, name, detail)
    yield from _told(task, [sibling for sibling in siblings if sibling is not task])


def _told(task: _Opened, siblings: Sequence[_Opened]) -> Iterator[AnswerLeak]:
    """Columns of siblings that tell a held-out target beside its row, or from another instant."""
    checked = set(task.train.columns)
    for sibling in siblings:
        for name in ("train", "val"):
            table = sibling.tables[name].drop(ID_COLUMN)
            same = [
                n for n in task.held_out.columns if task.held_out.schema[n] == table.schema.get(n)
            ]
            kept = table.select(
                n for n in table.columns if n in same or n not in task.held_out.columns
            )
            held_out = task.held_out.select(*dict.fromkeys((*same, *task.targets)))
            for column, n_rows in telling_columns(held_out, task.targets, kept):
                detail = f"its column {column!r} tells {n_rows} held-out targets"
                yield _finding(task, sibling, name, detail)
        if task.keys is None:
            continue
        tables = sibling.tables["train"].drop(ID_COLUMN), sibling.tables["val"].drop(ID_COLUMN)
        for target in task.targets:
            found = moved_columns(task.train, task.held_out, target, task.keys, tables, checked)
            for name, column, how in found:
                yield _finding(
                    task, sibling, name, f"its column {column!r} tells the future: {how}"
                )


def _finding(task: _Opened, holder: _Opened, table: str, detail: str) -> AnswerLeak:
    place = f"{table} of {holder.task_id}"
    return AnswerLeak(task_id=task.task_id, holder=holder.task_id, place=place, detail=detail)


def _n_shown(task: _Opened, table: pl.DataFrame, own: bool) -> int:
    """Held-out rows of a task whose features and target stand in one row of a table.

    Where a sibling's table lacks some columns, only rows count that the shared features single out
    on both sides and that the task's own train table says nothing about, and only when they are
    more than `_LUCK` times the rows that the shared columns cannot tell apart anyway.
    """
    shared = [name for name in task.held_out.columns if name in table.columns]
    features = [name for name in shared if name not in task.targets]
    if not features or len(features) == len(shared):
        return 0
    if own or len(shared) == task.held_out.width:
        return _matching(task.held_out, table, shared, "semi").height
    alone = pl.struct(features).is_unique()
    rows = _matching(task.held_out.filter(alone), task.train, features, "anti")
    found = _matching(rows, table.select(shared).unique().filter(alone), shared, "semi").height
    alike = 1 - task.train.select(shared).n_unique() / task.train.height
    return found if found > _LUCK * alike * task.held_out.height else 0


def _matching(rows: pl.DataFrame, table: pl.DataFrame, on: Sequence[str], how: Any) -> pl.DataFrame:
    """Rows that do (`semi`) or do not (`anti`) occur in a table by value, missing equal missing."""
    mixed = [name for name in on if rows[name].dtype != table[name].dtype]
    left, right = _as_numbers(rows, mixed), _as_numbers(table.select(on), mixed)
    return left.join(right, on=on, how=how, nulls_equal=True)


def _as_numbers(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Rows in which the named text columns are numbers, as numbers; other rows cannot match."""
    casts = [pl.col(name).cast(pl.Float64, strict=False) for name in names]
    kept = [
        cast.is_not_null() | pl.col(name).is_null() for cast, name in zip(casts, names, strict=True)
    ]
    return table.filter(pl.all_horizontal(kept)).with_columns(casts) if names else table

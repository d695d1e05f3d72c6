"""Searches every public file of a release for answers.

Takes a release folder, nothing else; returns leaks, none for a good release. Five ways in which
an answer can stand outside `data/answers` are looked for:

- **its hash or file**: a truth's SHA-256 in any text, a truth among the task files, a reference
  program in a task's row, a file that no task names (here);
- **lines of the question or the page** that name rows together with their answers (`texts.py`);
- **the target itself** in the held-out file of its own task (`tables.py`);
- **the held-out row with its true target** in any table of the same source, train or held-out,
  whichever task ships it, found by equal values in all columns that both have (`tables.py`);
- **a column that tells the target**, under whatever name and in whatever unit, in a sibling's table
  beside the same held-out rows, or moved in time where the task is a forecast (`siblings.py`).

Not found: answers that several columns tell together.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from publish.data.parquet import TableRow
from publish.search.answer_leak import AnswerLeak
from publish.search.contents import Contents
from publish.search.opened_task import open_task, rows_of, shards
from publish.search.tables import leaks_in_tables
from publish.search.texts import leaks_in_texts

_HASH = re.compile(r"[0-9a-f]{64}")


def find_answer_leaks(release: Path) -> tuple[AnswerLeak, ...]:
    """All answers outside `data/answers`, sorted by task and place."""
    rows = [row for path in shards(release, "tasks*") for row in rows_of(path)]
    rows.sort(key=lambda row: (row["source_ref"], row["task_id"]))
    answers = [row for path in shards(release, "answers") for row in rows_of(path)]
    contents = Contents(release)
    leaks = [*_hashes(release, answers), *_programs(rows, answers), *_unnamed(rows, contents)]
    truths = {row["task_id"]: row["truth"] for row in answers}
    for _, group in groupby(rows, key=lambda row: row["source_ref"]):
        # Tables of one source are compared with each other, and are in memory for that long.
        opened = [open_task(row, contents, truths[row["task_id"]]) for row in group]
        for task in opened:
            leaks += [*leaks_in_texts(task, contents), *leaks_in_tables(task, opened)]
    return tuple(sorted(leaks, key=lambda leak: leak.model_dump_json()))


def _hashes(release: Path, answers: Sequence[TableRow]) -> Iterator[AnswerLeak]:
    """Hashes of truths in any text."""
    owners = {answer["sha256"]: answer["task_id"] for answer in answers}
    for path in sorted(release.rglob("*")):
        name = path.relative_to(release).as_posix()
        if path.is_file() and not name.startswith("data/answers/") and "__pycache__" not in name:
            for sha256 in sorted(owners.keys() & set(_HASH.findall(_text(path)))):
                yield AnswerLeak(task_id=owners[sha256], place=name, detail="SHA-256 of the truth")


def _programs(rows: Sequence[TableRow], answers: Sequence[TableRow]) -> Iterator[AnswerLeak]:
    """Reference programs in the rows of their tasks."""
    programs = {answer["task_id"]: answer["solution"] for answer in answers}
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


def _unnamed(rows: Sequence[TableRow], contents: Contents) -> Iterator[AnswerLeak]:
    """Stored files that no task names."""
    named = {file["sha256"] for row in rows for file in row["files"]}
    for sha256 in sorted(contents.hashes() - named):
        yield AnswerLeak(
            task_id="", place=f"data/files: {sha256}", detail="no task names this file"
        )

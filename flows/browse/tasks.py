"""`opendare tasks`: the tasks of a release as a table, as CSV or as JSON.

Takes an opened release and what to look for; prints one line a task under the column names of the
release, sorted by id. JSON is one object a line. Prints no long text: `opendare show` does.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from flows.browse.opened import OpenedRelease, ReleaseError, ReleaseRow, resolve_name
from flows.terminal import any_reader, print_columns, print_csv, printable
from transform.task import VARIANTS

_WORDS: dict[str, tuple[str, ...]] = {"variant": tuple(VARIANTS), "split": ("train", "eval")}
"""What a filter takes in any release; a release need not have tasks of each."""
TASK_COLUMNS = ("task_id", "variant", "split", "n_rows", "difficulty", "source_ref")
Form = Literal["table", "csv", "json"]


def show_tasks(release: OpenedRelease, asked: Mapping[str, str], form: Form) -> None:
    """Print the tasks that `variant`, `split`, `source` and `match` leave; empty asks nothing."""
    rows = _chosen(release, asked)
    with any_reader():
        if form == "json":
            for row in rows:
                print(json_line({name: row[name] for name in TASK_COLUMNS}))
            return
        cells = [[row[name] for name in TASK_COLUMNS] for row in rows]
        if form == "csv":
            print_csv(TASK_COLUMNS, cells)
            return
        print_columns(TASK_COLUMNS, cells)
        print(_summary(rows, len(release.tasks)))
        for name in _WORDS:
            if asked[name] and all(row[name] != asked[name] for row in release.tasks):
                print(f"this release has no task with the {name} {asked[name]}")


def json_line(row: ReleaseRow) -> str:
    """One line of JSON in ASCII, so that no terminal obeys it."""
    # JSON escapes all control characters but this one.
    return json.dumps(row).replace("\x7f", "\\u007f")


def _chosen(release: OpenedRelease, asked: Mapping[str, str]) -> list[ReleaseRow]:
    rows = release.tasks
    for name in _WORDS:
        if asked[name]:
            rows = _equal(rows, name, asked[name], release.tasks)
    if asked["source"]:
        known = [*release.sources, *(row["source_ref"] for row in release.tasks)]
        source = resolve_name(asked["source"], known, f"source in {release.folder}")
        rows = [row for row in rows if row["source_ref"] == source]
    return [row for row in rows if asked["match"].casefold() in row["task_id"].casefold()]


def _equal(
    rows: Sequence[ReleaseRow], name: str, value: str, everything: Sequence[ReleaseRow]
) -> list[ReleaseRow]:
    # One of another version may have words of its own.
    known = sorted({*_WORDS[name], *(row[name] for row in everything)})
    if value not in known:
        allowed = ", ".join(known)
        raise ReleaseError(f"--{name}: expected one of {allowed}; found {value}")
    return [row for row in rows if row[name] == value]


def _summary(rows: Sequence[ReleaseRow], n_tasks: int) -> str:
    counts = Counter(row["split"] for row in rows)
    splits = ", ".join(f"{printable(split)} {n}" for split, n in sorted(counts.items()))
    return f"{len(rows)} of {n_tasks} tasks{': ' if splits else ''}{splits}"

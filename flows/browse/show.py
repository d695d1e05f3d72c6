"""`opendare show`: one task as its solver gets it, and its public files ready to work in.

Takes an opened release and an id; prints question, files, first rows and checks, and on request
writes exactly the public files of the task into a folder. It opens nothing of `data/answers`: what
is shown here may be shown to a solver, but for the checks, which are about the task.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from flows.browse.opened import OpenedRelease, ReleaseError, ReleaseRow
from flows.browse.preview import previews
from flows.terminal import any_reader, cell, print_columns, printable

_FACTS = ("variant", "source_ref", "license", "domain", "language", "n_rows", "n_cols", "noise")
_FILE = ("name", "role", "format", "bytes", "sha256")
_CHECK = ("name", "verdict", "value", "threshold")
_SCORES = ("floor", "ceiling", "difficulty")
_COLUMNS = 8
"""Of a previewed table; with cells of `_CELL` characters a line stays below 200."""
_CELL = 22


def show_task(release: OpenedRelease, name: str, write: Path | None) -> None:
    """Print a task; its files go to the folder `write`: new, empty, or one that holds just them."""
    task = release.task(name)
    contents = release.contents(task)
    is_new = write is not None and write_files(contents, write)
    with any_reader():
        _print_page(task, contents)
        if write is not None:
            state = "written to" if is_new else "are, unchanged, in"
            print(f"\n{len(contents)} files {state} {printable(str(write))}")
        print(f"\nto score an answer:\n  {_score_command(release.folder, task['task_id'])}")


def write_files(contents: Mapping[str, bytes], folder: Path) -> bool:
    """Lay out files whose names are plain; False where exactly these lie there already.

    Raises `ReleaseError` before anything is written.
    """
    place = f"--write {folder}"
    for name in contents:
        # A release may come from a stranger: a name must not lead out of the folder.
        if name != Path(name).name or name in ("", ".", "..") or "\\" in name:
            raise ReleaseError(f"expected a plain file name, found '{name}'")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = sorted(folder.iterdir())
        if strange := [path for path in present if not _is_as_shipped(path, contents)]:
            raise ReleaseError(
                f"{place}: expected a new or empty folder, found {strange[0].name}, "
                "which is no file of this task as it ships; name another folder, or empty it"
            )
        for name, content in contents.items():
            (folder / name).write_bytes(content)
    except (FileExistsError, NotADirectoryError):
        raise ReleaseError(
            f"{place}: expected a folder, found a file; name another folder, or move the file away"
        ) from None
    except OSError as fault:
        raise ReleaseError(f"{place}: {fault.strerror}") from None
    return len(present) < len(contents)


def _is_as_shipped(path: Path, contents: Mapping[str, bytes]) -> bool:
    expected = contents.get(path.name)
    # A link would let the solver change a file elsewhere.
    return not path.is_symlink() and path.is_file() and path.read_bytes() == expected


def _print_page(task: ReleaseRow, contents: Mapping[str, bytes]) -> None:
    print(f"{cell(task['task_id'])}  ({cell(task['extra_info']['split'])})\n")
    print_columns(_FACTS, [[task[name] for name in _FACTS]])
    print(f"\n{printable(task['question'])}\n")
    print_columns(_FILE, [[file[name] for name in _FILE] for file in task["files"]])
    for preview in previews(task["files"], contents):
        places = _places(preview.header, _targets(task))
        n_more = len(preview.header) - len(places)
        print(f"\n{cell(preview.name)}{f'  ({n_more} more columns)' if n_more else ''}")
        header, *rows = (
            # Foreign rows may be shorter than their header.
            [row[place] if place < len(row) else "" for place in places]
            for row in (preview.header, *preview.rows)
        )
        print_columns([str(name) for name in header], rows, _CELL)
    print("\nchecks")
    print_columns(_CHECK, [[check[name] for name in _CHECK] for check in task["checks"]])
    if task["ceiling"] is not None:
        print("\nscores of the best trivial and the best scripted solver, and what is left")
        print_columns(_SCORES, [[task[name] for name in _SCORES]])


def _targets(task: ReleaseRow) -> list[str]:
    try:
        return list(json.loads(task["reward_model"]["ground_truth"])["targets"])
    except (TypeError, ValueError, KeyError):
        return []


def _places(header: Sequence[str], targets: Sequence[str]) -> list[int]:
    """Of the first columns, and of the targets wherever they stand."""
    return [place for place, name in enumerate(header) if place < _COLUMNS or name in targets]


def _score_command(folder: Path, task_id: str) -> str:
    command = ("opendare", "score", "--release", str(folder), "--task", task_id, "prediction.csv")
    return printable(shlex.join(command))

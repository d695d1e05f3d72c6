"""Tasks of recipes as they lie in a release once they are restored.

Takes the files and the truth of a task, made again; writes two shards that bear its id and that
loaders read like all others, `data/files/restored-*` and `data/answers/restored-*`. They are their
maker's own: neither manifest nor Hub takes them. One task has shards of its own, so that each is
there or not, whatever became of the others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from extract.store import Store
from publish.data.answers import ANSWERS_SCHEMA, answer_row, with_truth
from publish.data.files import FILES_SCHEMA, file_row
from publish.data.manifest import is_restored
from publish.data.parquet import TableRow, write_rows, write_shards
from publish.released_task import ReleasedTask
from transform.task import Task


def write_restored_shards(folder: Path, task: Task, answer: TableRow, store: Store) -> None:
    """Write the shards of one task below `folder/data`; `answer` is its row as it ships.

    Raises `PublishError` when a file or the truth has another hash than task and row say.
    """
    stem = f"restored-{task.spec.task_id}"
    files = [(store.path(file.sha256), file) for file in task.spec.files]
    sizes = [file.bytes for _, file in files]
    write_shards(folder / "data" / "files", stem, FILES_SCHEMA, files, sizes, file_row)
    rows = [with_truth(answer, task.truth, store)]
    write_rows(folder / "data" / "answers", stem, ANSWERS_SCHEMA, rows)


@contextmanager
def with_recipes_restored(
    folder: Path, tasks: Sequence[ReleasedTask], store: Store
) -> Iterator[None]:
    """The release as it will be once every recipe is restored, for as long as the block lasts."""
    for entry in tasks:
        if entry.is_recipe:
            write_restored_shards(folder, entry.task, answer_row(entry, store), store)
    try:
        yield
    finally:
        for path in restored_shards(folder):
            path.unlink()


def restored_shards(folder: Path) -> list[Path]:
    """All files of a release that were restored, files before answers."""
    shards = [p for p in folder.glob("data/*/*") if is_restored(p.relative_to(folder).as_posix())]
    return sorted(shards, key=lambda path: (path.parent.name == "answers", path.name))

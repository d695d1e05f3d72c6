"""A part of a release is one class in one file, found by itself."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import publish.data
from publish.data.manifest import read_manifest
from publish.registry import release_writers
from tests.publish.conftest import publish_all

ADAPTER = '''
"""An adapter as somebody would add it."""

from publish.writer import TextWriter


class TaskList(TextWriter):
    """Writes the ids of all tasks."""

    name = "tasks.txt"
    order = 500

    def text(self, contents):
        """One id a line."""
        return "".join(f"{entry.task_id}\\n" for entry in contents.tasks)
'''


def test_the_card_comes_last_and_tasks_come_first() -> None:
    names = [writer.name for writer in release_writers()]
    assert (names[0], names[-1]) == ("data/tasks", "README.md")
    assert len(set(names)) == len(names) == 12


def test_a_writer_in_a_file_of_its_own_adds_its_file(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "added"
    folder.mkdir()
    (folder / "task_list.py").write_text(ADAPTER.lstrip())
    monkeypatch.setattr(publish.data, "__path__", [*publish.data.__path__, str(folder)])
    out = tmp_path / "release"
    publish_all(build.released, build.sources, out)
    shipped = [pq.ParquetFile(p).read()["task_id"] for p in out.glob("data/tasks*/*.parquet")]
    ids = sorted(str(key) for column in shipped for key in column)
    assert sorted((out / "tasks.txt").read_text().split()) == ids
    assert "tasks.txt" in {file.path for file in read_manifest(out) or ()}

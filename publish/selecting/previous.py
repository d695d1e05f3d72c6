"""What an earlier release said about its tasks.

Takes a release folder named in the configuration; returns identity and first release by task id.
It trusts that folder: it is one of ours.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from extract.noun import Noun
from publish.data.manifest import read_manifest
from publish.release import PublishError


class PreviousTask(Noun):
    """One task of an earlier release."""

    task_id: str
    task_key: str
    task_hash: str
    release: str


def read_previous(folder: Path | None) -> dict[str, PreviousTask]:
    """Tasks by id, empty without a folder. Raises `PublishError` when it holds no release."""
    if folder is None:
        return {}
    if read_manifest(folder) is None:
        raise PublishError(
            f"previous: {folder} holds no release; expected a folder with a manifest"
        )
    tasks: dict[str, PreviousTask] = {}
    for path in sorted(folder.glob("data/tasks*/*.parquet")):
        shard = pq.ParquetFile(path)
        for row in shard.read(columns=list(PreviousTask.model_fields)).to_pylist():
            tasks[row["task_id"]] = PreviousTask.model_validate(row)
    return tasks


def first_releases(previous: Mapping[str, PreviousTask]) -> dict[str, str]:
    """The first release that held a task hash."""
    return {task.task_hash: task.release for task in previous.values()}

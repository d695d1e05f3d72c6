"""The contents of all task files, each stored once.

Enter the shipped tasks; leave Parquet rows of sha256, name and content, to which `tasks.files`
points. Rows stand in the order of the tasks that use them first, so that the files of one source
lie together. Every content is checked against its hash while it is copied.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from publish.data.parquet import Row, write_shards
from publish.data.tasks import Placed
from publish.release import PublishError
from publish.selecting.license_tiers import tier_order
from transform.task import TaskFile

FILES = pa.schema({"sha256": pa.string(), "name": pa.string(), "content": pa.binary()})


def write_files(folder: Path, placed: Sequence[Placed]) -> int:
    """Write `<tier>-*.parquet`, one set of shards for each tier; gives the number of files.

    Files of recipes are not written. A file of two tiers lies in the first, open before others, and
    is called as its first task does.
    """
    first: dict[str, tuple[str, Path, TaskFile]] = {}
    owned = [entry for entry in placed if not entry.is_recipe]
    for entry in sorted(owned, key=lambda entry: (tier_order(entry.tier), entry.task.spec.task_id)):
        for file in entry.task.spec.files:
            first.setdefault(file.sha256, (entry.tier, entry.task.public / file.name, file))
    for tier in sorted({tier for tier, _, _ in first.values()}):
        kept = [(path, file) for owner, path, file in first.values() if owner == tier]
        sizes = [file.bytes for _, file in kept]
        write_shards(folder, tier, FILES, kept, sizes, file_row)
    return len(first)


def file_row(located: tuple[Path, TaskFile]) -> Row:
    """The row of one file. Raises `PublishError` when it has another hash."""
    path, file = located
    content = read_verified(path, file.sha256)
    return {"sha256": file.sha256, "name": file.name, "content": content}


def read_verified(path: Path, sha256: str) -> bytes:
    """The bytes of a file. Raises `PublishError` when it is gone or has another hash."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PublishError(f"{path} cannot be read ({error}); build again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise PublishError(f"{path} has sha256 {found}, expected {sha256}; delete it, build again")
    return content

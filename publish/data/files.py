"""The contents of all task files, each stored once.

Takes the shipped tasks; writes Parquet rows of sha256, name and content, to which `tasks.files`
points. Rows stand in the order of the tasks that use them first, so that the files of one source
lie together. Every content is checked against its hash while it is copied.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from extract.dataset import LicenceTier
from publish.data.parquet import TableRow, write_shards
from publish.release import PublishError, SplitCount
from publish.selecting.license_tiers import tier_order
from publish.writer import ReleaseContents, ReleaseWriter, unsplit
from transform.task import TaskFile

FILES_SCHEMA = pa.schema({"sha256": pa.string(), "name": pa.string(), "content": pa.binary()})


class FilesTable(ReleaseWriter):
    """Writes the config `files`."""

    name = "data/files"
    order = 30

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `data/files/<tier>-*.parquet`; files of recipes are not written."""
        stored = _stored_once(contents)
        for tier in sorted({tier for tier, _, _ in stored}):
            located = [(path, file) for owner, path, file in stored if owner == tier]
            sizes = [file.bytes for _, file in located]
            write_shards(folder / "data" / "files", tier, FILES_SCHEMA, located, sizes, file_row)
        return unsplit("files", len(stored))


def _stored_once(contents: ReleaseContents) -> list[tuple[LicenceTier, Path, TaskFile]]:
    """Each content with its tier and path, called as its first task does.

    A file of two tiers lies in the first, open before others: what is open must not be lost with
    the shards of a narrower licence.
    """
    first: dict[str, tuple[LicenceTier, Path, TaskFile]] = {}
    owned = [entry for entry in contents.tasks if not entry.is_recipe]
    for entry in sorted(owned, key=lambda entry: (tier_order(entry.tier), entry.task_id)):
        for file in entry.task.spec.files:
            path = contents.store.path(file.sha256)
            first.setdefault(file.sha256, (entry.tier, path, file))
    return list(first.values())


def file_row(located: tuple[Path, TaskFile]) -> TableRow:
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
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise PublishError(f"{path} has sha256 {actual}, expected {sha256}; delete it, build again")
    return content

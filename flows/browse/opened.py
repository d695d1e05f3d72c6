"""A release folder as its readers open it: rows by column, and the contents of task files.

Takes a folder that `opendare build` wrote, or that came from elsewhere; returns plain rows, and
files whose hash was checked. It imports pyarrow alone, so that looking costs no start of a build.
Everything in the folder is foreign: texts are returned as they stand, and whoever prints them
escapes them. Not guaranteed: that the folder is complete; `manifest.json` tells.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.terminal import printable

ReleaseRow = dict[str, Any]

_NEAR = 8
"""Names that are offered instead of one that is not there: what a person reads at a glance."""


class ReleaseError(Exception):
    """A release that cannot be read, or a name that is not in it; the message is complete.

    Names in it are those of strangers, so all of it is made printable here.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class OpenedRelease:
    """A release that lies in a folder. Raises `ReleaseError` where it does not."""

    folder: Path

    def __post_init__(self) -> None:
        if not any(self._shards("tasks")):
            raise ReleaseError(
                f"{self.folder} holds no release: expected data/tasks/*.parquet in it. "
                "`make build-split` makes build/release, `opendare build --out DIR` any other"
            )

    @cached_property
    def tasks(self) -> list[ReleaseRow]:
        """All tasks of all licence tiers by id, without their long texts; `split` beside them."""
        columns = ("task_id", "variant", "n_rows", "difficulty", "source_ref", "extra_info")
        rows = [*self.rows("tasks", columns), *self.rows("tasks_*", columns)]
        listed = [{**row, "split": row.pop("extra_info")["split"]} for row in rows]
        return sorted(listed, key=lambda row: str(row["task_id"]))

    @cached_property
    def rejects(self) -> list[ReleaseRow]:
        """All refusals, in the order of the release."""
        columns = ("key", "source_ref", "variant", "room", "reason", "value", "threshold")
        return list(self.rows("rejects", (*columns, "detail", "evidence")))

    @property
    def sources(self) -> list[str]:
        """`owner/slug` of every dataset that was read."""
        return [row["ref"] for row in self.rows("sources", ("ref",))]

    def rows(self, config: str, columns: Sequence[str] | None = None) -> Iterator[ReleaseRow]:
        """Rows of the folders `data/<config>`, a pattern; all columns unless some are named."""
        for path in self._shards(config):
            with _naming(path):
                table = pq.ParquetFile(path)
                if lacking := sorted({*(columns or ())} - {*table.schema_arrow.names}):
                    raise ReleaseError(
                        f"{path} lacks the columns {', '.join(lacking)}: another version of this "
                        "program wrote it; build again or look with that version"
                    )
                yield from table.read(columns=columns).to_pylist()

    def task(self, name: str) -> ReleaseRow:
        """The whole row of a task by its id or the unique beginning of it."""
        task_id = resolve_name(
            name, [row["task_id"] for row in self.tasks], f"task in {self.folder}"
        )
        for config in ("tasks", "tasks_*"):
            for row in self.rows(config):
                if row["task_id"] == task_id:
                    return row
        raise AssertionError(f"{task_id} is listed and has no row")

    def contents(self, task: ReleaseRow) -> dict[str, bytes]:
        """The public files of a task by name. Raises `ReleaseError` unless each has its hash."""
        wanted = {file["sha256"] for file in task["files"]}
        by_hash = dict(self._contents(wanted))
        return {file["name"]: _verified(file, by_hash, self.folder) for file in task["files"]}

    def _contents(self, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
        """Reads contents only of row groups that hold a wanted hash: a shard has 300 MB."""
        for path in self._shards("files"):
            with _naming(path):
                shard = pq.ParquetFile(path)
                for group in range(shard.num_row_groups):
                    hashes = shard.read_row_group(group, ["sha256"])["sha256"].to_pylist()
                    if wanted.isdisjoint(hashes):
                        continue
                    contents = shard.read_row_group(group, ["content"])["content"]
                    for sha256, content in zip(hashes, contents, strict=True):
                        if sha256 in wanted:
                            yield sha256, content.as_py()

    def _shards(self, config: str) -> list[Path]:
        return sorted(self.folder.glob(f"data/{config}/*.parquet"))


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Faults of a file become a `ReleaseError` that names it."""
    try:
        yield
    except (OSError, pa.ArrowException, KeyError) as fault:
        raise ReleaseError(f"{path} cannot be read: {fault}; build again") from None


def _verified(file: ReleaseRow, by_hash: dict[str, bytes], folder: Path) -> bytes:
    content, name = by_hash.get(file["sha256"]), file["name"]
    if content is None:
        raise ReleaseError(
            f"{name} is not in {folder}/data/files. A task whose licence lets a recipe only ship "
            f"gets its files by `opendare restore {folder}`; any other is damaged: build again"
        )
    observed = hashlib.sha256(content).hexdigest()
    if observed != file["sha256"]:
        expected = file["sha256"]
        raise ReleaseError(f"{name}: expected sha256 {expected}, found {observed}; build again")
    return content


def resolve_name(name: str, known: Sequence[str], what: str) -> str:
    """The one known name that is `name` or begins with it; `ReleaseError` names near ones."""
    if name in known:
        return name
    beginning = sorted({full for full in known if full.startswith(name)})
    if len(beginning) == 1:
        return beginning[0]
    near = beginning or _near(name, known)
    listed = "".join(f"\n  {full}" for full in near[:_NEAR])
    more = f"\n  and {len(near) - _NEAR} more" if len(near) > _NEAR else ""
    problem = f"no {what} is called" if not beginning else f"more than one {what} begins with"
    hint = f"; near ones:{listed}{more}" if near else ""
    raise ReleaseError(f"{problem} '{name}'{hint}")


def _near(name: str, known: Sequence[str]) -> list[str]:
    """Names that hold `name` somewhere, then those that are spelt alike."""
    inside = sorted({full for full in known if name.casefold() in full.casefold()})
    alike = get_close_matches(name, sorted(set(known)), n=_NEAR, cutoff=0.5)
    return list(dict.fromkeys((*inside, *alike)))

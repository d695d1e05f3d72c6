"""The small evaluation set: one sitting instead of a day.

Takes the evaluation tasks of the open tier; writes at most 50 of them with at most 50 MB of files,
as even over the variants as they allow. The choice depends on task ids alone, not on results.
"""

import hashlib
from collections.abc import Sequence
from itertools import chain, zip_longest
from pathlib import Path

from publish.data.tasks import write_split
from publish.release import SplitCount
from publish.released_task import ReleasedTask
from publish.selecting.license_tiers import DEFAULT_CONFIG
from publish.writer import ReleaseContents, ReleaseWriter

MAX_LITE_TASKS = 50
MAX_LITE_BYTES = 50 * 10**6


class LiteTable(ReleaseWriter):
    """Writes the config `lite`."""

    name = "data/lite"
    order = 20

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `data/lite/eval-*.parquet`, or nothing when there is nothing to evaluate on."""
        default = [entry for entry in contents.tasks if entry.config == DEFAULT_CONFIG]
        chosen = lite([entry for entry in default if entry.side == "eval"])
        return [write_split(folder, "lite", "eval", chosen, contents)] if chosen else []


def lite(
    evals: Sequence[ReleasedTask], max_tasks: int = MAX_LITE_TASKS, max_bytes: int = MAX_LITE_BYTES
) -> list[ReleasedTask]:
    """The chosen tasks by id: variants take turns, each in the order of its ids' hashes."""
    chosen: list[ReleasedTask] = []
    files: dict[str, int] = {}
    for entry in _turns(evals):
        wanted = files | {file.sha256: file.bytes for file in entry.task.spec.files}
        if len(chosen) < max_tasks and sum(wanted.values()) <= max_bytes:
            chosen.append(entry)
            files = wanted
    return sorted(chosen, key=lambda entry: entry.task_id)


def _turns(evals: Sequence[ReleasedTask]) -> list[ReleasedTask]:
    queues: dict[str, list[ReleasedTask]] = {}
    for entry in sorted(evals, key=_hash_of_id):
        queues.setdefault(entry.task.spec.instructions.variant, []).append(entry)
    turns = zip_longest(*(queues[variant] for variant in sorted(queues)))
    return [entry for entry in chain.from_iterable(turns) if entry is not None]


def _hash_of_id(entry: ReleasedTask) -> str:
    # In the order of ids one owner's tasks would come first; a hash mixes sources, always equally.
    return hashlib.sha256(entry.task_id.encode()).hexdigest()

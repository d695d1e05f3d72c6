"""The small evaluation set: one sitting instead of a day.

Enter the evaluation tasks of the open tier; leave at most 50 of them with at most 50 MB of files,
as even over the variants as they allow. The choice depends on task ids alone, not on results.
"""

import hashlib
from collections.abc import Sequence
from itertools import chain, zip_longest

from publish.data.tasks import Placed

MAX_TASKS = 50
MAX_BYTES = 50 * 10**6


def lite(evals: Sequence[Placed]) -> list[Placed]:
    """The chosen tasks by id: variants take turns, each in the order of its ids' hashes."""
    chosen: list[Placed] = []
    files: dict[str, int] = {}
    for entry in _turns(evals):
        wanted = files | {file.sha256: file.bytes for file in entry.task.spec.files}
        if len(chosen) < MAX_TASKS and sum(wanted.values()) <= MAX_BYTES:
            chosen.append(entry)
            files = wanted
    return sorted(chosen, key=lambda entry: entry.task.spec.task_id)


def _turns(evals: Sequence[Placed]) -> list[Placed]:
    queues: dict[str, list[Placed]] = {}
    for entry in sorted(evals, key=_lot):
        queues.setdefault(entry.task.spec.instructions.variant, []).append(entry)
    turns = zip_longest(*(queues[variant] for variant in sorted(queues)))
    return [entry for entry in chain.from_iterable(turns) if entry is not None]


def _lot(entry: Placed) -> str:
    return hashlib.sha256(entry.task.spec.task_id.encode()).hexdigest()

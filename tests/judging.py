"""The verdict on a task that lies in a folder, without the memory of a build."""

import tempfile
from collections.abc import Sequence
from typing import Any

from extract.memory import Memory
from extract.store import Store, sha256_of
from transform.files.task_folder import TaskFolder
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.judge import judge
from validate.verdict import Verdict


def judged(task: TaskFolder, gates: Sequence[Gate], executor: Executor) -> Verdict:
    """What the gates say of the files as they lie there, whatever the spec says of their hashes."""
    files = [_replaced(file, sha256=sha256_of(task.public / file.name)) for file in task.spec.files]
    spec = _replaced(task.spec, files=tuple(files))
    truth = _replaced(task.truth, sha256=sha256_of(task.truth_file))
    with tempfile.TemporaryDirectory() as place:
        store = Store(place).opened()
        kept = TaskFolder(spec=spec, folder=task.folder, truth=truth).keep(store)
        verdict, _ = judge(kept, gates, executor, Memory(store))
    return verdict


def _replaced(noun: Any, **fields: Any) -> Any:
    return noun.model_copy(update=fields)

"""The stages of a build for one dataset: asks the memory first, then the room.

Each function takes what the stage before handed over and returns nouns and drops. Complete results
are remembered under the hash of everything they depend on, code and libraries included; results
that owe work or hold a fault are not, so the next run tries them again. An exception from a room
is a fault of ours that one dataset has brought out: it becomes a `Drop` with the error, and the
other datasets go on. An `OSError` says that this machine is broken, not the data: it is owed.
"""

import hashlib
import json
import traceback
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from numpy.linalg import LinAlgError
from pydantic import BaseModel
from sklearn.exceptions import ConvergenceWarning

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop, Reason, Room
from extract.read import read_dataset
from extract.source import Source
from extract.store import Store, code_fingerprint
from extract.workers import WorkerDied, Workers, WorkerTimeout, run_patiently
from flows.settings import Settings
from publish.release import Released
from transform.design import design
from transform.task import Draft, Task
from validate.controls import answer_of, controls_json, run_controls
from validate.judge import judge
from validate.lab import Laboratory
from validate.verdict import Check, Verdict

_T = TypeVar("_T")


def extract_dataset(
    ref: DatasetRef, source: Source, store: Store, workers: Workers, settings: Settings
) -> tuple[RawDataset | Drop, ...]:
    """One dataset, or why not."""
    return _guarded(
        ref.key, "extract", lambda: (read_dataset(source, ref, store, workers, settings.read),)
    )


def design_dataset(
    raw: RawDataset, store: Store, workers: Workers, settings: Settings
) -> tuple[Draft | Drop, ...]:
    """All drafts of a dataset, laid out in STATE."""
    limits = settings.gates.size.limits
    key = _key(("extract", "transform"), raw, settings.design, limits, settings.seed)

    def compute() -> tuple[Draft | Drop, ...]:
        folder = store.root / "drafts" / key[:16]
        arguments = (raw, settings.design, limits, settings.seed, folder)
        return run_patiently(
            workers, design, *arguments, timeout_s=settings.workers.design_timeout_s
        )

    return _remembered(store, "design", key, tuple[Draft | Drop, ...], raw.ref.key, compute)


def execute_drafts(
    drafts: tuple[Draft, ...], store: Store, lab: Laboratory, settings: Settings
) -> tuple[Task | Drop, ...]:
    """The drafts of one dataset with their truth."""
    key = _key(("extract", "transform"), *drafts)

    def compute() -> tuple[Task | Drop, ...]:
        return tuple(_execute(draft, lab) for draft in drafts)

    source = drafts[0].spec.source.key
    return _remembered(store, "execute", key, tuple[Task | Drop, ...], source, compute)


def _execute(draft: Draft, lab: Laboratory) -> Task | Drop:
    if draft.truth is not None:
        return Task(spec=draft.spec, folder=draft.folder, truth=draft.truth)
    try:
        truth = lab.execute(draft, draft.private / "truth.parquet")
    except (ValueError, ArithmeticError, LinAlgError, ConvergenceWarning) as error:
        # What estimators raise on data that they cannot fit; anything else is a fault of ours.
        return _refusal(draft, "transform", Reason.NO_FIT, f"{type(error).__name__}: {error}")
    return Task(spec=draft.spec, folder=draft.folder, truth=truth)


def validate_tasks(
    tasks: tuple[Task, ...], store: Store, lab: Laboratory, settings: Settings
) -> tuple[Released | Drop, ...]:
    """The tasks of one dataset that passed every gate, and why the others did not."""
    key = _key(("extract", "transform", "validate", "publish"), *tasks, settings.gates)

    def compute() -> tuple[Released | Drop, ...]:
        verdicts = ((task, judge(task, settings.gate_models(), lab)) for task in tasks)
        return tuple(_released(task, verdict) for task, verdict in verdicts)

    source = tasks[0].spec.source.key
    return _remembered(store, "validate", key, tuple[Released | Drop, ...], source, compute)


def _released(task: Task, verdict: Verdict) -> Released | Drop:
    check = verdict.refusal
    if check is None:
        controls = controls_json(run_controls(answer_of(task)))
        return Released(task=task, verdict=verdict, controls=controls)
    return _gate_refusal(task, check)


def _gate_refusal(task: Task, check: Check) -> Drop:
    return Drop(
        key=task.spec.task_id,
        source=task.spec.source.key,
        room="validate",
        reason=check.name,
        detail=f"gate {check.name}: {check.evidence or 'below its threshold'}",
        variant=task.spec.instructions.variant,
        transient=check.verdict in ("error", "timeout"),
        value=check.value,
        threshold=check.threshold,
        evidence=check.evidence,
    )


def _refusal(draft: Draft, room: Room, reason: Reason, detail: str) -> Drop:
    return Drop(
        key=draft.spec.task_id,
        source=draft.spec.source.key,
        room=room,
        reason=reason,
        detail=detail,
        variant=draft.spec.instructions.variant,
        evidence=detail,
    )


# --- memory and faults ------------------------------------------------------------------------


def _remembered(
    store: Store,
    stage: str,
    key: str,
    kind: type[tuple[_T | Drop, ...]],
    source: str,
    compute: Callable[[], tuple[_T | Drop, ...]],
) -> tuple[_T | Drop, ...]:
    """The remembered result, or a new one that is remembered when it owes nothing."""
    known = store.load(stage, key, kind)
    if known is not None and all(map(_is_whole, known)):
        return known
    room: Room = "validate" if stage == "validate" else "transform"
    result = _guarded(source, room, compute)
    if not any(isinstance(item, Drop) and _may_change(item) for item in result):
        store.save(stage, key, result)
    return result


def _is_whole(item: object) -> bool:
    """False when files that a remembered task names are gone."""
    task = item.task if isinstance(item, Released) else item
    if not isinstance(task, Draft | Task):
        return True
    truth = [task.truth.path] if task.truth is not None else []
    files = [task.public / file.name for file in task.spec.files]
    return all(path.is_file() for path in (*files, *truth))


def _may_change(drop: Drop) -> bool:
    return drop.transient or drop.reason == Reason.CRASHED


def _guarded(
    source: str, room: Room, compute: Callable[[], tuple[_T | Drop, ...]]
) -> tuple[_T | Drop, ...]:
    try:
        return compute()
    except WorkerTimeout as error:
        return (_fault(source, room, Reason.TIMEOUT, error, transient=True),)
    except WorkerDied as error:
        return (_fault(source, room, Reason.WORKER_DIED, error, transient=True),)
    except Exception as error:
        transient = isinstance(error, OSError)
        return (_fault(source, room, Reason.CRASHED, error, transient=transient),)


def _fault(source: str, room: Room, reason: Reason, error: Exception, *, transient: bool) -> Drop:
    return Drop(
        key=source,
        source=source,
        room=room,
        reason=reason,
        detail=f"{type(error).__name__}: {error}",
        transient=transient,
        evidence="".join(traceback.format_exception(error))[-2000:],
    )


def _key(rooms: tuple[str, ...], *parts: BaseModel | int) -> str:
    """Hash of the code of the rooms and of everything that goes in."""
    inputs = (part.model_dump_json() if isinstance(part, BaseModel) else part for part in parts)
    texts = [_code(rooms), *inputs]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


@cache
def _code(rooms: tuple[str, ...]) -> str:
    return code_fingerprint(*rooms)

"""The stages of a build for one dataset: asks the memory first, then the room.

Each function takes what the stage before handed over and returns nouns and drops. Complete results
are remembered under the hash of everything they depend on, code and libraries included; results
that owe work or hold a fault are not, so the next run tries them again. An exception from a room
is a fault of ours that one dataset has brought out: it becomes a `Drop` with the error, and the
other datasets go on. An `OSError` says that this machine is broken, not the data: it is pending.
"""

import hashlib
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop, Reason, Room
from extract.evidence.evidence import SourceEvidence, look_at
from extract.evidence.near_duplicates.clusters import cluster
from extract.evidence.well_known import well_known_evidence
from extract.reading.read import read_dataset
from extract.source import Listing, Source
from extract.store import Store, code_fingerprint
from extract.workers import WorkerDied, Workers, WorkerTimeout, run_patiently
from flows.settings import Settings
from publish.selecting.split import SplitEvidence, gather
from transform.plan import Plan
from transform.plan_tasks import design
from validate.environments.executor import Executor
from validate.trial import Trial, prove

_T = TypeVar("_T")


class _Where(NamedTuple):
    """What a stage works on, for the words of a fault."""

    key: str
    source: str
    room: Room


def fetch_dataset(ref: DatasetRef, source: Source) -> tuple[Listing | Drop, ...]:
    """The files of one dataset, brought where they are not here yet, or why not."""
    return _guarded(_Where(ref.key, ref.key, "extract"), lambda: (source.fetch(ref),))


def extract_dataset(
    ref: DatasetRef, source: Source, store: Store, workers: Workers, settings: Settings
) -> tuple[RawDataset | Drop, ...]:
    """One dataset, or why not."""
    where = _Where(ref.key, ref.key, "extract")
    return _guarded(where, lambda: (read_dataset(source, ref, store, workers, settings.read),))


def inspect_source(
    raw: RawDataset, store: Store, workers: Workers, settings: Settings
) -> tuple[SourceEvidence | Drop, ...]:
    """What speaks for and about a dataset, or why it cannot be used."""
    key = _key(("extract", "transform", "validate"), raw, settings.evidence)

    def compute() -> tuple[SourceEvidence | Drop, ...]:
        limit_s = settings.workers.design_timeout_s
        return (run_patiently(workers, look_at, raw, settings.evidence, timeout_s=limit_s),)

    where = _Where(raw.ref.key, raw.ref.key, "validate")
    return _remembered(store, "inspect", key, tuple[SourceEvidence | Drop, ...], where, compute)


def compare_sources(
    evidence: Sequence[SourceEvidence], store: Store, workers: Workers, settings: Settings
) -> tuple[SplitEvidence | Drop, ...]:
    """What all sources together say about train and eval."""
    key = _key(("extract", "transform", "validate", "publish"), *evidence)

    def compute() -> tuple[SplitEvidence | Drop, ...]:
        arguments = (evidence, store.root / "well_known")
        limit_s = settings.workers.design_timeout_s
        return (run_patiently(workers, _compared, *arguments, timeout_s=limit_s),)

    where = _Where("all sources", "all sources", "validate")
    return _remembered(store, "compare", key, tuple[SplitEvidence | Drop, ...], where, compute)


def _compared(evidence: Sequence[SourceEvidence], folder: Path) -> SplitEvidence:
    return gather(evidence, cluster(evidence, well_known_evidence(folder)))


def design_dataset(
    raw: RawDataset, store: Store, workers: Workers, settings: Settings
) -> tuple[Plan | Drop, ...]:
    """All plans of a dataset; their splits lie in STATE."""
    limits = settings.gates.size.limits
    key = _key(("extract", "transform"), raw, settings.design, limits, settings.seed)

    def compute() -> tuple[Plan | Drop, ...]:
        arguments = (raw, settings.design, limits, settings.seed, store.root / "splits" / key[:16])
        return run_patiently(
            workers, design, *arguments, timeout_s=settings.workers.design_timeout_s
        )

    where = _Where(raw.ref.key, raw.ref.key, "transform")
    return _remembered(store, "design", key, tuple[Plan | Drop, ...], where, compute)


def try_plan(
    item: tuple[Plan, RawDataset], store: Store, executor: Executor, settings: Settings
) -> tuple[Trial | Drop, ...]:
    """What came of one plan; a `Drop` when this program or a worker failed at it."""
    plan, raw = item
    gates = settings.gate_models()
    parts = (raw, plan, settings.design, settings.gates, settings.environments)
    key = _key(("extract", "transform", "validate"), *parts)

    def compute() -> tuple[Trial | Drop, ...]:
        limits, folder = settings.gates.size.limits, store.root / "tasks" / key[:16]
        return (prove(raw, plan, settings.design, limits, gates, executor, folder),)

    where = _Where(plan.task_id, raw.ref.key, "validate")
    return _remembered(store, "try", key, tuple[Trial | Drop, ...], where, compute)


# --- memory and faults ------------------------------------------------------------------------


def _remembered(
    store: Store,
    stage: str,
    key: str,
    kind: type[tuple[_T | Drop, ...]],
    where: _Where,
    compute: Callable[[], tuple[_T | Drop, ...]],
) -> tuple[_T | Drop, ...]:
    """The remembered result, or a new one that is remembered when it owes nothing."""
    known = store.load(stage, key, kind)
    if known is not None and all(map(_is_whole, known)):
        return known
    result = _guarded(where, compute)
    if not any(map(_may_change, result)):
        store.save(stage, key, result)
    return result


def _is_whole(item: object) -> bool:
    """False when files that a remembered result names are gone."""
    if isinstance(item, Plan):
        return item.split.path.is_file()
    if not isinstance(item, Trial) or isinstance(item.result, Drop):
        return True
    task = item.result
    files = [task.public / file.name for file in task.spec.files]
    return all(path.is_file() for path in (*files, task.truth.path))


def _may_change(item: object) -> bool:
    drop = item.result if isinstance(item, Trial) else item
    return isinstance(drop, Drop) and (drop.transient or drop.reason == Reason.CRASHED)


def _guarded(where: _Where, compute: Callable[[], tuple[_T | Drop, ...]]) -> tuple[_T | Drop, ...]:
    try:
        return compute()
    except WorkerTimeout as error:
        return (_fault(where, Reason.TIMEOUT, error, transient=True),)
    except WorkerDied as error:
        return (_fault(where, Reason.WORKER_DIED, error, transient=True),)
    except Exception as error:
        return (_fault(where, Reason.CRASHED, error, transient=isinstance(error, OSError)),)


def _fault(where: _Where, reason: Reason, error: Exception, *, transient: bool) -> Drop:
    """The traceback is for us, on standard error: paths of this machine may not be published."""
    traceback.print_exception(error, file=sys.stderr)
    return Drop(
        key=where.key,
        source=where.source,
        room=where.room,
        reason=reason,
        detail=f"{type(error).__name__}: {error}",
        transient=transient,
    )


def _key(rooms: tuple[str, ...], *parts: BaseModel | int) -> str:
    """Hash of the code of the rooms and of everything that goes in."""
    inputs = (part.model_dump_json() if isinstance(part, BaseModel) else part for part in parts)
    texts = [_code(rooms), *inputs]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()


@cache
def _code(rooms: tuple[str, ...]) -> str:
    return code_fingerprint(*rooms)

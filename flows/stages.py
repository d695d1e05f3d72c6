"""The stages of a build, each for one item: nouns and settings in, nouns and drops out.

A stage asks the memory first, then the room. What is remembered stands under the hash of what goes
in and of the code that the room's function reaches; results that are pending or hold a fault are
not kept, so the next build tries them again. An exception from a room is a fault of ours that one
dataset has brought out: it becomes a `Drop` with the error, and the other datasets go on. An
`OSError` says that this machine is broken, not the data: it is pending.

A stage gets no live store, pool, lock or path: it opens what it needs from the settings
(`resources.py`), so it runs in any process that reaches the store.
"""

import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop, Reason, Room
from extract.evidence.evidence import SourceEvidence, stored_evidence
from extract.memory import Stage
from extract.reading.read import read_dataset
from extract.source import Listing
from extract.store import StoreError
from extract.workers import WorkerDied, WorkerTimeout, run_patiently
from flows.resources import Resources, resources
from flows.settings import Settings
from publish.selecting.gather import stored_comparison
from publish.selecting.split import SplitEvidence
from transform.plan import Plan
from transform.plan_tasks import plan_tasks
from transform.profile.measure import stored_profile
from transform.profile.profile import Profile
from transform.proposal import Proposal
from transform.propose.heuristic import HeuristicProposer
from validate.prover import Prover
from validate.trial import Trial

_T = TypeVar("_T")


class _Where(NamedTuple):
    """What a stage works on, for the words of a fault."""

    key: str
    source: str
    room: Room


def fetch_dataset(ref: DatasetRef, settings: Settings) -> tuple[Listing | Drop, ...]:
    """The files of one dataset, brought where they are not here yet, or why not."""
    source = resources(settings).source
    return _guarded(_Where(ref.key, ref.key, "extract"), lambda: (source.fetch(ref),))


def extract_dataset(ref: DatasetRef, settings: Settings) -> tuple[RawDataset | Drop, ...]:
    """One dataset, or why not."""
    at = resources(settings)
    return _guarded(
        _Where(ref.key, ref.key, "extract"),
        lambda: (read_dataset(at.source, ref, at.memory, at.readers, settings.read),),
    )


def inspect_source(raw: RawDataset, settings: Settings) -> tuple[SourceEvidence | Drop, ...]:
    """What speaks for and about a dataset, or why it cannot be used."""
    return _remembered(
        resources(settings),
        Stage("inspect", (stored_evidence,)),
        (raw,),
        tuple[SourceEvidence | Drop, ...],
        _Where(raw.ref.key, raw.ref.key, "extract"),
        lambda at: (_run(at, stored_evidence, raw, at.store),),
    )


def compare_sources(
    evidence: Sequence[SourceEvidence], settings: Settings
) -> tuple[SplitEvidence | Drop, ...]:
    """What all sources together say about train and eval."""
    return _remembered(
        resources(settings),
        Stage("compare", (stored_comparison,)),
        (list(evidence),),
        tuple[SplitEvidence | Drop, ...],
        _Where("all sources", "all sources", "extract"),
        lambda at: (_run(at, stored_comparison, evidence, at.store),),
    )


def profile_dataset(raw: RawDataset, settings: Settings) -> tuple[Profile | Drop, ...]:
    """What was measured of a dataset, for whoever proposes tasks on it."""
    splitting = settings.splitting
    return _remembered(
        resources(settings),
        Stage("profile", (stored_profile,)),
        (raw, settings.profile, splitting),
        tuple[Profile | Drop, ...],
        _Where(raw.ref.key, raw.ref.key, "transform"),
        lambda at: (_run(at, stored_profile, raw, settings.profile, splitting, at.store),),
    )


def propose_tasks(
    item: tuple[Profile, SourceEvidence], settings: Settings
) -> tuple[Proposal | Drop, ...]:
    """Proposals for a dataset, made in this thread: a proposer waits for others, or takes no time.

    What matters to it is the profile, so tables may be gone.
    """
    measured, evidence = item
    proposer = HeuristicProposer(settings.propose)
    return _remembered(
        resources(settings),
        Stage("propose", (HeuristicProposer,)),
        (measured, evidence, settings.propose),
        tuple[Proposal | Drop, ...],
        _Where(measured.dataset.key, measured.dataset.key, "transform"),
        lambda _: _all(proposer.propose(measured, evidence)),
    )


def plan_dataset(
    item: tuple[RawDataset, Profile, tuple[Proposal, ...]], settings: Settings
) -> tuple[Plan | Drop, ...]:
    """All plans of a dataset, from the proposals that are feasible."""
    raw, measured, proposals = item
    splitting = settings.splitting
    return _remembered(
        resources(settings),
        Stage("plan", (plan_tasks,)),
        (raw, measured, proposals, splitting),
        tuple[Plan | Drop, ...],
        _Where(raw.ref.key, raw.ref.key, "transform"),
        lambda at: _run(at, plan_tasks, raw, measured, proposals, splitting, at.store),
        files=lambda plans: (plan.split.sha256 for plan in plans if isinstance(plan, Plan)),
    )


def try_plan(item: tuple[Plan, RawDataset], settings: Settings) -> tuple[Trial | Drop, ...]:
    """What came of one plan; a `Drop` when this program or a worker failed at it.

    A trial is put together from what is remembered of its attempts.
    """
    plan, raw = item
    at = resources(settings)
    prover = Prover(
        settings.design,
        settings.gates.size,
        settings.gate_models(),
        at.executor,
        at.memory,
    )
    where = _Where(plan.task_id, raw.ref.key, "validate")
    return _guarded(where, lambda: (prover.prove(raw, plan),))


# --- memory and faults ------------------------------------------------------------------------


def _run(at: Resources, function: Callable[..., _T], *args: object) -> _T:
    """In a pinned worker, with the limit of one dataset."""
    limit_s = at.settings.workers.dataset_timeout_s
    return run_patiently(at.pinned, function, *args, timeout_s=limit_s)


def _all(outcome: tuple[_T, ...] | Drop) -> tuple[_T | Drop, ...]:
    return (outcome,) if isinstance(outcome, Drop) else outcome


def _remembered(
    at: Resources,
    stage: Stage,
    inputs: Sequence[object],
    kind: type[tuple[_T | Drop, ...]],
    where: _Where,
    compute: Callable[[Resources], tuple[_T | Drop, ...]],
    files: Callable[[tuple[_T | Drop, ...]], Iterable[str]] = lambda _: (),
) -> tuple[_T | Drop, ...]:
    """The remembered result, or a new one that is remembered when nothing of it is pending."""
    return at.memory.recall(
        stage,
        inputs,
        kind,
        lambda: _guarded(where, lambda: compute(at)),
        files=files,
        is_final=lambda result: not any(map(_may_change, result)),
    )


def _may_change(item: object) -> bool:
    return isinstance(item, Drop) and (item.transient or item.reason == Reason.CRASHED)


def _guarded(where: _Where, compute: Callable[[], tuple[_T | Drop, ...]]) -> tuple[_T | Drop, ...]:
    try:
        return compute()
    except WorkerTimeout as error:
        return (_fault(where, Reason.TIMEOUT, error, transient=True),)
    except WorkerDied as error:
        return (_fault(where, Reason.WORKER_DIED, error, transient=True),)
    except Exception as error:
        # A broken disk, or a file that the store has lost, says nothing about the data.
        broken = isinstance(error, OSError | StoreError)
        return (_fault(where, Reason.CRASHED, error, transient=broken),)


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

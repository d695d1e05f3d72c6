"""The whole walk: sources to datasets to drafts to tasks to verdicts to a release.

    refs --extract--> datasets --design--> drafts --execute--> tasks --validate--> released
         --publish--> folder

A Prefect flow with one task for each dataset and stage. What a stage hands over for a dataset is
remembered in STATE under the hash of all that it depends on, so a build that was killed continues
where it stood, and one that changes nothing computes nothing. Results depend neither on the number
of workers nor on the order in which they finish. A dataset that fails in any way costs itself only;
work that is owed (a worker died twice, a check could not be computed) stops the release, not the
build.
"""

import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop
from extract.store import Store
from extract.workers import Workers
from flows.lock import StateInUseError, sole_build
from flows.progress import Progress, Summary, print_summary
from flows.settings import Settings, resolved
from flows.sources import open_source
from flows.stages import design_dataset, execute_drafts, extract_dataset, validate_tasks
from publish.folder import publish
from publish.release import PublishError, Release, Released
from publish.swap import check_destination
from transform.task import Draft, Task
from validate.lab import Laboratory

EXIT_DONE, EXIT_REFUSED, EXIT_OWED = 0, 2, 3
_LAYOUT = "expected <owner>/<slug>/dataset-metadata.json beside the files"
_Item = TypeVar("_Item", Draft, Task)


@dataclass
class Walk:
    """What came of a build so far; filled stage by stage."""

    refs: Sequence[DatasetRef] = ()
    raws: Sequence[RawDataset] = ()
    drafts: Sequence[Draft] = ()
    tasks: Sequence[Task] = ()
    released: Sequence[Released] = ()
    release: Release | None = None
    refusal: str = ""
    drops: list[Drop] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def owed(self) -> list[Drop]:
        """Work that another run may do."""
        return [drop for drop in self.drops if drop.transient]


def build(settings: Settings) -> int:
    """Build a release and print what came of it; returns the exit code of `opendare build`."""
    try:
        check_destination(settings.out)
        with sole_build(settings.state):
            if not open_source(settings).refs():
                print(f"no dataset in {settings.source.mirror}: {_LAYOUT}", file=sys.stderr)
                return EXIT_REFUSED
            walk = build_split.with_options(task_runner=_threads(settings))(settings)
    except (PublishError, StateInUseError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    print_summary(_summary(walk))
    if walk.refusal:
        print(walk.refusal, file=sys.stderr)
        return EXIT_REFUSED
    if walk.release is None:
        _tell_owed(walk)
        return EXIT_OWED
    state = "written" if walk.release.changed else "unchanged"
    print(f"release {state}: {walk.release.folder}")
    return EXIT_DONE


@flow(name="build-split", validate_parameters=False)
def build_split(settings: Settings) -> Walk:
    """Walk all datasets of the source through the rooms."""
    walk, store = Walk(), Store(settings.state)
    source = open_source(settings)
    processes = settings.workers.processes
    walk.refs = source.refs()

    with Workers(processes, memory_mb=settings.read.memory_mb) as workers:
        tools = (source, store, workers, settings)
        walk.raws = _each(walk, "extract", extract_dataset, walk.refs, *tools)
    with Workers(processes) as workers:
        walk.drafts = _each(walk, "design", design_dataset, walk.raws, store, workers, settings)
    with Laboratory(settings.workers.lab, processes) as lab:
        drafts = _by_source(walk.drafts)
        walk.tasks = _each(walk, "execute", execute_drafts, drafts, store, lab, settings)
        tasks = _by_source(walk.tasks)
        walk.released = _each(walk, "validate", validate_tasks, tasks, store, lab, settings)
    if not walk.owed:
        _publish(walk, settings)
    return walk


def _threads(settings: Settings) -> TaskRunner[PrefectFuture[Any]]:
    """Threads hand work to processes and wait; a few more than processes keep those busy."""
    runner: Any = ThreadPoolTaskRunner(max_workers=settings.workers.processes + 2)
    return cast(TaskRunner[PrefectFuture[Any]], runner)


def _publish(walk: Walk, settings: Settings) -> None:
    with _clock(walk, "publish"):
        parts = (walk.released, walk.raws, walk.drops)
        try:
            walk.release = publish(*parts, settings.publish, resolved(settings), settings.out)
        except PublishError as error:
            # Raised through the flow, Prefect would print it as a crash.
            walk.refusal = str(error)
            return
    walk.drops += walk.release.refused
    refused = {drop.key for drop in walk.release.refused}
    walk.released = [r for r in walk.released if r.task.spec.task_id not in refused]


# --- running a stage --------------------------------------------------------------------------


def _each(
    walk: Walk, stage: str, unit: Callable[..., Any], items: Sequence[Any], *tools: object
) -> list[Any]:
    """`unit(item, *tools)` for each item as a Prefect task of its own.

    Nouns come back in the order of the items, whichever finished first; drops go to the walk.
    """
    run = task(name=stage, cache_policy=NO_CACHE, persist_result=False)(unit)
    with _clock(walk, stage), Progress(stage, len(items)) as progress:
        futures = {run.submit(item, *tools): item for item in items}
        for done in as_completed(list(futures)):
            progress.advance(_name(futures[done]))
        found = [result for future in futures for result in future.result()]
    walk.drops += [item for item in found if isinstance(item, Drop)]
    return [item for item in found if not isinstance(item, Drop)]


def _name(item: Any) -> str:
    """The dataset that an item of any stage belongs to."""
    first = item[0].spec.source if isinstance(item, tuple) else getattr(item, "ref", item)
    return str(first)


@contextmanager
def _clock(walk: Walk, stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    walk.seconds[stage] = time.monotonic() - start


def _by_source(items: Sequence[_Item]) -> list[tuple[_Item, ...]]:
    groups: dict[str, list[_Item]] = {}
    for item in items:
        groups.setdefault(item.spec.source.key, []).append(item)
    return [tuple(group) for group in groups.values()]


# --- the closing words ------------------------------------------------------------------------


def _summary(walk: Walk) -> Summary:
    variants = Counter(item.task.spec.instructions.variant for item in walk.released)
    final = [drop for drop in walk.drops if not drop.transient]
    return Summary(
        funnel={
            "sources": len(walk.refs),
            "datasets": len(walk.raws),
            "drafts": len(walk.drafts),
            "tasks": len(walk.tasks),
            "released" if walk.release else "passed": len(walk.released),
            "their sources": len({item.task.spec.source.key for item in walk.released}),
        },
        refused=dict(sorted(Counter(f"{d.room}: {d.reason}" for d in final).items())),
        variants=dict(sorted(variants.items())),
        seconds=walk.seconds,
    )


def _tell_owed(walk: Walk) -> None:
    """Equal reasons are told once, with one key and how many more there are."""
    by_reason: dict[str, list[str]] = {}
    for drop in walk.owed:
        by_reason.setdefault(f"{drop.reason}: {drop.detail}", []).append(drop.key)
    for reason, keys in by_reason.items():
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        print(f"owed: {keys[0]}{more}: {reason}", file=sys.stderr)
    command = shlex.join(["opendare", *sys.argv[1:]])
    print(f"no release: {len(walk.owed)} items are owed; continue with: {command}", file=sys.stderr)

"""The whole walk: sources to datasets to drafts to tasks to verdicts to a release.

    refs --extract--> datasets --design--> drafts --execute--> tasks --validate--> released --publish--> folder

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
from typing import Any, TypeVar

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop
from extract.source import Source
from extract.store import Store
from extract.workers import Workers
from flows.lab import Laboratory
from flows.progress import Progress, Summary, print_summary
from flows.settings import Settings, resolved
from flows.sources import open_source
from flows.stages import design_dataset, execute_drafts, extract_dataset, validate_tasks
from publish.folder import publish
from publish.release import PublishError, Release, Released
from transform.task import Draft, Task

EXIT_DONE, EXIT_REFUSED, EXIT_OWED = 0, 2, 3
_Item = TypeVar("_Item", Draft, Task)


@dataclass
class Walk:
    """What came of a build so far; filled stage by stage."""

    refs: tuple[DatasetRef, ...] = ()
    raws: list[RawDataset] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    released: list[Released] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)
    release: Release | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def owed(self) -> list[Drop]:
        """Work that another run may do."""
        return [drop for drop in self.drops if drop.transient]


def build(settings: Settings) -> int:
    """Build a release and print what came of it; returns the exit code of `opendare build`."""
    try:
        walk = build_split(settings)
    except PublishError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    print_summary(_summary(walk))
    if walk.release is None:
        _tell_owed(walk)
        return EXIT_OWED
    state = "written" if walk.release.changed else "unchanged"
    print(f"release {state}: {walk.release.folder}")
    return EXIT_DONE


@flow(
    name="build-split", task_runner=ThreadPoolTaskRunner(max_workers=4), validate_parameters=False
)
def build_split(settings: Settings) -> Walk:
    """Walk all datasets of the source through the rooms."""
    walk = Walk()
    store = Store(settings.state)
    processes = settings.workers.processes
    source = open_source(settings)
    walk.refs = source.refs()

    with Workers(processes, memory_mb=settings.read.memory_mb) as workers:
        _extract(walk, source, store, workers, settings)
    with Workers(processes) as workers:
        _design(walk, store, workers, settings)
    with Laboratory(settings.workers.lab) as lab:
        _execute(walk, store, lab, settings)
        _validate(walk, store, lab, settings)
    if not walk.owed:
        with _clock(walk, "publish"):
            walk.release = publish(
                walk.released,
                walk.raws,
                walk.drops,
                settings.publish,
                resolved(settings),
                settings.out,
            )
            walk.drops += walk.release.refused
    return walk


def _extract(
    walk: Walk, source: Source, store: Store, workers: Workers, settings: Settings
) -> None:
    results = _each(walk, "extract", extract_dataset, walk.refs, source, store, workers, settings)
    _sort_into(walk.raws, walk.drops, results)


def _design(walk: Walk, store: Store, workers: Workers, settings: Settings) -> None:
    results = _each(walk, "design", design_dataset, walk.raws, store, workers, settings)
    _sort_into(walk.drafts, walk.drops, results)


def _execute(walk: Walk, store: Store, lab: Laboratory, settings: Settings) -> None:
    by_source = _by_source(walk.drafts)
    results = _each(walk, "execute", execute_drafts, by_source, store, lab, settings)
    _sort_into(walk.tasks, walk.drops, results)


def _validate(walk: Walk, store: Store, lab: Laboratory, settings: Settings) -> None:
    by_source = _by_source(walk.tasks)
    results = _each(walk, "validate", validate_tasks, by_source, store, lab, settings)
    _sort_into(walk.released, walk.drops, results)


# --- running a stage --------------------------------------------------------------------------


def _each(
    walk: Walk, stage: str, unit: Callable[..., Any], items: Sequence[Any], *tools: object
) -> Iterator[Any]:
    """`unit(item, *tools)` for each item as a Prefect task; nouns and drops in the order of items."""
    run = task(unit, name=stage, cache_policy=NO_CACHE, persist_result=False)
    with _clock(walk, stage), Progress(stage, len(items)) as progress:
        futures = [run.submit(item, *tools) for item in items]
        for done in as_completed(futures):
            progress.advance(done.task_run_id.hex[:8])
        results = [future.result() for future in futures]
    for result in results:
        yield from result


@contextmanager
def _clock(walk: Walk, stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    walk.seconds[stage] = time.monotonic() - start


def _sort_into(nouns: list[Any], drops: list[Drop], results: Iterator[Any]) -> None:
    for result in results:
        (drops if isinstance(result, Drop) else nouns).append(result)


def _by_source(items: Sequence[_Item]) -> list[tuple[_Item, ...]]:
    groups: dict[str, list[_Item]] = {}
    for item in items:
        groups.setdefault(item.spec.source.key, []).append(item)
    return [tuple(group) for group in groups.values()]


# --- the closing words ------------------------------------------------------------------------


def _summary(walk: Walk) -> Summary:
    variants = Counter(item.task.spec.instructions.variant for item in walk.released)
    reasons = Counter(f"{drop.room}: {drop.reason}" for drop in walk.drops)
    return Summary(
        funnel={
            "sources": len(walk.refs),
            "datasets": len(walk.raws),
            "drafts": len(walk.drafts),
            "tasks": len(walk.tasks),
            "passed": len(walk.released),
            "sources with a task": len({item.task.spec.source.key for item in walk.released}),
        },
        refused=dict(sorted(reasons.items())),
        variants=dict(sorted(variants.items())),
        seconds=walk.seconds,
    )


def _tell_owed(walk: Walk) -> None:
    command = shlex.join(["opendare", *sys.argv[1:]])
    for drop in walk.owed:
        print(f"owed: {drop.key}: {drop.reason}: {drop.detail}", file=sys.stderr)
    print(f"no release: {len(walk.owed)} items are owed; continue with: {command}", file=sys.stderr)

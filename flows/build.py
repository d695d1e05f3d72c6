"""The whole walk: sources to datasets to plans to proven tasks to a release.

    refs --extract--> datasets --inspect--> evidence --design--> plans --try--> proven tasks
         --publish--> folder

A Prefect flow with one task for each dataset and stage, and one for each plan. What a stage hands
over is remembered in STATE under the hash of all that it depends on, so a build that was killed
continues where it stood, and one that changes nothing computes nothing. Results depend neither on
the number of workers nor on the order in which they finish. A dataset that fails in any way costs
itself only; work that is pending (a worker died twice, a check could not be computed) stops the
release, not the build.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from extract.dataset import DatasetRef
from extract.drop import Drop, Reason
from extract.file_lock import file_lock
from extract.source import Source
from extract.store import Store
from extract.workers import Workers
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED, tell_pending
from flows.progress import Progress, print_summary
from flows.settings import Settings, resolved
from flows.sources import note_outcomes, open_source
from flows.stages import (
    compare_sources,
    design_dataset,
    extract_dataset,
    inspect_source,
    try_plan,
)
from flows.walk import Walk, outcomes, summary, write_history
from publish.folder import publish
from publish.release import PublishError
from publish.swap import check_destination
from validate.environments.executor import Executor
from validate.environments.matrix import REFERENCE

_PUBLISH_S = 4 * 3600
"""Limit of publishing: it takes seconds for a hundred tasks."""
_LAYOUT = "expected <owner>/<slug>/dataset-metadata.json beside the files"


def build(settings: Settings, environment: Mapping[str, str]) -> int:
    """Build a release and print what came of it; returns the exit code of `opendare build`.

    `environment` is that of the user, before anything was set for Prefect.
    """
    check_destination(settings.out)
    with (
        file_lock(settings.state / "lock", f"builds in {settings.state}", "--state DIR"),
        open_source(settings, environment) as source,
    ):
        # Before the flow, since what goes wrong here is no crash of it.
        refs = source.refs()
        if not refs:
            print(_nothing_found(settings), file=sys.stderr)
            return EXIT_REFUSED
        with _executor(settings):
            pass
        run = build_split.with_options(task_runner=threads(settings.workers.processes + 2))
        walk = run(settings, source, refs)
        code = _tell(walk, settings)
        note_outcomes(source, outcomes(walk))
    return code


def _tell(walk: Walk, settings: Settings) -> int:
    """What came of it, on paper and on the screen; returns the exit code."""
    print_summary(summary(walk))
    write_history(settings.state / "ledger.jsonl", walk.trials)
    if walk.refusal:
        print(walk.refusal, file=sys.stderr)
        return EXIT_REFUSED
    if walk.release is None:
        return tell_pending(walk.pending, "no release")
    state = "written" if walk.release.changed else "unchanged"
    print(f"release {state}: {walk.release.folder}")
    return EXIT_DONE


def _nothing_found(settings: Settings) -> str:
    if settings.source.kind == "kaggle":
        return "no dataset found: widen source.kaggle.searches"
    return f"no dataset in {settings.source.mirror}: {_LAYOUT}"


@flow(name="build-split", validate_parameters=False)
def build_split(settings: Settings, source: Source, refs: Sequence[DatasetRef]) -> Walk:
    """Walk datasets of the source through the rooms."""
    walk, store = Walk(refs=refs), Store(settings.state)
    processes = settings.workers.processes

    with Workers(processes, memory_mb=settings.read.memory_mb) as workers:
        tools = (source, store, workers, settings)
        walk.raws = _each(walk, "extract", extract_dataset, walk.refs, *tools)
    if any(drop.reason == Reason.NO_ACCESS for drop in walk.drops):
        # A user must help first.
        return walk
    # Thresholds decide here too, so that all of it runs on the arithmetic of the reference.
    with Workers(processes, environment=REFERENCE.process_variables) as workers:
        walk.evidence = _each(walk, "inspect", inspect_source, walk.raws, store, workers, settings)
        _compare(walk, store, workers, settings)
        walk.plans = _each(walk, "design", design_dataset, walk.raws, store, workers, settings)
    raws = {raw.ref: raw for raw in walk.raws}
    items = [(plan, raws[plan.proposal.dataset]) for plan in walk.plans]
    with _executor(settings) as executor:
        walk.trials = _each(walk, "try", try_plan, items, store, executor, settings)
    walk.drops += [trial.result for trial in walk.trials if isinstance(trial.result, Drop)]
    if not walk.pending:
        _publish(walk, settings)
    return walk


def _executor(settings: Settings) -> Executor:
    """The executor of a build; its workers start when they are first asked."""
    workers = settings.workers
    environments = workers.environments or settings.state / "environments"
    return Executor(workers.executor, workers.processes, settings.environments, environments)


def threads(n: int) -> TaskRunner[PrefectFuture[Any]]:
    """Threads hand work to processes and wait; a few more than processes keep those busy."""
    runner: Any = ThreadPoolTaskRunner(max_workers=n)
    return cast(TaskRunner[PrefectFuture[Any]], runner)


def _publish(walk: Walk, settings: Settings) -> None:
    with _clock(walk, "publish"):
        assert walk.split is not None, "nothing is pending"
        parts = (walk.trials, walk.raws, walk.split, walk.drops)
        knobs = (settings.publish, resolved(settings), settings.out.resolve())
        try:
            with Workers(1, environment=REFERENCE.process_variables) as workers:
                walk.release = workers.run(publish, *parts, *knobs, timeout_s=_PUBLISH_S)
        except PublishError as error:
            # Raised through the flow, Prefect would print it as a crash.
            walk.refusal = str(error)
            return
    walk.drops += walk.release.refused


def _compare(walk: Walk, store: Store, workers: Workers, settings: Settings) -> None:
    """Sources are compared with each other; what their evidence forbids is taken out of them."""
    with _clock(walk, "compare"), Progress("compare", 1) as progress:
        (found,) = compare_sources(walk.evidence, store, workers, settings)
        progress.advance(f"{len(walk.evidence)} sources")
    if isinstance(found, Drop):
        walk.drops.append(found)
    else:
        walk.split = found
    by_ref = {evidence.ref: evidence for evidence in walk.evidence}
    walk.raws = [by_ref[raw.ref].allowed(raw) for raw in walk.raws if raw.ref in by_ref]


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
    """What an item of any stage is called."""
    return item[0].task_id if isinstance(item, tuple) else str(getattr(item, "ref", item))


@contextmanager
def _clock(walk: Walk, stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    walk.seconds[stage] = time.monotonic() - start

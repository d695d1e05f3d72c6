"""The whole walk: sources to datasets to plans to proven tasks to a release.

    refs --extract--> datasets --inspect--> evidence --profile--> profiles --propose--> proposals
         --plan--> plans --try--> proven tasks --publish--> folder

A Prefect flow with one task for each dataset and stage, and one for each plan. Everything that is
handed over is a noun or the settings, so a task may run in any process (`resources.py`). What a
stage hands over is remembered in the store under the hash of all that it depends on, so a build
that was killed continues where it stood, and one that changes nothing computes nothing. Results
depend neither on the number of workers nor on the order in which they finish. A dataset that fails
in any way costs itself only; pending work (a worker died twice, a check could not be computed)
stops the release, not the build.
"""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed

from extract.drop import Drop, Reason, dataset_drop
from extract.files.file_lock import file_lock
from extract.store import StoreError
from extract.workers import Workers
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED, tell_pending
from flows.garbage import forget_reached, note_reached
from flows.progress import Progress, print_summary
from flows.resources import opened, resources
from flows.runner.interrupt import ends_at_once
from flows.runner.task_runner import threads
from flows.settings import Settings, resolved
from flows.stages import (
    compare_sources,
    extract_dataset,
    inspect_source,
    plan_dataset,
    profile_dataset,
    propose_tasks,
    try_plan,
)
from flows.walk import Walk, outcomes, summarise, write_history
from publish.data.rejects import rejects_lines
from publish.folder import BuildResults, publish
from publish.release import PublishError
from publish.swap import check_destination
from transform.profile.profile import Profile
from transform.proposal import Proposal
from validate.environments.matrix import REFERENCE

_PUBLISH_S = 4 * 3600
"""Limit of publishing: it takes seconds for a hundred tasks."""


def build(settings: Settings) -> int:
    """Build a release and print what came of it; returns the exit code of `opendare build`."""
    check_destination(settings.out)
    with (
        file_lock(settings.state / "lock", f"builds in {settings.state}", "--state DIR"),
        ends_at_once(),
        opened(settings) as at,
    ):
        # Before the flow, since what goes wrong here is no crash of it.
        if not at.refs:
            advice = settings.source.chosen.empty_advice
            print(advice.format(folder=settings.source_folder), file=sys.stderr)
            return EXIT_REFUSED
        at.open()
        forget_reached(settings)
        run = build_split.with_options(task_runner=threads(settings.workers.processes + 2))
        walk = run(settings)
        walk.stages = at.memory.counts()
        code = _tell(walk, settings)
        at.source.conclude(outcomes(walk))
        if code == EXIT_DONE:
            note_reached(settings, at.memory)
    return code


def _tell(walk: Walk, settings: Settings) -> int:
    """What came of it, on paper and on the screen; returns the exit code."""
    print_summary(summarise(walk))
    write_history(settings.state / "ledger.jsonl", walk)
    if walk.release is None:
        # A release holds them in `data/rejects`; without one they would be known to nobody.
        final = [drop for drop in walk.drops if not drop.transient]
        print(*rejects_lines(final), sep="\n", file=sys.stderr)
    if walk.refusal:
        print(walk.refusal, file=sys.stderr)
        return EXIT_REFUSED
    if walk.release is None:
        return tell_pending(walk.pending, "no release")
    state = "written" if walk.release.changed else "unchanged"
    print(f"release {state}: {walk.release.folder}")
    return EXIT_DONE


@flow(name="build-split")
def build_split(settings: Settings) -> Walk:
    """Walk the datasets of the configured source through the rooms."""
    at = resources(settings)
    walk = Walk(refs=at.refs)
    walk.raws = _each(walk, "extract", extract_dataset, walk.refs, settings)
    at.finish("readers")
    if any(drop.reason == Reason.NO_ACCESS for drop in walk.drops):
        # A user must help first.
        return walk
    walk.evidence = _each(walk, "inspect", inspect_source, walk.raws, settings)
    _compare(walk, settings)
    raws = {raw.ref: raw for raw in walk.raws}
    profiles = _each(walk, "profile", profile_dataset, walk.raws, settings)
    proposals = _propose(walk, profiles, settings)
    asked = [
        (raws[measured.dataset], measured, mine)
        for measured in profiles
        if (mine := tuple(p for p in proposals if p.dataset == measured.dataset))
    ]
    walk.plans = _each(walk, "plan", plan_dataset, asked, settings)
    at.finish("pinned")
    items = [(plan, raws[plan.proposal.dataset]) for plan in walk.plans]
    walk.trials = _each(walk, "try", try_plan, items, settings)
    at.finish("executor")
    walk.drops += [trial.result for trial in walk.trials if isinstance(trial.result, Drop)]
    if not walk.pending:
        _publish(walk, settings)
    return walk


def _propose(walk: Walk, profiles: Sequence[Profile], settings: Settings) -> list[Proposal]:
    by_ref = {evidence.ref: evidence for evidence in walk.evidence}
    items = [(measured, by_ref[measured.dataset]) for measured in profiles]
    return _each(walk, "propose", propose_tasks, items, settings)


def _publish(walk: Walk, settings: Settings) -> None:
    with _clock(walk, "publish"):
        assert walk.split is not None, "nothing is pending"
        results = BuildResults(walk.trials, walk.raws, walk.split, walk.drops)
        knobs = (settings.publish, resolved(settings), settings.out.resolve())
        store = resources(settings).store
        try:
            with Workers(1, environment=REFERENCE.process_variables) as workers:
                walk.release = workers.run(publish, results, *knobs, store, timeout_s=_PUBLISH_S)
        except StoreError as error:
            # What was lost is made again by the next build.
            walk.drops.append(_lost(error))
            return
        except PublishError as error:
            # Raised through the flow, Prefect would print it as a crash.
            walk.refusal = str(error)
            return
    walk.drops += walk.release.refused


def _lost(error: StoreError) -> Drop:
    detail = f"{type(error).__name__}: {error}"
    return dataset_drop("release", Reason.DAMAGED, detail, "publish", transient=True)


def _compare(walk: Walk, settings: Settings) -> None:
    """Sources are compared with each other; what their evidence forbids is taken out of them."""
    with _clock(walk, "compare"), Progress("compare", 1) as progress:
        (outcome,) = compare_sources(walk.evidence, settings)
        progress.advance(f"{len(walk.evidence)} sources")
    if isinstance(outcome, Drop):
        walk.drops.append(outcome)
    else:
        walk.split = outcome
    by_ref = {evidence.ref: evidence for evidence in walk.evidence}
    walk.raws = [by_ref[raw.ref].allowed(raw) for raw in walk.raws if raw.ref in by_ref]


# --- running a stage --------------------------------------------------------------------------


def _each(
    walk: Walk, stage: str, unit: Callable[..., Any], items: Sequence[Any], settings: Settings
) -> list[Any]:
    """`unit(item, settings)` for each item as a Prefect task of its own.

    Nouns come back in the order of the items, whichever finished first; drops go to the walk.
    """
    run = task(name=stage, cache_policy=NO_CACHE, persist_result=False)(unit)
    with _clock(walk, stage), Progress(stage, len(items)) as progress:
        futures = {run.submit(item, settings): item for item in items}
        for done in as_completed(list(futures)):
            progress.advance(_name(futures[done]))
        results = [result for future in futures for result in future.result()]
    walk.drops += [result for result in results if isinstance(result, Drop)]
    return [result for result in results if not isinstance(result, Drop)]


def _name(item: Any) -> str:
    """What an item of any stage is called: its task, or its dataset."""
    noun = item[0] if isinstance(item, tuple) else item
    names = (getattr(noun, field, None) for field in ("task_id", "ref", "dataset"))
    return next((str(name) for name in names if name is not None), str(noun))


@contextmanager
def _clock(walk: Walk, stage: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    walk.seconds[stage] = time.monotonic() - start

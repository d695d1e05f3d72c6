"""Proven tasks become a release folder: select, write every part, the manifest last.

Takes what validation passed, all datasets and all refusals; returns a complete folder, or leaves
the old one untouched and raises. Everything is sorted by id before it is written, so the order of
what comes in changes no byte. The written folder is searched for answers, with the files of recipes
as a user will restore them: a task that shows another's is withheld and the folder written again;
an answer anywhere else stops the release. Not guaranteed: equal bytes under another pyarrow.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.store import Store
from publish.data.manifest import write_manifest
from publish.recipes.make_recipes import recipes_of
from publish.recipes.restored_shards import with_recipes_restored
from publish.registry import release_writers
from publish.release import ProvenTask, PublishError, Recipe, Release
from publish.search.answer_leak import AnswerLeak
from publish.search.answer_leaks import find_answer_leaks
from publish.search.withheld import tasks_to_withhold
from publish.selecting.previous import read_previous
from publish.selecting.selection import Selection, refuse_unproven, select
from publish.selecting.split import SplitEvidence
from publish.settings import PublishConfig
from publish.swap import staging, swap_in
from publish.writer import ReleaseContents
from transform.task import Task
from validate.trial import Trial

_LEAKS_SHOWN = 20
"""Enough to see the pattern; all of them could be thousands of lines."""


@dataclass(frozen=True)
class BuildResults:
    """What the rooms before this one hand over."""

    trials: Sequence[Trial]
    sources: Sequence[RawDataset]
    """All that were read, also those that gave no task."""
    evidence: SplitEvidence
    rejects: Sequence[Drop]
    """Refusals of all rooms before this one, those of the trials included."""


def publish(
    results: BuildResults,
    settings: PublishConfig,
    configuration: Mapping[str, Any],
    out: Path,
    store: Store,
) -> Release:
    """Write the release into `out`, replacing an older one in one step.

    `configuration` is the resolved one as it may be published; `store` holds the files of tasks.
    Raises `PublishError` when work is pending, the open tier cannot have both sides, an answer
    stands in a public file, or `out` holds anything else than a release.
    """
    trials, sources, evidence = results.trials, results.sources, results.evidence
    # Recipes cost planning every source again, so only a release that ships some makes them.
    wanted = trials if settings.tiers.recipe_only else ()
    proven = _proven(trials, recipes_of(wanted, sources, configuration, store))
    refuse_unproven(proven, results.rejects)
    empty = ReleaseContents(
        tasks=(),
        rejects=results.rejects,
        trials=trials,
        sources=sources,
        evidence=evidence,
        settings=settings,
        configuration=configuration,
        previous=read_previous(settings.previous),
        store=store,
    )
    with staging(out) as staged:
        selection = select(proven, sources, evidence, settings, {})
        contents, leaks = _write_and_search(staged, empty, selection)
        # Selected anew without the tasks that show answers, since sides and shares may change.
        if withheld := tasks_to_withhold(leaks):
            selection = select(proven, sources, evidence, settings, withheld)
            contents, leaks = _write_and_search(staged, empty, selection)
        _refuse_leaks(leaks)
        files = write_manifest(staged, settings.release)
        changed = swap_in(out)
    counts, refused = tuple(contents.counts), tuple(selection.refused)
    return Release(folder=out, files=files, counts=counts, refused=refused, changed=changed)


def _proven(trials: Sequence[Trial], recipes: Mapping[str, Recipe]) -> list[ProvenTask]:
    return [
        ProvenTask(task=trial.result, verdict=trial.verdict, recipe=recipes.get(trial.task_id))
        for trial in trials
        if isinstance(trial.result, Task) and trial.verdict is not None
    ]


def _write_and_search(
    folder: Path, empty: ReleaseContents, selection: Selection
) -> tuple[ReleaseContents, tuple[AnswerLeak, ...]]:
    """Write all but the manifest in place of whatever the folder holds, and look for answers."""
    rejects = [*empty.rejects, *selection.refused]
    contents = replace(empty, tasks=selection.tasks, rejects=rejects)
    # A file of the first round would ship with the second.
    shutil.rmtree(folder)
    folder.mkdir()
    for writer in release_writers():
        counts = writer.write(folder, contents)
        contents = replace(contents, counts=(*contents.counts, *counts))
    # Searched as users will have it, since a restored file may show an answer too.
    with with_recipes_restored(folder, selection.tasks, contents.store):
        return contents, find_answer_leaks(folder)


def _refuse_leaks(leaks: Sequence[AnswerLeak]) -> None:
    if leaks:
        lines = [f"- {leak.task_id}: {leak.place}: {leak.detail}" for leak in leaks[:_LEAKS_SHOWN]]
        raise PublishError("\n".join([f"{len(leaks)} answers stand in public files:", *lines]))

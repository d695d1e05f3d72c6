"""Proven tasks become a release folder: the walk through this room.

Enter what validation passed, all datasets and all refusals; leaves a complete folder, or the old
one untouched and an error. Everything is sorted by id before it is written, so the order of what
enters changes no byte. The written folder is searched for answers, with the files of recipes as a
user will restore them: a task that shows another's is withheld and the folder written again; an
answer anywhere else stops the release.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.noun import Noun
from publish.data.answers import write_answers
from publish.data.files import write_files
from publish.data.gate_report import write_gate_report
from publish.data.lite import lite
from publish.data.manifest import write_manifest
from publish.data.parquet import write_rows
from publish.data.rejects import write_rejects
from publish.data.sources import write_sources
from publish.data.tasks import TASKS, Placed, RowConfig, task_row
from publish.recipes.recipes import recipes_of
from publish.recipes.restored import all_restored
from publish.release import PublishError, Recipe, Release, Released, SplitCount
from publish.search.answers import ShownAnswer, find_answers
from publish.search.least_refusals import least_refusals
from publish.selecting.license_tiers import DEFAULT, LicenceTiersConfig
from publish.selecting.previous import first_releases, read_previous
from publish.selecting.selection import Selection, refuse_unproven, select
from publish.selecting.split import Side, SourceSplitConfig, SplitEvidence
from publish.swap import staging, swap_in
from publish.texts.attribution import attribution
from publish.texts.card import card
from publish.texts.changelog import changelog
from transform.task import Task
from validate.trial import Trial


class PublishConfig(Noun):
    """What a release is called and compared with."""

    release: str = Field(default="dev", pattern=r"^(dev|v\d{4}\.\d{2}(\.\d+)?)$")
    """Its tag, `vYYYY.MM[.n]`, or `dev`."""
    previous: Path | None = None
    """Folder of the release before; None for a first one."""
    tiers: LicenceTiersConfig = LicenceTiersConfig()
    split: SourceSplitConfig = SourceSplitConfig()
    row: RowConfig = RowConfig()


def publish(
    trials: Sequence[Trial],
    sources: Sequence[RawDataset],
    evidence: SplitEvidence,
    rejects: Sequence[Drop],
    config: PublishConfig,
    resolved: Mapping[str, Any],
    out: Path,
) -> Release:
    """Write the release into `out`, replacing an older one in one step.

    `resolved` is the configuration as it may be published; `rejects` are the refusals of all rooms
    before this one, those of the trials included.
    Raises `PublishError` when work is pending, the open tier cannot have train and eval, an answer
    stands in a public file, or `out` holds anything else than a release.
    """
    recipes = recipes_of(trials, sources, resolved) if config.tiers.recipe_only else {}
    released = _released(trials, recipes)
    refuse_unproven(released, rejects)
    edition = _Edition(trials, sources, rejects, config, resolved, evidence)
    with staging(out) as staged:
        selection = select(released, sources, evidence, config.split, config.tiers, {})
        counts, found = edition.write(staged, selection), _search(staged, selection)
        if showing := least_refusals(found):
            selection = select(released, sources, evidence, config.split, config.tiers, showing)
            counts, found = edition.write(staged, selection), _search(staged, selection)
        if found:
            lines = "".join(f"\n- {f.task_id}: {f.place}: {f.detail}" for f in found[:20])
            raise PublishError(f"{len(found)} answers stand in public files:{lines}")
        files = write_manifest(staged, config.release)
        changed = swap_in(out)
    return Release(
        folder=out,
        files=files,
        counts=tuple(counts),
        refused=tuple(selection.refused),
        changed=changed,
    )


def _search(staged: Path, selection: Selection) -> tuple[ShownAnswer, ...]:
    """Answers in the folder, recipes restored."""
    with all_restored(staged, selection.placed):
        return find_answers(staged)


def _released(trials: Sequence[Trial], recipes: Mapping[str, Recipe]) -> list[Released]:
    """The proven tasks."""
    return [
        Released(task=trial.result, verdict=trial.verdict, recipe=recipes.get(trial.task_id))
        for trial in trials
        if isinstance(trial.result, Task) and trial.verdict is not None
    ]


@dataclass(frozen=True)
class _Edition:
    """What all files of a release have in common."""

    trials: Sequence[Trial]
    sources: Sequence[RawDataset]
    rejects: Sequence[Drop]
    config: PublishConfig
    resolved: Mapping[str, Any]
    evidence: SplitEvidence

    def write(self, folder: Path, selection: Selection) -> list[SplitCount]:
        """Write all but the manifest, in place of whatever the folder holds."""
        shutil.rmtree(folder)
        placed, rejects = selection.placed, [*self.rejects, *selection.refused]
        previous = read_previous(self.config.previous)
        counts = _write_tasks(
            folder / "data", placed, first_releases(previous), self.config, self.evidence
        )
        counts += _write_rest(folder / "data", placed, self.sources, rejects, self.evidence)
        write_gate_report(folder / "report", self.trials)
        settings = json.dumps(self.resolved, indent=1, sort_keys=True, ensure_ascii=False)
        texts = {
            "README.md": card(self.config.release, counts, placed, rejects, self.trials),
            "LICENSES.md": attribution(placed),
            "CHANGELOG.md": changelog(
                self.config.release,
                [entry.task for entry in placed],
                previous,
                rejects,
                self.config.previous,
            ),
            "config.json": f"{settings}\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        (folder / "score.py").write_bytes((package_files("validate") / "score.py").read_bytes())
        return counts


def _write_tasks(
    data: Path,
    placed: Sequence[Placed],
    first: Mapping[str, str],
    config: PublishConfig,
    evidence: SplitEvidence,
) -> list[SplitCount]:
    """The configs of all tiers, the default first, then `lite`."""
    counts = []
    ordered = sorted(placed, key=lambda e: (e.config, e.side != "train", _id(e)))
    for (name, side), group in groupby(ordered, lambda entry: (entry.config, entry.side)):
        counts.append(_write_split(data, name, side, list(group), first, config, evidence))
    evals = [entry for entry in ordered if entry.config == DEFAULT and entry.side == "eval"]
    if chosen := lite(evals):
        counts.append(_write_split(data, "lite", "eval", chosen, first, config, evidence))
    return counts


def _id(entry: Placed) -> str:
    return entry.task.spec.task_id


def _write_split(
    data: Path,
    name: str,
    side: Side,
    entries: Sequence[Placed],
    first: Mapping[str, str],
    config: PublishConfig,
    evidence: SplitEvidence,
) -> SplitCount:
    rows = [
        task_row(
            entry, index, first.get(entry.task.task_hash, config.release), config.row, evidence
        )
        for index, entry in enumerate(entries)
    ]
    write_rows(data / name, side, TASKS, rows)
    return SplitCount(config=name, split=side, path=f"data/{name}/{side}-*.parquet", rows=len(rows))


def _write_rest(
    data: Path,
    placed: Sequence[Placed],
    sources: Sequence[RawDataset],
    rejects: Sequence[Drop],
    evidence: SplitEvidence,
) -> list[SplitCount]:
    """The configs without sides; their one split is called `train`, as readers expect."""
    n_files = write_files(data / "files", placed)
    write_answers(data / "answers", placed)
    write_sources(data / "sources", sources, evidence)
    write_rejects(data / "rejects", rejects)
    rows = {
        "files": n_files,
        "answers": len(placed),
        "sources": len(sources),
        "rejects": len(rejects),
    }
    return [
        SplitCount(config=name, split="train", path=f"data/{name}/*.parquet", rows=n)
        for name, n in rows.items()
    ]

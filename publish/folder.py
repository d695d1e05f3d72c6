"""Proven tasks become a release folder: the walk through this room.

Enter what validation passed, all datasets and all refusals; leaves a complete folder, or the old
one untouched and an error. Everything is sorted by id before it is written, so the order of what
enters changes no byte. Publishing refuses two kinds of tasks itself: those of a lane that cannot
have both train and eval, and those whose row is too large for viewers. It trusts the gates for
everything else but answers, for which it searches the finished folder.
"""

import json
from collections.abc import Mapping, Sequence
from importlib.resources import files as package_files
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import Field

from extract.dataset import Lane, RawDataset
from extract.drop import Drop
from extract.noun import Noun
from publish.answers import write_answers
from publish.answers_search import find_answers
from publish.attribution import attribution
from publish.card import card
from publish.changelog import changelog
from publish.files import write_files
from publish.lite import lite
from publish.manifest import write_manifest
from publish.parquet import write_rows
from publish.previous import first_releases, read_previous
from publish.rejects import write_rejects
from publish.release import PublishError, Release, Released, SplitCount
from publish.sources import write_sources
from publish.split import Side, SplitConfig, SplitEvidence, lane_order, split_sources
from publish.swap import staging, swap_in
from publish.tasks import TASKS, Placed, RowConfig, ground_truth, task_row

_MAX_ROW_BYTES = 1_900_000
"""Viewers cut rows of 2 MB; the rest of a row is small."""


class PublishConfig(Noun):
    """What a release is called and compared with."""

    release: str = Field(default="dev", pattern=r"^(dev|v\d{4}\.\d{2}(\.\d+)?)$")
    """Its tag, `vYYYY.MM[.n]`, or `dev`."""
    previous: Path | None = None
    """Folder of the release before; None for a first one."""
    split: SplitConfig = SplitConfig()
    row: RowConfig = RowConfig()


def publish(
    released: Sequence[Released],
    sources: Sequence[RawDataset],
    rejects: Sequence[Drop],
    config: PublishConfig,
    resolved: Mapping[str, Any],
    out: Path,
    evidence: SplitEvidence | None = None,
) -> Release:
    """Write the release into `out`, replacing an older one in one step.

    `resolved` is the configuration as it may be published. Without `evidence` a source is as fresh
    as its last update and a cluster of its own.
    Raises `PublishError` when work is owed, the open lane cannot have train and eval, an answer
    stands in a public file, or `out` holds anything else than a release.
    """
    evidence = evidence or SplitEvidence({s.ref.key: s.updated_at for s in sources})
    _refuse_unproven(released, rejects)
    placed, refused = _place(_kept(released, sources), evidence, config.split)
    rejected = [*rejects, *refused]
    previous = read_previous(config.previous)
    with staging(out) as staged:
        counts = _write_tasks(staged / "data", placed, first_releases(previous), config)
        counts += _write_rest(staged / "data", placed, sources, rejected, evidence.clusters)
        texts = {
            "README.md": card(config.release, counts, placed, rejected),
            "LICENSES.md": attribution(placed),
            "CHANGELOG.md": changelog(
                config.release,
                [entry.task for entry in placed],
                previous,
                rejected,
                config.previous,
            ),
            "config.json": json.dumps(resolved, indent=1, sort_keys=True, ensure_ascii=False)
            + "\n",
        }
        for name, text in texts.items():
            (staged / name).write_text(text, encoding="utf-8", newline="\n")
        (staged / "score.py").write_bytes((package_files("validate") / "score.py").read_bytes())
        _refuse_answers(staged)
        files = write_manifest(staged, config.release)
        changed = swap_in(out)
    return Release(
        folder=out,
        files=files,
        counts=tuple(counts),
        refused=tuple(refused),
        changed=changed,
    )


# --- what ships ----------------------------------------------------------------------------------


def _refuse_unproven(released: Sequence[Released], rejects: Sequence[Drop]) -> None:
    ids = [item.task.spec.task_id for item in released]
    unproven = sorted(i.task.spec.task_id for i in released if not i.verdict.passed)
    owed = sorted(drop.key for drop in rejects if drop.transient)
    if len(set(ids)) < len(ids):
        twice = sorted({key for key in ids if ids.count(key) > 1})
        raise PublishError(f"{len(twice)} task ids occur twice, first {twice[0]}")
    if unproven or owed:
        raise PublishError(
            f"{len(unproven)} tasks did not pass and {len(owed)} items are owed, first "
            f"{(unproven + owed)[0]}; run the same build again to try them once more"
        )


def _kept(
    released: Sequence[Released], sources: Sequence[RawDataset]
) -> list[tuple[Released, RawDataset]]:
    """Tasks with their sources, by task id."""
    catalogue = {source.ref: source for source in sources}
    unknown = sorted({str(i.task.spec.source) for i in released} - set(map(str, catalogue)))
    if unknown:
        raise PublishError(f"tasks name sources that were not handed over: {', '.join(unknown)}")
    ordered = sorted(released, key=lambda item: item.task.spec.task_id)
    return [(item, catalogue[item.task.spec.source]) for item in ordered]


def _place(
    kept: Sequence[tuple[Released, RawDataset]],
    evidence: SplitEvidence,
    config: SplitConfig,
) -> tuple[list[Placed], list[Drop]]:
    """The tasks that ship, each on its side, and the refusals of this room; both by task id."""
    refused = [drop for item, source in kept if (drop := _unfit(item, source))]
    unfit = {drop.key for drop in refused}
    fit = [(item, source) for item, source in kept if item.task.spec.task_id not in unfit]
    lanes: dict[Lane, set[str]] = {"open": set()}
    for _, source in fit:
        lanes.setdefault(source.licence.lane, set()).add(source.ref.key)
    split = split_sources(lanes, evidence, config)
    if "open" in split.unsplit:
        raise PublishError(
            "the default config `tasks` needs tasks under open licences from at least 2 unrelated "
            f"sources, one for train and one for eval; found {len(lanes['open'])}: "
            f"{', '.join(sorted(lanes['open'])) or 'none'}. Add sources and build again."
        )
    placed = []
    for item, source in fit:
        if source.licence.lane in split.unsplit:
            detail = f"lane {source.licence.lane} has too few unrelated sources for train and eval"
            refused.append(
                _drop(item, "lane_too_small", detail, len(lanes[source.licence.lane]), 2)
            )
        else:
            placed.append(Placed(item, source, split.sides[source.ref.key]))
    return placed, sorted(refused, key=lambda drop: drop.key)


def _unfit(item: Released, source: RawDataset) -> Drop | None:
    spec = item.task.spec
    if source.licence.lane == "recipe-only":
        detail = "the licence allows a recipe only, and recipes are not shipped yet"
        return _drop(item, "lane_withheld", detail)
    # The question stands in the row twice: as `question` and in `prompt`.
    texts = [
        spec.question,
        spec.question,
        ground_truth(item.task),
        spec.instructions.model_dump_json(),
    ]
    size = sum(len(text.encode()) for text in texts)
    if size > _MAX_ROW_BYTES:
        return _drop(item, "row_too_large", "bytes of the task's row", size, _MAX_ROW_BYTES)
    return None


def _drop(
    item: Released,
    reason: str,
    detail: str,
    value: float | None = None,
    threshold: float | None = None,
) -> Drop:
    spec = item.task.spec
    return Drop(
        key=spec.task_id,
        source=spec.source.key,
        room="publish",
        reason=reason,
        detail=detail,
        variant=spec.instructions.variant,
        value=value,
        threshold=threshold,
    )


# --- writing -------------------------------------------------------------------------------------


def _write_tasks(
    data: Path, placed: Sequence[Placed], first: Mapping[str, str], config: PublishConfig
) -> list[SplitCount]:
    """The configs of all lanes, open first, then `lite`."""
    counts = []
    by_lane = sorted(placed, key=lambda e: (lane_order(e.lane), e.side != "train", _id(e)))
    for (lane, side), group in groupby(by_lane, lambda entry: (entry.lane, entry.side)):
        name = "tasks" if lane == "open" else f"tasks_{lane}"
        counts.append(_write_split(data, name, side, list(group), first, config))
    evals = [entry for entry in by_lane if entry.lane == "open" and entry.side == "eval"]
    if chosen := lite(evals):
        counts.append(_write_split(data, "lite", "eval", chosen, first, config))
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
) -> SplitCount:
    rows = [
        task_row(entry, index, first.get(entry.task.task_hash, config.release), config.row)
        for index, entry in enumerate(entries)
    ]
    write_rows(data / name, side, TASKS, rows)
    return SplitCount(config=name, split=side, path=f"data/{name}/{side}-*.parquet", rows=len(rows))


def _write_rest(
    data: Path,
    placed: Sequence[Placed],
    sources: Sequence[RawDataset],
    rejects: Sequence[Drop],
    clusters: Mapping[str, str],
) -> list[SplitCount]:
    """The configs without sides; their one split is called `train`, as readers expect."""
    n_files = write_files(data / "files", placed)
    write_answers(data / "answers", placed)
    write_sources(data / "sources", sources, clusters)
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


def _refuse_answers(staged: Path) -> None:
    found = find_answers(staged)
    if found:
        lines = "".join(f"\n- {f.task_id}: {f.place}: {f.detail}" for f in found[:20])
        raise PublishError(f"{len(found)} answers stand in public files:{lines}")

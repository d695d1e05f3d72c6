"""Which sources are for training and which for evaluation.

Enter the sources of each lane, how fresh they are and which are near twins; leaves a side for
each. Tasks are never split by row: all tasks of a cluster of sources stand on one side, in every
lane. The freshest clusters are evaluation, because a model has seen them least; a cluster is as
fresh as its oldest member, because one old copy is enough to have been seen. It does not find
twins itself, nor check that a claimed date is true.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from extract.dataset import Lane, RawDataset
from extract.noun import Noun

Side = Literal["train", "eval"]

_OLDEST = datetime.min.replace(tzinfo=UTC)


class SplitConfig(Noun):
    """How much is evaluation."""

    eval_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the clusters of a lane that is evaluation; at least one cluster."""


@dataclass(frozen=True)
class SplitEvidence:
    """What is known about sources, by `owner/slug`."""

    freshness: Mapping[str, str | None] = field(default_factory=dict)
    """ISO 8601 instant of the newest data; None or absent when unknown, which counts as oldest."""
    clusters: Mapping[str, str] = field(default_factory=dict)
    """Name of the cluster of near twins; a source that is absent is a cluster of its own."""


def plain_evidence(sources: Sequence[RawDataset]) -> SplitEvidence:
    """What can be said without looking at values: last updates, and tables published twice."""
    clusters = {source.ref.key: source.ref.key for source in sources}
    owner: dict[str, str] = {}
    for source in sorted(sources, key=lambda source: source.ref.key):
        for table in source.tables:
            first = clusters[owner.setdefault(table.sha256, source.ref.key)]
            joined = clusters[source.ref.key]
            for key, name in clusters.items():
                if name == joined:
                    clusters[key] = first
    return SplitEvidence({s.ref.key: s.updated_at for s in sources}, clusters)


@dataclass(frozen=True)
class SourceSplit:
    """The side of every source that ships, and the lanes that cannot be split."""

    sides: Mapping[str, Side]
    unsplit: frozenset[Lane]
    """Lanes that cannot have both a train and an eval source; none of their tasks ships."""


def split_sources(
    lanes: Mapping[Lane, Set[str]], evidence: SplitEvidence, config: SplitConfig
) -> SourceSplit:
    """Sides by source; the open lane chooses first, the others follow by name."""
    members: dict[str, list[str]] = {}
    for ref in sorted({ref for refs in lanes.values() for ref in refs}):
        members.setdefault(evidence.clusters.get(ref, ref), []).append(ref)
    age = {
        name: min(_instant(evidence.freshness.get(ref)) for ref in refs)
        for name, refs in members.items()
    }
    ranked = sorted(members, key=lambda name: members[name][0])
    ranked.sort(key=lambda name: age[name], reverse=True)
    sides: dict[str, Side] = {}
    unsplit: set[Lane] = set()
    for lane in sorted(lanes, key=lane_order):
        names = [name for name in ranked if lanes[lane] & set(members[name])]
        chosen = _split_lane(names, sides, config.eval_share)
        sides |= chosen
        if not chosen:
            unsplit.add(lane)
    by_source = {
        ref: sides[name] for name, refs in members.items() for ref in refs if name in sides
    }
    return SourceSplit(by_source, frozenset(unsplit))


def lane_order(lane: Lane) -> tuple[bool, str]:
    """Sort key of lanes: open first, the others by name."""
    return lane != "open", lane


def _split_lane(
    ranked: Sequence[str], fixed: Mapping[str, Side], eval_share: float
) -> dict[str, Side]:
    """Sides of one lane's clusters, freshest first; empty when it cannot have both sides."""
    free = [name for name in ranked if name not in fixed]
    sides = {name: fixed[name] for name in ranked if name in fixed}
    n_eval = max(1, int(eval_share * len(ranked) + 0.5)) - list(sides.values()).count("eval")
    if "train" not in sides.values():
        n_eval = min(n_eval, len(free) - 1)
    for place, name in enumerate(free):
        sides[name] = "eval" if place < n_eval else "train"
    return sides if {"train", "eval"} <= set(sides.values()) else {}


def _instant(text: str | None) -> datetime:
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return _OLDEST
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

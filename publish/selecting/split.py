"""Which sources are for training and which for evaluation.

Takes the sources of each config, how fresh they are and which are near duplicates; returns a side
for each. Tasks are never split by row: all tasks of a cluster of sources stand on one side, in
every config. The freshest clusters are evaluation, because a model has seen them least; a cluster
is as fresh as its oldest member, because one old copy is enough to have been seen. Well-known
tables and made-up ones train only. It does not find near duplicates itself, nor check that a
claimed date is true.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from extract.evidence.domain import Domain
from extract.noun import Noun

SplitSide = Literal["train", "eval"]

_OLDEST = datetime.min.replace(tzinfo=UTC)


class SourceSplitConfig(Noun):
    """How much is evaluation, and what may not stand in it."""

    eval_share: float = Field(default=0.2, gt=0, lt=1)
    """Share of the clusters of a config that is evaluation; at least one cluster."""
    eval_refuses: tuple[Literal["well_known", "artificial"], ...] = ("well_known", "artificial")
    """Tags of a source that keep its whole cluster out of evaluation."""
    asset_price_share: float = Field(default=0.05, ge=0, lt=1)
    """Greatest share of a split that forecasts prices of assets; one such task may always ship."""


class SplitEvidence(Noun):
    """What is known about sources, by `owner/slug`."""

    freshness: dict[str, str | None] = Field(default_factory=dict)
    """ISO 8601 instant of the newest data; None or absent when unknown, which counts as oldest."""
    clusters: dict[str, str] = Field(default_factory=dict)
    """Name of the cluster of near duplicates; a source that is absent is a cluster of its own."""
    domains: dict[str, Domain] = Field(default_factory=dict)
    """What each source is about; absent is `other`."""
    languages: dict[str, str | None] = Field(default_factory=dict)
    """Language of a source's own words; None or absent when unknown."""
    tags: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """What was found about a source, `well_known`, `artificial` and notes; absent is nothing."""


@dataclass(frozen=True)
class SourceSplit:
    """The side of every source that ships, and the configs that cannot be split."""

    sides: Mapping[str, SplitSide]
    unsplit: frozenset[str]
    """Configs that cannot have both a train and an eval source; none of their tasks ships."""


def split_sources(
    configs: Mapping[str, Set[str]], evidence: SplitEvidence, config: SourceSplitConfig
) -> SourceSplit:
    """Sides by source; configs choose by name, so that `tasks` is the first."""
    shipped = {ref for refs in configs.values() for ref in refs}
    members = _members(shipped, evidence.clusters)
    ranked = _freshest_first(members, evidence)
    barred = _barred(members, evidence, config)
    sides: dict[str, SplitSide] = {}
    unsplit: set[str] = set()
    for config_name in sorted(configs):
        names = [name for name in ranked if configs[config_name] & set(members[name])]
        chosen = _split_config(names, sides, barred, config.eval_share)
        sides |= chosen
        if not chosen:
            unsplit.add(config_name)
    by_source = {ref: sides[name] for name in sides for ref in members[name] if ref in shipped}
    return SourceSplit(by_source, frozenset(unsplit))


def one_sided(configs: Mapping[str, Set[str]]) -> SourceSplit:
    """All sources for training; a config without a source cannot ship all the same."""
    sides: dict[str, SplitSide] = {ref: "train" for refs in configs.values() for ref in refs}
    return SourceSplit(sides, frozenset(name for name, refs in configs.items() if not refs))


def _freshest_first(members: Mapping[str, Sequence[str]], evidence: SplitEvidence) -> list[str]:
    """Clusters by the age of their oldest member; equal ages by the first ref."""
    age = {
        name: min(_instant(evidence.freshness.get(ref)) for ref in refs)
        for name, refs in members.items()
    }
    by_ref = sorted(members, key=lambda name: members[name][0])
    return sorted(by_ref, key=lambda name: age[name], reverse=True)


def _barred(
    members: Mapping[str, Sequence[str]], evidence: SplitEvidence, config: SourceSplitConfig
) -> set[str]:
    """Clusters of which some member has a tag that evaluation refuses."""
    tagged = {ref for ref, tags in evidence.tags.items() if set(config.eval_refuses) & set(tags)}
    return {name for name, refs in members.items() if tagged & set(refs)}


def _members(shipped: Set[str], clusters: Mapping[str, str]) -> dict[str, list[str]]:
    """All members of each cluster that ships, sorted: one without a task has an age too."""
    names = {clusters.get(ref, ref) for ref in shipped}
    members: dict[str, list[str]] = {}
    for ref in sorted(shipped | {ref for ref, name in clusters.items() if name in names}):
        members.setdefault(clusters.get(ref, ref), []).append(ref)
    return members


def _split_config(
    ranked: Sequence[str], fixed: Mapping[str, SplitSide], barred: Set[str], eval_share: float
) -> dict[str, SplitSide]:
    """Sides of one config's clusters, freshest first; empty when it cannot have both sides."""
    free = [name for name in ranked if name not in fixed]
    sides = {name: fixed[name] for name in ranked if name in fixed}
    # Sides that other configs have decided count: the share is that of this config as it ships.
    n_eval = max(1, int(eval_share * len(ranked) + 0.5)) - list(sides.values()).count("eval")
    if "train" not in sides.values():
        n_eval = min(n_eval, len(free) - 1)
    fresh = [name for name in free if name not in barred][: max(n_eval, 0)]
    sides |= {name: "eval" if name in fresh else "train" for name in free}
    return sides if {"train", "eval"} <= set(sides.values()) else {}


def _instant(text: str | None) -> datetime:
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return _OLDEST
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)

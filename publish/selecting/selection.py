"""Which proven tasks ship, and on which side.

Enter what validation passed with its sources; leaves a place for every task that ships and a
refusal for every other. Refused are tasks of a tier that the configuration withholds or whose
config cannot have both train and eval, tasks that may ship as a recipe only and have none, tasks
whose row is too large for viewers, those that the search for answers found to be in another's way,
and, last of all, forecasts of asset prices beyond their share of a split. It trusts the gates for
everything else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from publish.data.tasks import Placed, ground_truth
from publish.release import PublishError, Released
from publish.search.answers import ShownAnswer
from publish.selecting.asset_prices import is_asset_price
from publish.selecting.license_tiers import DEFAULT, RECIPES, LicenceTiersConfig
from publish.selecting.split import Side, SourceSplitConfig, SplitEvidence, split_sources

_MAX_ROW_BYTES = 1_900_000
"""Viewers cut rows of 2 MB; the rest of a row is small."""


@dataclass(frozen=True)
class Selection:
    """Tasks by id: those that ship, and the refusals of this room."""

    placed: Sequence[Placed]
    refused: Sequence[Drop]


class _Fit(NamedTuple):
    """A task that may ship, its source and its config."""

    item: Released
    source: RawDataset
    config: str


def refuse_unproven(released: Sequence[Released], rejects: Sequence[Drop]) -> None:
    """Raise `PublishError` when a task did not pass, work is pending, or a task id occurs twice."""
    ids = [item.task.spec.task_id for item in released]
    unproven = sorted(i.task.spec.task_id for i in released if not i.verdict.passed)
    pending = sorted(drop.key for drop in rejects if drop.transient)
    if len(set(ids)) < len(ids):
        twice = sorted({key for key in ids if ids.count(key) > 1})
        raise PublishError(f"{len(twice)} task ids occur twice, first {twice[0]}")
    if unproven or pending:
        raise PublishError(
            f"{len(unproven)} tasks did not pass and {len(pending)} items are pending, first "
            f"{(unproven + pending)[0]}; run the same build again to try them once more"
        )


def select(
    released: Sequence[Released],
    sources: Sequence[RawDataset],
    evidence: SplitEvidence,
    config: SourceSplitConfig,
    tiers: LicenceTiersConfig,
    showing: Mapping[str, ShownAnswer],
) -> Selection:
    """Place every task that can ship; `showing` are tasks to withhold, by id.

    Raises `PublishError` when a source is missing or the open tier cannot have both sides.
    """
    fit, refused = _fit(released, sources, tiers, showing)
    placed, homeless = _sided(fit, evidence, config)
    crowd = _crowding_prices(placed, config.asset_price_share)
    crowding = [
        _drop(entry.item, Reason.ASSET_PRICES, "its split has enough of them", n, most)
        for entry, n, most in crowd
    ]
    dropped = {entry.task.spec.task_id for entry, *_ in crowd}
    placed = [entry for entry in placed if entry.task.spec.task_id not in dropped]
    refused = [*refused, *homeless, *crowding]
    return Selection(placed, sorted(refused, key=lambda drop: drop.key))


def _fit(
    released: Sequence[Released],
    sources: Sequence[RawDataset],
    tiers: LicenceTiersConfig,
    showing: Mapping[str, ShownAnswer],
) -> tuple[list[_Fit], list[Drop]]:
    """Tasks that may ship, by id, and the refusals of the others."""
    catalogue = {source.ref: source for source in sources}
    unknown = sorted({str(i.task.spec.source) for i in released} - set(map(str, catalogue)))
    if unknown:
        raise PublishError(f"tasks name sources that were not handed over: {', '.join(unknown)}")
    fit: list[_Fit] = []
    refused: list[Drop] = []
    for item in sorted(released, key=lambda item: item.task.spec.task_id):
        source = catalogue[item.task.spec.source]
        config = tiers.config_of(source.licence.tier)
        if config is None:
            detail = (
                f"the tier {source.licence.tier} is not released: publish.tiers names no config"
            )
            refused.append(_drop(item, Reason.TIER_WITHHELD, detail))
        elif drop := _unfit(item, config, showing.get(item.task.spec.task_id)):
            refused.append(drop)
        else:
            fit.append(_Fit(item, source, config))
    return fit, refused


def _sided(
    fit: Sequence[_Fit], evidence: SplitEvidence, config: SourceSplitConfig
) -> tuple[list[Placed], list[Drop]]:
    """The tasks on their sides, and the refusals of configs that cannot have both."""
    sources: dict[str, set[str]] = {DEFAULT: set()}
    for entry in fit:
        sources.setdefault(entry.config, set()).add(entry.source.ref.key)
    split = split_sources(sources, evidence, config)
    if DEFAULT in split.unsplit:
        raise PublishError(
            "the default config `tasks` needs tasks under open licences from at least 2 unrelated "
            "sources, one for train and one for eval that is neither well-known nor artificial "
            f"where the settings refuse those; found {len(sources[DEFAULT])}: "
            f"{', '.join(sorted(sources[DEFAULT])) or 'none'}. Add sources and build again."
        )
    placed: list[Placed] = []
    refused: list[Drop] = []
    for item, source, name in fit:
        if name in split.unsplit:
            n_sources = len(sources[name])
            detail = (
                f"config {name} has {n_sources} sources, train and eval need 2 unrelated ones: add "
                "some, or let publish.tiers send their tier to a config with others"
            )
            refused.append(_drop(item, Reason.TIER_TOO_SMALL, detail, n_sources, 2))
        else:
            placed.append(Placed(item, source, split.sides[source.ref.key], name))
    return placed, refused


def _crowding_prices(placed: Sequence[Placed], share: float) -> list[tuple[Placed, int, int]]:
    """Forecasts of asset prices beyond their share, with how many there are and may be.

    The share is that of the split as it ships; the lowest task keys stay.
    """
    crowd = []
    splits: dict[tuple[str, Side], list[Placed]] = {}
    for entry in placed:
        splits.setdefault((entry.config, entry.side), []).append(entry)
    for entries in splits.values():
        prices = [e for e in entries if is_asset_price(e.source, e.task.spec)]
        n_others = len(entries) - len(prices)
        most = max(1, int(share * n_others / (1 - share) + 1e-9))
        prices.sort(key=lambda entry: entry.task.spec.task_key)
        crowd += [(entry, len(prices), most) for entry in prices[most:]]
    return crowd


def _unfit(item: Released, config: str, finding: ShownAnswer | None) -> Drop | None:
    spec = item.task.spec
    if finding:
        detail = f"{finding.place} {finding.detail} of {finding.task_id}"
        return _drop(item, Reason.SHOWS_ANSWER, detail)
    if config == RECIPES and item.recipe is None:
        detail = "the licence allows a recipe only; settings and data lead to another task"
        return _drop(item, Reason.NO_RECIPE, detail)
    # What is asked stands in `prompt`, the literal text in `question`.
    texts = [
        spec.question,
        spec.literal_text,
        ground_truth(item.task),
        spec.instructions.model_dump_json(),
    ]
    size = sum(len(text.encode()) for text in texts)
    if size > _MAX_ROW_BYTES:
        return _drop(item, Reason.ROW_TOO_LARGE, "bytes of the task's row", size, _MAX_ROW_BYTES)
    return None


def _drop(
    item: Released,
    reason: Reason,
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

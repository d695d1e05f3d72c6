"""Which proven tasks ship, and on which side.

Takes what validation passed with its sources; returns a side and a config for every task that ships
and a refusal for every other. Refused are tasks of a tier that the configuration withholds or whose
config cannot have both train and eval, tasks that may ship as a recipe only and have none, tasks
whose row is too large for viewers, those that the search for answers found to be in another's way,
and, last of all, forecasts of asset prices beyond their share of a split. It trusts the gates for
everything else.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from publish.data.ground_truth import ground_truth
from publish.release import ProvenTask, PublishError
from publish.released_task import ReleasedTask
from publish.search.answer_leak import AnswerLeak
from publish.selecting.asset_prices import is_asset_price
from publish.selecting.license_tiers import DEFAULT_CONFIG, RECIPE_CONFIG, LicenceTiersConfig
from publish.selecting.split import SplitEvidence, SplitSide, one_sided, split_sources
from publish.settings import PublishConfig

_MAX_ROW_BYTES = 1_900_000
"""Viewers cut rows of 2 MB; the rest of a row is small."""


@dataclass(frozen=True)
class Selection:
    """Tasks by id: those that ship, and the refusals of this room."""

    tasks: Sequence[ReleasedTask]
    refused: Sequence[Drop]


class _Candidate(NamedTuple):
    """A task that may ship, its source and its config."""

    proven: ProvenTask
    source: RawDataset
    config: str


def refuse_unproven(proven: Sequence[ProvenTask], rejects: Sequence[Drop]) -> None:
    """Raise `PublishError` when a task did not pass, work is pending, or a task id occurs twice."""
    ids = [item.task.spec.task_id for item in proven]
    unproven = sorted(i.task.spec.task_id for i in proven if not i.verdict.passed)
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
    proven: Sequence[ProvenTask],
    sources: Sequence[RawDataset],
    evidence: SplitEvidence,
    settings: PublishConfig,
    withheld: Mapping[str, AnswerLeak],
) -> Selection:
    """Choose the tasks that ship, by id; the `withheld` do not, and say why.

    Raises `PublishError` when a source is missing or the open tier cannot have the sides it needs.
    """
    candidates, unfit = _candidates(proven, sources, settings.tiers, withheld)
    on_sides, unsplit = _on_sides(candidates, evidence, settings)
    crowding = _crowding_prices(on_sides, settings.split.asset_price_share)
    tasks = [entry for entry in on_sides if entry.task_id not in crowding]
    refused = [*unfit, *unsplit, *crowding.values()]
    return Selection(tasks, sorted(refused, key=lambda drop: drop.key))


def _candidates(
    proven: Sequence[ProvenTask],
    sources: Sequence[RawDataset],
    tiers: LicenceTiersConfig,
    withheld: Mapping[str, AnswerLeak],
) -> tuple[list[_Candidate], list[Drop]]:
    """Tasks that may ship, by id, and the refusals of the others."""
    by_ref = {source.ref: source for source in sources}
    unknown = sorted({str(i.task.spec.source) for i in proven} - set(map(str, by_ref)))
    if unknown:
        raise PublishError(f"tasks name sources that were not handed over: {', '.join(unknown)}")
    candidates: list[_Candidate] = []
    refused: list[Drop] = []
    for item in sorted(proven, key=lambda item: item.task.spec.task_id):
        source = by_ref[item.task.spec.source]
        config = tiers.config_of(source.licence.tier)
        if config is None:
            detail = (
                f"the tier {source.licence.tier} is not released: publish.tiers names no config"
            )
            refused.append(_drop(item, Reason.TIER_WITHHELD, detail))
        elif drop := _unfit(item, config, withheld.get(item.task.spec.task_id)):
            refused.append(drop)
        else:
            candidates.append(_Candidate(item, source, config))
    return candidates, refused


def _on_sides(
    candidates: Sequence[_Candidate], evidence: SplitEvidence, settings: PublishConfig
) -> tuple[list[ReleasedTask], list[Drop]]:
    """The tasks on their sides, and the refusals of configs that cannot have both."""
    sources: dict[str, set[str]] = {DEFAULT_CONFIG: set()}
    for entry in candidates:
        sources.setdefault(entry.config, set()).add(entry.source.ref.key)
    is_one_sided = settings.one_sided
    split = one_sided(sources) if is_one_sided else split_sources(sources, evidence, settings.split)
    if DEFAULT_CONFIG in split.unsplit:
        raise PublishError(_no_default(sources[DEFAULT_CONFIG], is_one_sided=is_one_sided))
    tasks: list[ReleasedTask] = []
    refused: list[Drop] = []
    for item, source, config in candidates:
        if config in split.unsplit:
            refused.append(_too_small(item, config, len(sources[config])))
        else:
            tasks.append(ReleasedTask(item, source, split.sides[source.ref.key], config))
    return tasks, refused


def _no_default(sources: Set[str], *, is_one_sided: bool) -> str:
    """Why the open tier cannot ship, and what would help."""
    needed = (
        "at least 1 source"
        if is_one_sided
        else "at least 2 unrelated sources, one for train and one for eval that is neither "
        "well-known nor artificial where the settings refuse those"
    )
    repair = "" if is_one_sided else ", or try your own data with --set publish.one_sided=true"
    return (
        f"the default config `tasks` needs tasks under open licences from {needed}; found "
        f"{len(sources)}: {', '.join(sorted(sources)) or 'none'}. Add sources and build again"
        f"{repair}."
    )


def _too_small(item: ProvenTask, config: str, n_sources: int) -> Drop:
    detail = (
        f"config {config} has {n_sources} sources, train and eval need 2 unrelated ones: add "
        "some, or let publish.tiers send their tier to a config with others"
    )
    return _drop(item, Reason.TIER_TOO_SMALL, detail, n_sources, 2)


def _crowding_prices(tasks: Sequence[ReleasedTask], share: float) -> dict[str, Drop]:
    """The refusals of forecasts of asset prices beyond their share, by task id.

    The share is that of the split as it ships; the lowest task keys stay.
    """
    crowding = {}
    splits: dict[tuple[str, SplitSide], list[ReleasedTask]] = {}
    for entry in tasks:
        splits.setdefault((entry.config, entry.side), []).append(entry)
    for entries in splits.values():
        prices = [e for e in entries if is_asset_price(e.source, e.task.spec)]
        n_others = len(entries) - len(prices)
        # prices / (prices + others) <= share; the addend keeps whole results whole.
        most = max(1, int(share * n_others / (1 - share) + 1e-9))
        # A key is a hash: which stay depends neither on scores nor on the order of sources.
        prices.sort(key=lambda entry: entry.task.spec.task_key)
        for entry in prices[most:]:
            detail = "its split has enough of them"
            crowding[entry.task_id] = _drop(
                entry.proven, Reason.ASSET_PRICES, detail, len(prices), most
            )
    return crowding


def _unfit(item: ProvenTask, config: str, leak: AnswerLeak | None) -> Drop | None:
    if leak:
        detail = f"{leak.place} {leak.detail} of {leak.task_id}"
        return _drop(item, Reason.SHOWS_ANSWER, detail)
    if config == RECIPE_CONFIG and item.recipe is None:
        detail = "the licence allows a recipe only; settings and data lead to another task"
        return _drop(item, Reason.NO_RECIPE, detail)
    size = _row_bytes(item)
    if size > _MAX_ROW_BYTES:
        return _drop(item, Reason.ROW_TOO_LARGE, "bytes of the task's row", size, _MAX_ROW_BYTES)
    return None


def _row_bytes(item: ProvenTask) -> int:
    """Bytes of the row's long texts."""
    spec = item.task.spec
    # What is asked stands in `prompt`, the literal text in `question`.
    texts = (
        spec.question,
        spec.literal_text,
        ground_truth(item.task),
        spec.instructions.model_dump_json(),
    )
    return sum(len(text.encode()) for text in texts)


def _drop(
    item: ProvenTask,
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

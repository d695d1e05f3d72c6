"""From proposals to plans.

Takes the proposals of a dataset, whoever made them; splits the rows of each table once for all that
is asked of it, and returns plans and the reasons why there are not more. Nothing is executed here.
Not guaranteed: that every plan has a draft.
"""

from collections.abc import Iterator, Sequence

from extract.dataset import RawDataset, Table
from extract.drop import Drop, Reason
from extract.store import Store
from extract.stored_table import located, read_stored
from transform.feasible import shortfall, why_excluded, why_infeasible
from transform.plan import Plan
from transform.profile.profile import Profile, TableProfile
from transform.proposal import Proposal
from transform.rows.split import Split, Splitting, split_rows
from transform.task import Variant, tabular_variant
from transform.task_id import identify


def plan_tasks(
    raw: RawDataset,
    profile: Profile,
    proposals: Sequence[Proposal],
    splitting: Splitting,
    store: Store,
) -> tuple[Plan | Drop, ...]:
    """Plans of all variants of all feasible proposals, in the order of tables and proposals.

    Where proposals exclude each other, the earlier one stays. The splits are put into the store.
    """
    tables = {table.name: table for table in located(raw, store).tables}
    plans: list[Plan | Drop] = [
        _refused(proposal, Reason.INFEASIBLE, "the dataset has no such table")
        for proposal in proposals
        if proposal.table not in tables or proposal.dataset != raw.ref
    ]
    for name, table in tables.items():
        asked = [p for p in proposals if p.table == name and p.dataset == raw.ref]
        if asked:
            plans += _plan_table(table, profile.table(name), asked, splitting, store)
    return tuple(plans)


def _plan_table(
    table: Table,
    measured: TableProfile,
    proposals: Sequence[Proposal],
    splitting: Splitting,
    store: Store,
) -> Iterator[Plan | Drop]:
    accepted: list[Proposal] = []
    for proposal in proposals:
        why = why_infeasible(proposal, measured) or why_excluded(proposal, accepted, measured)
        if why:
            yield _refused(proposal, Reason.INFEASIBLE, why)
        else:
            accepted.append(_in_table_order(proposal, table))
    split, refusals = _served(table, accepted, splitting)
    yield from refusals.values()
    if split is None:
        return
    # One file for all plans of the table: what is held out in one is in no train of another.
    file = split.write(store)
    for proposal in (p for p in accepted if p not in refusals):
        for variant in _variants(proposal):
            task_id = identify(proposal, variant, split)
            yield Plan(task_id=task_id, variant=variant, proposal=proposal, split=file)


def _served(
    table: Table, proposals: Sequence[Proposal], splitting: Splitting
) -> tuple[Split | None, dict[Proposal, Drop]]:
    """The one split of the proposals that have enough on both sides, and what the others lack.

    A proposal that is refused has no say in the split, which is then made again for the others.
    """
    frame = read_stored(table)
    refusals: dict[Proposal, Drop] = {}
    while left := [proposal for proposal in proposals if proposal not in refusals]:
        split = split_rows(frame, left, splitting, table.sha256)
        if isinstance(split, Drop):
            return None, refusals | {left[0]: split}
        lacking = {p: why for p in left if (why := shortfall(frame, p, split, splitting.size))}
        if not lacking:
            return split, refusals
        refusals |= {p: _refused(p, Reason.TOO_SMALL, why) for p, why in lacking.items()}
    return None, refusals


def _in_table_order(proposal: Proposal, table: Table) -> Proposal:
    place = {column.name: i for i, column in enumerate(table.columns)}
    # A language model names columns in any order; tasks do not depend on it.
    features = sorted(proposal.features, key=lambda feature: place[feature.name])
    return proposal.model_copy(update={"features": tuple(features)})


def _refused(proposal: Proposal, reason: Reason, why: str) -> Drop:
    asked = f"{proposal.problem} of {', '.join(proposal.targets)}"
    return Drop(
        key=f"{proposal.dataset.key} {proposal.table}: {asked}",
        source=proposal.dataset.key,
        room="transform",
        reason=reason,
        detail=f"table {proposal.table!r}: {asked}: {why}",
        evidence=f"proposed by {proposal.proposer}",
    )


def _variants(proposal: Proposal) -> tuple[Variant, ...]:
    if proposal.problem == "forecasting":
        held_out: tuple[Variant, ...] = (
            ("ts-xf", "ts-cf") if proposal.known_covariates else ("ts-cf",)
        )
        return (*held_out, "ts-if")
    return tuple(tabular_variant(proposal.problem, executed=e) for e in (False, True))

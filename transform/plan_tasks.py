"""The walk of one dataset through the transform room: profile, propose, split, then lay out.

`design` turns a dataset into plans and the reasons why there are not more; `draft` lays one plan
out, again and otherwise when its repair says so. One split of the rows of a table serves every
draft made from it, so that nothing held out in one is given away by another. Nothing is executed
here.
"""

from collections.abc import Iterator
from pathlib import Path

from extract.dataset import RawDataset, Table
from extract.drop import Drop
from extract.noun import Noun
from extract.stored_table import read_stored
from transform.families.forecasting import ForecastingConfig, draft_forecast
from transform.families.instruction import InstructionConfig
from transform.families.modelling import ModellingConfig, draft_modelling
from transform.families.series_instruction import draft_series_instruction
from transform.families.tabular_instruction import draft_instruction
from transform.files.rendered_task import identify
from transform.plan import Plan
from transform.profile import profile
from transform.proposal import Proposal
from transform.propose.heuristic import HeuristicConfig, HeuristicProposer
from transform.rows.size import SizeConfig
from transform.rows.split import SplitConfig, Splitting, read_split, split_rows
from transform.task import VARIANTS, Draft, Variant, tabular_variant


class DesignConfig(Noun):
    """Everything that shapes a draft."""

    propose: HeuristicConfig = HeuristicConfig()
    split: SplitConfig = SplitConfig()
    modelling: ModellingConfig = ModellingConfig()
    instruction: InstructionConfig = InstructionConfig()
    forecasting: ForecastingConfig = ForecastingConfig()


def design(
    raw: RawDataset, config: DesignConfig, size: SizeConfig, seed: int, folder: Path
) -> tuple[Plan | Drop, ...]:
    """Plans of all variants of all proposals, in the order of tables and proposals.

    The splits are written into `folder`.
    """
    splitting = Splitting(config=config.split, size=size, seed=seed)
    proposals = HeuristicProposer(config.propose, splitting).propose(raw, profile(raw))
    if isinstance(proposals, Drop):
        return (proposals,)
    plans: list[Plan | Drop] = []
    for table in raw.tables:
        mine = tuple(p for p in proposals if p.table == table.name)
        if mine:
            plans += _plan_table(table, mine, splitting, folder)
    return tuple(plans)


def _plan_table(
    table: Table, proposals: tuple[Proposal, ...], splitting: Splitting, folder: Path
) -> Iterator[Plan | Drop]:
    split = split_rows(read_stored(table), proposals, splitting, table.sha256)
    if isinstance(split, Drop):
        yield split
        return
    file = split.write(folder)
    for proposal in proposals:
        for variant in _variants(proposal):
            task_id = identify(proposal, variant, split)
            yield Plan(task_id=task_id, variant=variant, proposal=proposal, split=file)


def _variants(proposal: Proposal) -> tuple[Variant, ...]:
    if proposal.problem == "forecasting":
        held_out: tuple[Variant, ...] = (
            ("ts-xf", "ts-cf") if proposal.known_covariates else ("ts-cf",)
        )
        return (*held_out, "ts-if")
    return tuple(tabular_variant(proposal.problem, executed=e) for e in (False, True))


def draft(
    raw: RawDataset, plan: Plan, config: DesignConfig, size: SizeConfig, folder: Path
) -> Draft | Drop:
    """Lay out one plan of the dataset in `folder`."""
    (table,) = (table for table in raw.tables if table.name == plan.proposal.table)
    frame, split = read_stored(table), read_split(plan.split)
    is_executed = VARIANTS[plan.variant].executed
    if plan.proposal.problem == "forecasting":
        if is_executed:
            limits = (config.instruction, config.forecasting)
            return draft_series_instruction(raw, frame, plan, split, limits, size, folder)
        return draft_forecast(raw, frame, plan, split, config.forecasting, size, folder)
    if is_executed:
        return draft_instruction(raw, frame, plan, split, config.instruction, size, folder)
    return draft_modelling(raw, frame, plan, split, config.modelling, size, folder)

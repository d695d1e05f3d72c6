"""The walk of one dataset through the transform room: profile, propose, split, lay out.

What enters is a dataset, what leaves are drafts and the reasons why there are not more. One split
of the rows of a table serves every draft made from it, so that nothing held out in one is given
away by another. Nothing is executed here.
"""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from extract.dataset import RawDataset, Table
from extract.drop import Drop
from extract.noun import Noun
from transform.families.forecasting import ForecastingConfig, draft_forecasts
from transform.families.instruction import InstructionConfig, draft_instruction
from transform.families.modelling import ModellingConfig, draft_modelling
from transform.profile import profile
from transform.proposal import Proposal
from transform.propose.heuristic import HeuristicConfig, HeuristicProposer
from transform.size import SizeConfig
from transform.split import Split, SplitConfig, Splitting, split_rows
from transform.task import Draft


class DesignConfig(Noun):
    """Everything that shapes a draft."""

    propose: HeuristicConfig = HeuristicConfig()
    split: SplitConfig = SplitConfig()
    modelling: ModellingConfig = ModellingConfig()
    instruction: InstructionConfig = InstructionConfig()
    forecasting: ForecastingConfig = ForecastingConfig()


def design(
    raw: RawDataset, config: DesignConfig, size: SizeConfig, seed: int, folder: Path
) -> tuple[Draft | Drop, ...]:
    """Drafts of all variants of all proposals, in the order of tables and proposals."""
    splitting = Splitting(config=config.split, size=size, seed=seed)
    proposals = HeuristicProposer(config.propose, splitting).propose(raw, profile(raw))
    if isinstance(proposals, Drop):
        return (proposals,)
    drafts: list[Draft | Drop] = []
    for table in raw.tables:
        mine = tuple(p for p in proposals if p.table == table.name)
        if mine:
            drafts += _design_table(raw, table, mine, config, splitting, folder)
    return tuple(drafts)


def _design_table(
    raw: RawDataset,
    table: Table,
    proposals: tuple[Proposal, ...],
    config: DesignConfig,
    splitting: Splitting,
    folder: Path,
) -> Iterator[Draft | Drop]:
    frame = pl.read_parquet(table.path)
    split = split_rows(frame, proposals, splitting, table.sha256)
    if isinstance(split, Drop):
        yield split
        return
    for proposal in proposals:
        yield from _variants(raw, frame, proposal, split, config, splitting.size, folder)


def _variants(
    raw: RawDataset,
    frame: pl.DataFrame,
    proposal: Proposal,
    split: Split,
    config: DesignConfig,
    size: SizeConfig,
    folder: Path,
) -> Iterator[Draft | Drop]:
    if proposal.problem == "forecasting":
        yield from draft_forecasts(raw, frame, proposal, split, config.forecasting, size, folder)
        return
    yield draft_modelling(raw, frame, proposal, split, config.modelling, size, folder)
    yield draft_instruction(raw, frame, proposal, split, config.instruction, size, folder)

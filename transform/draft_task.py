"""From a plan to a draft: the family of its problem lays it out.

Takes a plan of a dataset, settings and an empty folder; returns the draft, laid out anew and
otherwise when the plan's repair says so, or the reason why there is none. Nothing is executed here.
Not guaranteed: that every plan has a draft.
"""

from pathlib import Path

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.noun import Noun
from extract.store import Store
from extract.stored_table import locate, read_stored
from transform.families.forecasting import ForecastingConfig, draft_forecast
from transform.families.instruction import InstructionConfig
from transform.families.modelling import ModellingConfig, draft_modelling
from transform.families.series_instruction import draft_series_instruction
from transform.families.tabular_instruction import draft_instruction
from transform.files.task_folder import Draft
from transform.plan import Plan
from transform.rows.size import SizeConfig
from transform.rows.split import SplitConfig, read_split
from transform.task import VARIANTS


class DesignConfig(Noun):
    """Everything that shapes a draft."""

    split: SplitConfig = SplitConfig()
    modelling: ModellingConfig = ModellingConfig()
    instruction: InstructionConfig = InstructionConfig()
    forecasting: ForecastingConfig = ForecastingConfig()


def draft(
    raw: RawDataset,
    plan: Plan,
    config: DesignConfig,
    size: SizeConfig,
    store: Store,
    folder: Path,
) -> Draft | Drop:
    """Lay out one plan of the dataset in `folder`."""
    (table,) = (table for table in raw.tables if table.name == plan.proposal.table)
    frame, split = read_stored(locate(table, store)), read_split(plan.split, store)
    is_executed = VARIANTS[plan.variant].executed
    if plan.proposal.problem == "forecasting":
        if is_executed:
            limits = (config.instruction, config.forecasting)
            return draft_series_instruction(raw, frame, plan, split, limits, size, folder)
        return draft_forecast(raw, frame, plan, split, config.forecasting, size, folder)
    if is_executed:
        return draft_instruction(raw, frame, plan, split, config.instruction, size, folder)
    return draft_modelling(raw, frame, plan, split, config.modelling, size, folder)

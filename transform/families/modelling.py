"""Open modelling tasks: a labelled table, unlabelled rows, and a free choice of model.

Takes a plan and the table's split, returns a draft of `class-mm` or `reg-mm` whose truth is the
held-out targets, or a `Drop`. Held-out rows that stand in train, target included, are left
out, so that no answer can be looked up. Whether the target can be learnt is for validation to find
out.
"""

from pathlib import Path

import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.noun import Noun
from transform.files.rendered_task import RenderedTask, assign_ids, render_task
from transform.files.tables import cell_types, pick_format
from transform.files.task_folder import Draft
from transform.plan import Plan
from transform.proposal import Proposal
from transform.rows.divide import (
    Rows,
    capped,
    divide,
    too_few_rows,
    without_rare_classes,
    without_repeats,
)
from transform.rows.size import SizeConfig
from transform.rows.split import Split
from transform.seed import derive_seed
from transform.task import ID_COLUMN, VARIANTS, Instructions, Variant


class ModellingConfig(Noun):
    """How large an open modelling task may be."""

    max_train_rows: int = Field(default=20_000, ge=1)
    """Rows of train; more are sampled."""
    max_val_rows: int = Field(default=5_000, ge=1)
    """Rows of val; more are sampled."""


def draft_modelling(
    raw: RawDataset,
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: ModellingConfig,
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Render the open variant of a classification or regression proposal."""
    proposal, variant, task_id = plan.proposal, plan.variant, plan.task_id
    frame = frame.drop(plan.repair.without_columns, strict=False)
    # Before rows are sampled: a row that is sampled away still shows its copy's answer to siblings.
    rows = without_repeats(divide(frame, proposal, split))
    rows = capped(rows, config.max_train_rows, config.max_val_rows, task_id)
    if proposal.problem == "classification":
        rows = without_rare_classes(rows, proposal.targets, size.min_class_rows)
    refusal = too_few_rows(rows, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    return render_task(raw, proposal, _rendered(rows, proposal, task_id, variant), folder)


def _rendered(rows: Rows, proposal: Proposal, task_id: str, variant: Variant) -> RenderedTask:
    train, solved = assign_ids(rows.train, rows.val, derive_seed("row ids", task_id))
    val = solved.drop(proposal.targets)
    instructions = Instructions(
        variant=variant,
        problem=proposal.problem,
        data=pick_format(task_id, train.columns, val.columns),
        columns=cell_types(train, val),
        targets=proposal.targets,
        metric=VARIANTS[variant].metric,
    )
    truth = solved.select(ID_COLUMN, *proposal.targets)
    return RenderedTask(task_id, instructions, train, val, truth=truth, notes=rows.notes)

"""Instruction-following tasks of tables: a noisy table, prose that fixes every step, an answer.

Takes a plan of a classification or regression proposal and the table's split, returns a draft of
`class-if` or `reg-if` without truth, or a `Drop`. What is special here: which rows are taken, that
none of them equals a row that a sibling task holds out, and that rows to predict whose classes are
nearly level are left out. The rest is `instruction.py`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import polars as pl

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from transform.families.instruction import (
    MIN_MARGIN,
    ChosenSteps,
    InstructionConfig,
    InstructionFamily,
    beats_chance,
    clean_context,
    draft_task,
    sure_val,
)
from transform.families.missing_values import hide_cells
from transform.families.noise import NoisyTables
from transform.families.sample_steps import SampledChoices
from transform.files.task_folder import Draft
from transform.plan import Plan
from transform.rows.divide import (
    Rows,
    capped,
    divide,
    too_few_rows,
    typed,
    without_rare_classes,
    without_repeats,
)
from transform.rows.size import SizeConfig
from transform.rows.split import Split
from transform.steps.fitting.fit_predict import UNFIT
from transform.steps.step import CleaningStep, StepContext, Workspace
from transform.task import ID_COLUMN


def draft_instruction(
    raw: RawDataset,
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: InstructionConfig,
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Render the instruction variant of a classification or regression proposal.

    The rows do not depend on the repair's sampled choices, steps and noise do.
    """
    proposal, task_id = plan.proposal, plan.task_id
    frame = frame.drop(plan.repair.without_columns, strict=False)
    rows = without_repeats(divide(frame, proposal, split))
    held_out = typed(rows.val).drop(ID_COLUMN)
    rows = capped(rows, config.max_train_rows, config.max_val_rows, task_id)
    if proposal.problem == "classification":
        rows = without_rare_classes(rows, proposal.targets, size.min_class_rows)
    refusal = too_few_rows(rows, proposal, size, task_id, plan.variant)
    if refusal is not None:
        return refusal
    return draft_task(TabularInstruction(plan, rows, held_out, size), config, raw, folder)


class TabularInstruction(InstructionFamily):
    """The rows of a table."""

    max_rules_of_kind = 3
    # Two more than a task must state: the gate `sensitive` may ask to leave some out.
    good_steps = 10
    refusals: ClassVar[Mapping[Reason, str]] = {
        Reason.NO_NOISE: "the table supports too few kinds of noise that can be undone exactly",
        Reason.NO_STEPS: "too few steps can act on the table",
        Reason.NO_FIT: "no estimator that was tried is sure of enough rows and better than chance",
    }

    def __init__(self, plan: Plan, rows: Rows, held_out: pl.DataFrame, size: SizeConfig) -> None:
        """`held_out` is `rows.val` and what siblings hold out."""
        self.plan, self.notes, self.held_out = plan, rows.notes, held_out
        self.min_val_rows = size.min_val_rows
        self._size = size
        self._train, self._val = typed(rows.train), typed(rows.val)

    def cleaning_context(self, choices: SampledChoices) -> StepContext:
        """Both tables; missing values are injected into features."""
        others = (ID_COLUMN, *self.proposal.targets)
        features = [name for name in self._train.columns if name not in others]
        train, val = hide_cells(self._train, self._val, features, choices.rng)
        # An emptied cell can turn a training row into one that is held out in a sibling task.
        held_out = self.held_out
        assert held_out is not None
        train = train.join(held_out, on=held_out.columns, how="anti", nulls_equal=True)
        return clean_context(StepContext, train, val, self.proposal)

    def preparing_context(
        self, settled: StepContext, cleaning: Sequence[CleaningStep]
    ) -> tuple[StepContext, pl.DataFrame] | None:
        """The settled tables themselves."""
        return settled, settled.val

    def stands(self, chosen: ChosenSteps, tables: NoisyTables) -> bool:
        """Whether every row is still sure, and the answer telling."""
        targets = self.proposal.targets
        work = Workspace(tables.clean, tables.val.drop(targets), targets)
        try:
            for step in chosen.steps[len(chosen.cleaning) :]:
                work = step.apply(work)
        except UNFIT:
            return False
        assert work.answer is not None
        # A nearly level row may have come a little nearer.
        sure = sure_val(work.answer, tables.val, chosen.fit, targets, MIN_MARGIN / 2)
        context = clean_context(StepContext, tables.clean, tables.val, self.proposal)
        return sure.height == tables.val.height and beats_chance(work.answer, sure, context)

    def refusal(self, tables: NoisyTables) -> Drop | None:
        """Cleaning took rows as well.

        What it takes from train it takes from a solver's file, too, where copies of such rows stand
        among the noise, so the file is what counts.
        """
        left, plan = Rows(tables.noisy, tables.val), self.plan
        return too_few_rows(left, plan.proposal, self._size, plan.task_id, plan.variant)

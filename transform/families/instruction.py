"""Instruction-following tasks: a dirty table, prose that fixes every step, an executed answer.

A plan of a classification or regression proposal and the table's split enter; a draft of `class-if`
or `reg-if` without truth leaves, or a `Drop`. Steps choose themselves for the table, in the order
of their stages, and work on clean tables as they go; then the dirt is put in that the cleaning
steps undo. Which steps an answer really depends on is for validation to find out; a plan that was
amended says what it found.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.draft import Layout, lay_out
from transform.holes import HolesConfig, hide_cells
from transform.noise import NoiseConfig, Soiled, soil
from transform.parquet import write_parquet
from transform.plan import Plan
from transform.proposal import Proposal
from transform.recipe import Draw, choose_cleaning, choose_preparing, settle
from transform.reference import ReferenceConfig, is_telling, sure_rows
from transform.render import cell_types, pick_format, shipped
from transform.rows import (
    Rows,
    capped,
    divide,
    shortage,
    typed,
    without_rare_classes,
    without_repeats,
)
from transform.size import SizeConfig
from transform.split import Split
from transform.steps.fit_predict import FitPredict, score_columns
from transform.steps.join_tables import JoinTables
from transform.steps.step import CleaningStep, Sketch, Step, Workspace
from transform.task import ID_COLUMN, VARIANTS, DataFiles, Draft, Instructions

HELD_OUT_FILE = "held_out.parquet"
"""In `private/`: id and true targets of the rows to predict; truth is what the steps lead to."""
_FORMATS_TRIED = 16
_DETAILS = {
    Reason.NO_DIRT: "the table supports too few kinds of dirt that can be undone exactly",
    Reason.NO_STEPS: "too few steps can act on the table",
    Reason.NO_FIT: "no estimator that was tried is sure of enough rows and better than chance",
}


class InstructionConfig(Noun):
    """How large and how long an instruction task may be."""

    max_train_rows: int = Field(default=3_000, ge=1)
    """Clean rows of train; more are sampled."""
    max_val_rows: int = Field(default=1_500, ge=1)
    min_steps: int = Field(default=8, ge=1)
    models_tried: int = Field(default=6, ge=1)
    """Estimators tried until one suits the table."""
    max_rules_of_kind: int = Field(default=3, ge=1)
    """Cleaning steps of one kind."""
    attempts: int = Field(default=3, ge=1)
    """Draws of all steps until one set can act on the table."""
    holes: HolesConfig = HolesConfig()
    reference: ReferenceConfig = ReferenceConfig()
    noise: NoiseConfig = NoiseConfig()


@dataclass(frozen=True)
class _Table:
    """The typed rows of a task before anything is chosen, scratch ids included."""

    train: pl.DataFrame
    val: pl.DataFrame
    held_out: pl.DataFrame
    """Rows that no training row may equal: `val` and what siblings hold out. No ids."""


@dataclass(frozen=True)
class _Recipe:
    """The steps of a task and the clean tables that its cleaning leaves alone."""

    steps: tuple[Step, ...]
    train: pl.DataFrame
    val: pl.DataFrame
    """Targets included."""

    @property
    def cleaning(self) -> tuple[CleaningStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, CleaningStep))


def draft_instruction(
    raw: RawDataset,
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: InstructionConfig,
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Lay out the instruction variant of a classification or regression proposal.

    The rows do not depend on the amendment's draw, steps and dirt do.
    """
    proposal, variant, task_id = plan.proposal, plan.variant, plan.task_id
    frame = frame.drop(plan.amendment.without_columns, strict=False)
    rows = without_repeats(divide(frame, proposal, split))
    held_out = rows.val
    rows = capped(rows, config.max_train_rows, config.max_val_rows, task_id)
    if proposal.problem == "classification":
        rows = without_rare_classes(rows, proposal.targets, size.min_class_rows)
    refusal = shortage(rows, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    table = _Table(typed(rows.train), typed(rows.val), typed(held_out).drop(ID_COLUMN))
    recipe = _first_recipe(table, plan, config, size)
    if isinstance(recipe, Reason):
        return _refuse(recipe, plan)
    draw = Draw(task_id, plan.amendment)
    soiled = soil(
        recipe.train.drop(ID_COLUMN),
        recipe.val.drop(ID_COLUMN),
        recipe.cleaning,
        draw.rng("dirt"),
        config.noise,
        proposal.targets,
        table.held_out,
    )
    # Cleaning took rows as well. What it takes from train it takes from a solver's file, too, where
    # copies of such rows stand among the dirt, so the file is what counts.
    left = Rows(soiled.dirty, soiled.val)
    refusal = shortage(left, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    draft = lay_out(raw, proposal, _layout(recipe, soiled, plan, rows.notes), folder)
    truth = shipped(soiled.val.select(ID_COLUMN, *proposal.targets))
    write_parquet(truth, draft.private / HELD_OUT_FILE)
    return draft


# --- planning ---------------------------------------------------------------------------------


def _first_recipe(
    table: _Table, plan: Plan, config: InstructionConfig, size: SizeConfig
) -> _Recipe | Reason:
    """The first of some draws that works, or why the last one does not."""
    recipe: _Recipe | Reason = Reason.NO_STEPS
    for attempt in range(config.attempts):
        draw = Draw(plan.task_id, plan.amendment, attempt)
        recipe = _recipe(table, plan.proposal, config, size, draw)
        if isinstance(recipe, _Recipe):
            break
    return recipe


def _recipe(
    table: _Table, proposal: Proposal, config: InstructionConfig, size: SizeConfig, draw: Draw
) -> _Recipe | Reason:
    """Let every kind of step choose itself, cleaning first, then preparing and fitting."""
    features = [n for n in table.train.columns if n not in (ID_COLUMN, *proposal.targets)]
    train, val = hide_cells(table.train, table.val, features, config.holes, draw.rng)
    # An emptied cell can turn a training row into one that is held out in a sibling task.
    held_out = table.held_out
    train = train.join(held_out, on=held_out.columns, how="anti", nulls_equal=True)
    cleaning, sketch = choose_cleaning(
        _sketch(train, val, proposal), draw, config.max_rules_of_kind
    )
    settled = settle(cleaning, sketch)
    if settled is None or len({step.dirt for step in cleaning}) < config.noise.min_kinds:
        return Reason.NO_DIRT
    reason = Reason.NO_STEPS
    for model in draw.models(proposal.problem)[: config.models_tried]:
        try:
            preparing, answer = choose_preparing(replace(settled, model=model), draw)
        except (ConvergenceWarning, ValueError, ArithmeticError):
            # The estimator is not for this table.
            continue
        steps = (*cleaning, *preparing)
        if answer is None or len(steps) < config.min_steps:
            continue
        # Rows to predict do not act on the fit: without some of them the others' answers stay.
        val = _sure(answer, settled.val, steps[-1], proposal, config.reference)
        if val.height >= size.min_val_rows and _tells(answer, val, proposal, config.reference):
            return _Recipe(steps, settled.train, val)
        reason = Reason.NO_FIT
    return reason


def _sure(
    answer: pl.DataFrame, val: pl.DataFrame, fit: Step, proposal: Proposal, config: ReferenceConfig
) -> pl.DataFrame:
    """The rows of val whose answer no other machine turns over."""
    assert isinstance(fit, FitPredict)
    scores = [name for name in answer.columns if name not in (ID_COLUMN, *proposal.targets)]
    ids = sure_rows(answer, scores, fit.scores, config.min_margin)
    return val.filter(pl.col(ID_COLUMN).is_in(ids))


def _tells(
    answer: pl.DataFrame, val: pl.DataFrame, proposal: Proposal, config: ReferenceConfig
) -> bool:
    kept = val.select(ID_COLUMN).join(answer, on=ID_COLUMN, how="left", maintain_order="left")
    return is_telling(kept, val, proposal.targets, proposal.problem, config)


def _sketch(train: pl.DataFrame, val: pl.DataFrame, proposal: Proposal) -> Sketch:
    blank = Sketch(
        train=train,
        val=val,
        problem=proposal.problem,
        targets=proposal.targets,
        numbers=(),
        categories=(),
        times=(),
        model="",
    )
    return blank.after(Workspace(train, val, proposal.targets))


def _refuse(reason: Reason, plan: Plan) -> Drop:
    return Drop(
        key=plan.task_id,
        source=plan.proposal.dataset.key,
        room="transform",
        reason=reason,
        detail=f"table {plan.proposal.table!r}: {_DETAILS[reason]}",
        variant=plan.variant,
    )


# --- laying out -------------------------------------------------------------------------------


def _layout(recipe: _Recipe, soiled: Soiled, plan: Plan, notes: tuple[str, ...]) -> Layout:
    proposal, targets = plan.proposal, plan.proposal.targets
    val = soiled.val.drop(targets)
    data, join = pick_files(plan, soiled.dirty, val)
    fit = recipe.steps[-1]
    assert isinstance(fit, FitPredict)
    told = Instructions(
        variant=plan.variant,
        problem=proposal.problem,
        data=data,
        columns=cell_types(soiled.clean, val),
        targets=targets,
        scores=score_columns(recipe.train[targets[0]]) if fit.scores != "none" else (),
        metric=VARIANTS[plan.variant].metric,
        steps=tuple(step.spec() for step in (*join, *recipe.steps)),
    )
    return Layout(
        plan.task_id,
        told,
        soiled.dirty,
        val,
        clean=soiled.clean,
        dirt=tuple(sorted({step.dirt for step in recipe.cleaning})),
        notes=notes,
    )


def pick_files(
    plan: Plan, train: pl.DataFrame, val: pl.DataFrame
) -> tuple[DataFiles, tuple[JoinTables, ...]]:
    """The format that the task's id draws, with the join that it needs; another if forbidden."""
    amendment = plan.amendment
    for salt in ("", *map(str, range(_FORMATS_TRIED))):
        data = pick_format(plan.task_id + salt, train.columns, val.columns)
        if data.parts == 1:
            return data, ()
        join = JoinTables.of(data.parts)
        if join.kind not in amendment.avoid_kinds and join.spec() not in amendment.avoid_steps:
            return data, (join,)
    return DataFiles(format="csv"), ()

"""Instruction-following tasks: a noisy table, prose that fixes every step, an executed answer.

A plan of a classification or regression proposal and the table's split enter; a draft of `class-if`
or `reg-if` without truth leaves, or a `Drop`. Steps choose themselves for the table, in the order
of their stages, and work on clean tables as they go; then the noise is put in that the cleaning
steps undo. Which steps an answer really depends on is for validation to find out; a plan that was
repaired says what it found.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.families.answer_quality import ReferenceConfig, is_telling, sure_rows
from transform.families.missing_values import HolesConfig, hide_cells
from transform.families.noise import NoiseConfig, Soiled, soil
from transform.families.sample_steps import Draw, choose_cleaning, choose_preparing, settle
from transform.files.layout import RenderedTask, render_task
from transform.files.parquet import write_parquet
from transform.files.tables import cell_types, pick_format, shipped
from transform.plan import Plan, Repair
from transform.proposal import Proposal
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
from transform.steps.cleaning.join_tables import JoinTables
from transform.steps.fitting.fit_predict import UNFIT, FitPredict, score_columns
from transform.steps.step import CleaningStep, Step, StepContext, Workspace
from transform.task import ID_COLUMN, VARIANTS, DataFiles, Draft, Instructions

_FORMATS_TRIED = 16
_DETAILS = {
    Reason.NO_NOISE: "the table supports too few kinds of noise that can be undone exactly",
    Reason.NO_STEPS: "too few steps can act on the table",
    Reason.NO_FIT: "no estimator that was tried is sure of enough rows and better than chance",
}


class StepsConfig(Noun):
    """How the steps of an instruction task are chosen, of tables and of series."""

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


class InstructionConfig(StepsConfig):
    """How large and how long an instruction task may be."""

    max_train_rows: int = Field(default=3_000, ge=1)
    """Clean rows of train; more are sampled."""
    max_val_rows: int = Field(default=1_500, ge=1)
    good_steps: int = Field(default=10, ge=1)
    """With fewer another draw is tried: a gate may ask to leave some out."""
    min_margin: float = Field(default=1e-3, ge=0)
    """Of the best score over the second; rows below are left out. Probability, or for decision
    values in standard deviations of all scores."""


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

    @property
    def fit(self) -> FitPredict:
        last = self.steps[-1]
        assert isinstance(last, FitPredict)
        return last


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

    The rows do not depend on the repair's draw, steps and noise do.
    """
    proposal, variant, task_id = plan.proposal, plan.variant, plan.task_id
    frame = frame.drop(plan.repair.without_columns, strict=False)
    rows = without_repeats(divide(frame, proposal, split))
    held_out = rows.val
    rows = capped(rows, config.max_train_rows, config.max_val_rows, task_id)
    if proposal.problem == "classification":
        rows = without_rare_classes(rows, proposal.targets, size.min_class_rows)
    refusal = too_few_rows(rows, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    table = _Table(typed(rows.train), typed(rows.val), typed(held_out).drop(ID_COLUMN))
    drawn = _drawn(table, plan, config, size)
    if isinstance(drawn, Reason):
        return _refuse(drawn, plan)
    recipe, soiled = drawn
    # Cleaning took rows as well. What it takes from train it takes from a solver's file, too, where
    # copies of such rows stand among the noise, so the file is what counts.
    left = Rows(soiled.noisy, soiled.val)
    refusal = too_few_rows(left, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    draft = render_task(raw, proposal, _layout(recipe, soiled, plan, rows.notes), folder)
    truth = shipped(soiled.val.select(ID_COLUMN, *proposal.targets))
    write_parquet(truth, draft.held_out_file)
    return draft


# --- planning ---------------------------------------------------------------------------------


def _drawn(
    table: _Table, plan: Plan, config: InstructionConfig, size: SizeConfig
) -> tuple[_Recipe, Soiled] | Reason:
    """A recipe with its noisy tables, or why there is none.

    Ids come with the noise and order the rows; an estimator whose answer they turn is passed over.
    """
    for _ in range(config.models_tried):
        recipe = _best_recipe(table, plan, config, size)
        if isinstance(recipe, Reason):
            return recipe
        soiled = soil(
            recipe.train.drop(ID_COLUMN),
            recipe.val.drop(ID_COLUMN),
            recipe.cleaning,
            Draw(plan.task_id, plan.repair).rng("dirt"),
            config.noise,
            plan.proposal.targets,
            table.held_out,
        )
        if _stands(recipe, soiled, plan.proposal, config):
            return recipe, soiled
        plan = plan.repaired(Repair(avoid_models=(recipe.fit.estimator,)))
    return Reason.NO_FIT


def _stands(recipe: _Recipe, soiled: Soiled, proposal: Proposal, config: InstructionConfig) -> bool:
    """Whether the answer on the tables as they are shipped is still sure and telling."""
    work = Workspace(soiled.clean, soiled.val.drop(proposal.targets), proposal.targets)
    try:
        for step in recipe.steps[len(recipe.cleaning) :]:
            work = step.apply(work)
    except UNFIT:
        return False
    assert work.answer is not None
    # A nearly level row may have come a little nearer.
    sure = _sure(work.answer, soiled.val, recipe.fit, proposal, config.min_margin / 2)
    return sure.height == soiled.val.height and _tells(
        work.answer, sure, proposal, config.reference
    )


def _best_recipe(
    table: _Table, plan: Plan, config: InstructionConfig, size: SizeConfig
) -> _Recipe | Reason:
    """The first of some draws that is long enough, else the longest, or why the last one fails."""
    found: _Recipe | None = None
    recipe: _Recipe | Reason = Reason.NO_STEPS
    for attempt in range(config.attempts):
        draw = Draw(plan.task_id, plan.repair, attempt)
        recipe = _recipe(table, plan.proposal, config, size, draw)
        if isinstance(recipe, _Recipe) and (found is None or len(recipe.steps) > len(found.steps)):
            found = recipe
        if found is not None and len(found.steps) >= config.good_steps:
            break
    return found or recipe


def _recipe(
    table: _Table, proposal: Proposal, config: InstructionConfig, size: SizeConfig, draw: Draw
) -> _Recipe | Reason:
    """Let every kind of step choose itself, cleaning first, then preparing and fitting."""
    features = [n for n in table.train.columns if n not in (ID_COLUMN, *proposal.targets)]
    train, val = hide_cells(table.train, table.val, features, config.holes, draw.rng)
    # An emptied cell can turn a training row into one that is held out in a sibling task.
    held_out = table.held_out
    train = train.join(held_out, on=held_out.columns, how="anti", nulls_equal=True)
    cleaning, context = choose_cleaning(
        _sketch(train, val, proposal), draw, config.max_rules_of_kind
    )
    settled = settle(cleaning, context)
    if settled is None or len({step.noise for step in cleaning}) < config.noise.min_kinds:
        return Reason.NO_NOISE
    reason = Reason.NO_STEPS
    for model in draw.models(proposal.problem)[: config.models_tried]:
        try:
            preparing, answer = choose_preparing(replace(settled, model=model), draw)
        except UNFIT:
            # The estimator is not for this table.
            continue
        steps = (*cleaning, *preparing)
        if answer is None or len(steps) < config.min_steps:
            continue
        # Rows to predict do not act on the fit: without some of them the others' answers stay.
        recipe = _Recipe(steps, settled.train, settled.val)
        val = _sure(answer, settled.val, recipe.fit, proposal, config.min_margin)
        if val.height >= size.min_val_rows and _tells(answer, val, proposal, config.reference):
            return replace(recipe, val=val)
        reason = Reason.NO_FIT
    return reason


def _sure(
    answer: pl.DataFrame,
    val: pl.DataFrame,
    fit: FitPredict,
    proposal: Proposal,
    least: float,
) -> pl.DataFrame:
    """The rows of val whose answer no other machine turns over."""
    scores = [name for name in answer.columns if name not in (ID_COLUMN, *proposal.targets)]
    ids = sure_rows(answer, scores, fit.scores, least)
    return val.filter(pl.col(ID_COLUMN).is_in(ids))


def _tells(
    answer: pl.DataFrame, val: pl.DataFrame, proposal: Proposal, config: ReferenceConfig
) -> bool:
    kept = val.select(ID_COLUMN).join(answer, on=ID_COLUMN, how="left", maintain_order="left")
    return is_telling(kept, val, proposal.targets, proposal.problem, config)


def _sketch(train: pl.DataFrame, val: pl.DataFrame, proposal: Proposal) -> StepContext:
    blank = StepContext(
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


def _layout(recipe: _Recipe, soiled: Soiled, plan: Plan, notes: tuple[str, ...]) -> RenderedTask:
    proposal, targets = plan.proposal, plan.proposal.targets
    val = soiled.val.drop(targets)
    data, join = pick_files(plan, soiled.noisy, val)
    told = Instructions(
        variant=plan.variant,
        problem=proposal.problem,
        data=data,
        columns=cell_types(soiled.clean, val),
        targets=targets,
        scores=score_columns(recipe.train[targets[0]]) if recipe.fit.scores != "none" else (),
        metric=VARIANTS[plan.variant].metric,
        steps=tuple(step.spec() for step in (*join, *recipe.steps)),
    )
    return RenderedTask(
        plan.task_id,
        told,
        soiled.noisy,
        val,
        clean=soiled.clean,
        noise=tuple(sorted({step.noise for step in recipe.cleaning})),
        notes=notes,
    )


def pick_files(
    plan: Plan, train: pl.DataFrame, val: pl.DataFrame
) -> tuple[DataFiles, tuple[JoinTables, ...]]:
    """The format that the task's id draws, with the join that it needs; another if forbidden."""
    repair = plan.repair
    for salt in ("", *map(str, range(_FORMATS_TRIED))):
        data = pick_format(plan.task_id + salt, train.columns, val.columns)
        if data.parts == 1:
            return data, ()
        join = JoinTables.of(data.parts)
        if join.kind not in repair.avoid_kinds and join.spec() not in repair.avoid_steps:
            return data, (join,)
    return DataFiles(format="csv"), ()

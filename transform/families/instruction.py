"""What both instruction families share: how steps are sampled, noise is injected and text follows.

Takes a family, which knows its rows and what is special about them, returns a draft without truth,
or a `Drop`. Steps choose themselves for the table, in the order of their stages, and work on clean
tables as they go; then the noise is injected that the cleaning steps undo. Which steps an answer
really depends on is for validation to find out; a repaired plan says which did not.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.families.answer_quality import is_telling, sure_rows
from transform.families.noise import NoisyTables, inject_noise
from transform.families.sample_steps import (
    SampledChoices,
    choose_cleaning,
    choose_preparing,
    settle,
)
from transform.files.parquet import write_parquet
from transform.files.rendered_task import RenderedTask, render_task
from transform.files.tables import cell_types, pick_format, shipped
from transform.files.task_folder import Draft
from transform.plan import Plan, Repair
from transform.proposal import Proposal
from transform.steps.cleaning.join_tables import JoinTables
from transform.steps.fitting.fit_predict import UNFIT, FitPredict, score_columns
from transform.steps.step import CleaningStep, SeriesFacts, Step, StepContext, Workspace
from transform.task import ID_COLUMN, VARIANTS, DataFiles, Grid, Instructions

MODELS_TRIED = 6
"""Estimators tried until one suits the tables; each costs a fit."""
MIN_MARGIN = 1e-3
"""Of the best score over the second; rows below are left out. Ten times what the gate
`reproducible` asks, since ids and noise still move an answer a little. Probability, or for decision
values in standard deviations of all scores."""
_ATTEMPTS = 3
"""Samples of all steps until one set is long enough."""
_FORMATS_TRIED = 16


class InstructionConfig(Noun):
    """How large, long and noisy an instruction task may be, of tables and of series."""

    min_steps: int = Field(default=8, ge=1)
    """Steps that a task states at least."""
    max_train_rows: int = Field(default=3_000, ge=1)
    """Clean rows of train; more are sampled, of series the most recent ones ship."""
    max_val_rows: int = Field(default=1_500, ge=1)
    """Rows of val; more are sampled."""
    noise_share: float = Field(default=0.2, gt=0, lt=1)
    """Noisy rows as a share of the training rows (the peer's share)."""
    min_noise_kinds: int = Field(default=3, ge=1)
    """Kinds of noise that a task must have."""


@dataclass(frozen=True)
class ChosenSteps:
    """The steps of a task and the clean tables that its cleaning leaves alone."""

    steps: tuple[Step, ...]
    train: pl.DataFrame
    val: pl.DataFrame
    """Targets included."""

    @property
    def cleaning(self) -> tuple[CleaningStep, ...]:
        """The steps that clean; they come first."""
        return tuple(step for step in self.steps if isinstance(step, CleaningStep))

    @property
    def fit(self) -> FitPredict:
        """The last step."""
        last = self.steps[-1]
        assert isinstance(last, FitPredict)
        return last


class InstructionFamily(ABC):
    """The rows of one planned task and what is special about them."""

    max_rules_of_kind: ClassVar[int]
    """Cleaning steps of one kind."""
    good_steps: ClassVar[int]
    """With fewer another sample of steps is tried."""
    refusals: ClassVar[Mapping[Reason, str]]
    """What a `Drop` says."""

    plan: Plan
    min_val_rows: int
    """Rows to predict whose answer must be sure."""
    held_out: pl.DataFrame | None = None
    """Rows that no training row may equal; no ids."""
    notes: tuple[str, ...] = ()

    @property
    def proposal(self) -> Proposal:
        """What the task is about."""
        return self.plan.proposal

    @abstractmethod
    def cleaning_context(self, choices: SampledChoices) -> StepContext:
        """The clean tables, with injected missing values, as cleaning may look at them."""

    @abstractmethod
    def preparing_context(
        self, settled: StepContext, cleaning: Sequence[CleaningStep]
    ) -> tuple[StepContext, pl.DataFrame] | None:
        """The cleaned tables as the other steps may look at them, and val with its targets.

        None where cleaning has changed what must stay.
        """

    def models(self, choices: SampledChoices, context: StepContext) -> list[str]:
        """Estimators in the order in which they are tried."""
        return choices.models(context.problem)

    def stands(self, chosen: ChosenSteps, tables: NoisyTables) -> bool:
        """Whether the answer on the tables with their final ids is as good as it was."""
        return True

    def refusal(self, tables: NoisyTables) -> Drop | None:
        """The refusal of tables that have become too small."""
        return None

    def grid(self, val: pl.DataFrame) -> Grid | None:
        """The instants that are scored."""
        return None


def draft_task(
    family: InstructionFamily, config: InstructionConfig, raw: RawDataset, folder: Path
) -> Draft | Drop:
    """Render the instruction task of a family in `folder`."""
    noisy = _noisy_steps(family, config)
    if isinstance(noisy, Reason):
        return _refuse(noisy, family)
    chosen, tables = noisy
    refusal = family.refusal(tables)
    if refusal is not None:
        return refusal
    draft = render_task(raw, family.proposal, _rendered(family, chosen, tables), folder)
    truth = shipped(tables.val.select(ID_COLUMN, *family.proposal.targets))
    write_parquet(truth, draft.held_out_file)
    return draft


def _refuse(reason: Reason, family: InstructionFamily) -> Drop:
    proposal = family.proposal
    return Drop(
        key=family.plan.task_id,
        source=proposal.dataset.key,
        room="transform",
        reason=reason,
        detail=f"table {proposal.table!r}: {family.refusals[reason]}",
        variant=family.plan.variant,
    )


# --- choosing steps ---------------------------------------------------------------------------


def _noisy_steps(
    family: InstructionFamily, config: InstructionConfig
) -> tuple[ChosenSteps, NoisyTables] | Reason:
    """Steps with the noisy tables that they undo, or why there are none.

    Ids come with the noise and order the rows; an estimator whose answer they turn is passed over.
    """
    repair = family.plan.repair
    for _ in range(MODELS_TRIED):
        chosen = _best_steps(family, config, repair)
        if isinstance(chosen, Reason):
            return chosen
        tables = inject_noise(
            chosen.train.drop(ID_COLUMN),
            chosen.val.drop(ID_COLUMN),
            chosen.cleaning,
            SampledChoices(family.plan.task_id, repair).rng("dirt"),
            config.noise_share,
            family.proposal.targets,
            family.held_out,
        )
        if family.stands(chosen, tables):
            return chosen, tables
        repair = repair.plus(Repair(avoid_models=(chosen.fit.estimator,)))
    return Reason.NO_FIT


def _best_steps(
    family: InstructionFamily, config: InstructionConfig, repair: Repair
) -> ChosenSteps | Reason:
    """The first sample that is long enough, else the longest, or why the last one fails."""
    best: ChosenSteps | None = None
    chosen: ChosenSteps | Reason = Reason.NO_STEPS
    for attempt in range(_ATTEMPTS):
        choices = SampledChoices(family.plan.task_id, repair, attempt)
        chosen = _chosen_steps(family, config, choices)
        if isinstance(chosen, ChosenSteps) and (
            best is None or len(chosen.steps) > len(best.steps)
        ):
            best = chosen
        if best is not None and len(best.steps) >= family.good_steps:
            break
    return best or chosen


def _chosen_steps(
    family: InstructionFamily, config: InstructionConfig, choices: SampledChoices
) -> ChosenSteps | Reason:
    """Let every kind of step choose itself, cleaning first, then preparing and fitting."""
    context = family.cleaning_context(choices)
    cleaning, context = choose_cleaning(context, choices, family.max_rules_of_kind)
    settled = settle(cleaning, context)
    if settled is None or len({step.noise for step in cleaning}) < config.min_noise_kinds:
        return Reason.NO_NOISE
    prepared = family.preparing_context(settled, cleaning)
    if prepared is None:
        return Reason.NO_NOISE
    return _with_model(family, config, choices, cleaning, *prepared)


def _with_model(
    family: InstructionFamily,
    config: InstructionConfig,
    choices: SampledChoices,
    cleaning: tuple[CleaningStep, ...],
    context: StepContext,
    val: pl.DataFrame,
) -> ChosenSteps | Reason:
    """Cleaning, preparing and the first estimator whose answer is worth a task."""
    reason = Reason.NO_STEPS
    for model in family.models(choices, context)[:MODELS_TRIED]:
        try:
            preparing, answer = choose_preparing(replace(context, model=model), choices)
        except UNFIT:
            # The estimator is not for these tables.
            continue
        steps = (*cleaning, *preparing)
        if answer is None or len(steps) < config.min_steps:
            continue
        # Rows to predict do not act on the fit: without some of them the others' answers stay.
        chosen = ChosenSteps(steps, context.train, val)
        sure = sure_val(answer, val, chosen.fit, context.targets, MIN_MARGIN)
        if sure.height >= family.min_val_rows and beats_chance(answer, sure, context):
            return replace(chosen, val=sure)
        reason = Reason.NO_FIT
    return reason


def sure_val(
    answer: pl.DataFrame, val: pl.DataFrame, fit: FitPredict, targets: Sequence[str], least: float
) -> pl.DataFrame:
    """The rows of val whose answer no other machine turns over."""
    scores = [name for name in answer.columns if name not in (ID_COLUMN, *targets)]
    return val.filter(pl.col(ID_COLUMN).is_in(sure_rows(answer, scores, fit.scores, least)))


def beats_chance(answer: pl.DataFrame, val: pl.DataFrame, context: StepContext) -> bool:
    """Whether the answer to the rows of val is various and better than chance."""
    kept = val.select(ID_COLUMN).join(answer, on=ID_COLUMN, how="left", maintain_order="left")
    return is_telling(kept, val, context.targets, context.problem)


def clean_context(
    kind: type[StepContext],
    train: pl.DataFrame,
    val: pl.DataFrame,
    proposal: Proposal,
    series: SeriesFacts | None = None,
) -> StepContext:
    """What steps may look at before any has been chosen; a forecast is a regression to them."""
    problem = "regression" if proposal.problem == "forecasting" else proposal.problem
    blank = kind(train, val, problem, proposal.targets, (), (), (), model="", series=series)
    return blank.after(Workspace(train, val, proposal.targets))


# --- rendering --------------------------------------------------------------------------------


def _rendered(family: InstructionFamily, chosen: ChosenSteps, tables: NoisyTables) -> RenderedTask:
    plan, targets = family.plan, family.proposal.targets
    val = tables.val.drop(targets)
    data, join = _pick_files(plan, tables.noisy, val)
    instructions = Instructions(
        variant=plan.variant,
        problem=family.proposal.problem,
        data=data,
        columns=cell_types(tables.clean, val),
        targets=targets,
        scores=score_columns(chosen.train[targets[0]]) if chosen.fit.scores != "none" else (),
        metric=VARIANTS[plan.variant].metric,
        grid=family.grid(val),
        steps=tuple(step.spec() for step in (*join, *chosen.steps)),
    )
    return RenderedTask(
        plan.task_id,
        instructions,
        tables.noisy,
        val,
        clean=tables.clean,
        noise=tuple(sorted({step.noise for step in chosen.cleaning})),
        injected=_injected(tables, chosen.cleaning, first_position=1 + len(join)),
        notes=family.notes,
    )


def _injected(
    tables: NoisyTables, cleaning: Sequence[CleaningStep], first_position: int
) -> pl.DataFrame:
    """The record of the noise with its kind and the position from 1 of the step that undoes it."""
    kinds = {rule: step.noise for rule, step in enumerate(cleaning)}
    return tables.injected.select(
        ID_COLUMN,
        "column",
        pl.col("rule").replace_strict(kinds, return_dtype=pl.String).alias("kind"),
        (pl.col("rule") + first_position).alias("step"),
    )


def _pick_files(
    plan: Plan, train: pl.DataFrame, val: pl.DataFrame
) -> tuple[DataFiles, tuple[JoinTables, ...]]:
    """The format that the task's id decides, with the join that it needs; another if forbidden."""
    repair = plan.repair
    for salt in ("", *map(str, range(_FORMATS_TRIED))):
        data = pick_format(plan.task_id + salt, train.columns, val.columns)
        if data.parts == 1:
            return data, ()
        join = JoinTables.of(data.parts)
        if join.kind not in repair.avoid_kinds and join.spec() not in repair.avoid_steps:
            return data, (join,)
    return DataFiles(format="csv"), ()

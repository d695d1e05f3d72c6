"""Instruction-following forecasts: a noisy history, prose that fixes every step, executed truth.

A forecasting proposal and the table's split enter; a draft of `ts-if` without truth leaves, or a
`Drop`. Grid, cutoff and future rows are those of the sibling tasks; the history ships as the source
has it, finer than the grid where it is, and only before the cutoff, so that no answer of a sibling
can be computed from it. Lags reach at least as far back as the horizon is long: one fit forecasts
all rows. Which steps an answer really depends on is for validation to find out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from transform.families import forecasting
from transform.families.answer_quality import is_telling
from transform.families.forecasting import ForecastingConfig
from transform.families.instruction import StepsConfig, pick_files
from transform.families.missing_values import hide_cells
from transform.families.noise import Soiled, soil
from transform.families.sample_steps import Draw, choose_cleaning, choose_preparing, settle
from transform.files.layout import RenderedTask, render_task, too_small
from transform.files.parquet import write_parquet
from transform.files.tables import cell_types, shipped
from transform.plan import Plan, Repair
from transform.proposal import Aggregation, Proposal
from transform.rows.divide import typed
from transform.rows.size import SizeConfig
from transform.rows.split import Split, cells
from transform.series.seasonal_naive import season_length
from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.cleaning.normalise_text import NormaliseText
from transform.steps.fitting.fit_predict import UNFIT
from transform.steps.fitting.models import MODELS
from transform.steps.step import CleaningStep, SeriesFacts, Step, StepContext, Workspace
from transform.task import ID_COLUMN, VARIANTS, Draft, Grid, Instructions

_CELL = " cell"
"""Scratch column; shipped names never begin with a space."""
_MIN_DISTINCT = 10
"""Values of a covariate whose past may tell something."""
_MAX_MISSING = 0.2
_MAX_REPEATED = 0.01
"""Share of repeated rows up to which they are taken for noise of the source."""
_DETAILS = {
    Reason.NO_NOISE: "the history supports too few kinds of noise that can be undone exactly",
    Reason.NO_STEPS: "too few steps can act on the series",
    Reason.NO_FIT: "no estimator that was tried forecasts the series better than chance",
}


class SeriesInstructionConfig(StepsConfig):
    """How large and how long a `ts-if` task may be."""

    forecasting: ForecastingConfig = ForecastingConfig(max_entities=6, max_train_rows=3_000)
    max_rules_of_kind: int = Field(default=2, ge=1)
    """Cleaning steps of one kind."""
    max_rows: int = Field(default=20_000, ge=1)
    """Rows of the history that are finer than the grid; series beyond are left out."""
    max_covariates: int = Field(default=2, ge=0)
    """Other numbers of the history."""


@dataclass(frozen=True)
class _History:
    """The clean tables of a task before its steps are chosen."""

    train: pl.DataFrame
    """Scratch id, time, entities as text, targets, covariates; as fine as the source."""
    val: pl.DataFrame
    """The future on the grid: time, entities, what is known ahead, and the true targets."""
    series: SeriesFacts
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Recipe:
    """The steps of a task and the clean tables that its cleaning leaves alone."""

    steps: tuple[Step, ...]
    train: pl.DataFrame
    val: pl.DataFrame

    @property
    def cleaning(self) -> tuple[CleaningStep, ...]:
        return tuple(step for step in self.steps if isinstance(step, CleaningStep))


@dataclass(frozen=True)
class _CleaningSketch(StepContext):
    """The history alone: here the target is cleaned like any number, and instants are not.

    A rule for missing targets does not keep other rules off the target.
    """

    def after(self, work: Workspace, step: Step | None = None) -> StepContext:
        found = super().after(work, None if step is None or step.stage == "target" else step)
        return replace(found, numbers=(*found.numbers, *self.targets), times=())


def draft_series_instruction(
    raw: RawDataset,
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: SeriesInstructionConfig,
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Lay out the instruction variant of a forecasting proposal."""
    proposal, task_id = plan.proposal, plan.task_id
    frame = frame.drop(plan.repair.without_columns, strict=False)
    history = _history(frame, plan, split, config, size)
    if isinstance(history, tuple):
        return too_small(proposal, task_id, plan.variant, *history)
    repair = plan.repair
    if _repeated_share(history.train) > _MAX_REPEATED:
        # Events that look alike are not copies of one another.
        repair = repair.plus(Repair(avoid_kinds=(DropDuplicates.kind,)))
    recipe: _Recipe | Reason = Reason.NO_STEPS
    for attempt in range(config.attempts):
        draw = Draw(plan.task_id, repair, attempt)
        recipe = _recipe(history, proposal, config, draw)
        if isinstance(recipe, _Recipe):
            break
    if isinstance(recipe, Reason):
        return _refuse(recipe, plan)
    soiled = soil(
        recipe.train.drop(ID_COLUMN),
        recipe.val.drop(ID_COLUMN),
        recipe.cleaning,
        Draw(plan.task_id, repair).rng("dirt"),
        config.noise,
        proposal.targets,
    )
    drafted = render_task(raw, proposal, _layout(recipe, soiled, plan, history), folder)
    truth = shipped(soiled.val.select(ID_COLUMN, *proposal.targets))
    write_parquet(truth, drafted.held_out_file)
    return drafted


def _refuse(reason: Reason, plan: Plan) -> Drop:
    return Drop(
        key=plan.task_id,
        source=plan.proposal.dataset.key,
        room="transform",
        reason=reason,
        detail=f"table {plan.proposal.table!r}: {_DETAILS[reason]}",
        variant=plan.variant,
    )


# --- the tables -------------------------------------------------------------------------------


def _history(
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: SeriesInstructionConfig,
    size: SizeConfig,
) -> _History | forecasting.Shortage:
    """History and future of the series that are shipped, or what they lack."""
    proposal = plan.proposal
    axis = proposal.time
    assert axis is not None, "a forecast has a time axis"
    sibling = forecasting.shipped_series(frame, proposal, split, config.forecasting, size)
    if isinstance(sibling, tuple):
        return sibling
    rows = sibling.train
    if axis.resample:
        rows = _finer(forecasting.sided(frame, proposal, split), sibling, config.max_rows)
        if rows.is_empty():
            return "series that are short enough", 0, 1
    kept = rows.select(forecasting.SERIES).unique()
    past, future = (
        side.join(kept, on=forecasting.SERIES, how="semi", maintain_order="left")
        for side in (sibling.train, sibling.scored)
    )
    by = tuple(name for name in proposal.entities if future[name].n_unique() > 1)
    known = [axis.column, *by, *proposal.targets, *sibling.known_covariates]
    covariates = _covariates(rows, {*known, *proposal.entities}, config, plan)
    train, val = (
        typed(side.select(n for n in rows.columns if n in names).cast(dict.fromkeys(by, pl.String)))
        for side, names in ((rows, (*known, *covariates)), (future, known))
    )
    lengths = (side[forecasting.SERIES].value_counts(name=" n")[" n"] for side in (past, future))
    history, horizon = next(lengths).min(), next(lengths).max()
    series = SeriesFacts(
        time=axis.column,
        by=by,
        frequency=axis.frequency,
        season=season_length(axis.frequency, past[axis.column]),
        horizon=int(horizon),  # type: ignore[arg-type]
        history=int(history),  # type: ignore[arg-type]
        aggregations=_aggregations(train, proposal, by) if axis.resample else (),
    )
    return _History(train, val, series, () if axis.resample else sibling.notes)


def _finer(rows: pl.DataFrame, sibling: forecasting.ShippedSeries, most: int) -> pl.DataFrame:
    """The rows behind the cells of the training grid, of the first series that are few enough."""
    axis = sibling.proposal.time
    assert axis is not None
    on_grid = sibling.train.select(
        *sibling.proposal.entities, forecasting.SERIES, pl.col(axis.column).alias(_CELL)
    )
    cell = cells(rows[axis.column], axis.frequency).alias(_CELL)
    keys = [*sibling.proposal.entities, _CELL]
    found = rows.with_columns(cell).join(on_grid, on=keys, maintain_order="left")
    sizes = found[forecasting.SERIES].value_counts(name=" n").sort(" n", forecasting.SERIES)
    few = sizes.filter(pl.col(" n").cum_sum() <= most)
    return found.join(few, on=forecasting.SERIES, how="semi", maintain_order="left").select(
        sibling.train.columns
    )


def _covariates(
    rows: pl.DataFrame, others: set[str], config: SeriesInstructionConfig, plan: Plan
) -> list[str]:
    """Some numbers that only the history has."""
    found = [
        column.name
        for column in rows.drop(others, forecasting.SERIES)
        if column.dtype.is_numeric()
        and column.n_unique() >= _MIN_DISTINCT
        and column.null_count() <= _MAX_MISSING * rows.height
    ]
    rng = Draw(plan.task_id, plan.repair).rng("columns")
    return rng.sample(found, min(len(found), config.max_covariates))


def _aggregations(
    train: pl.DataFrame, proposal: Proposal, by: Sequence[str]
) -> tuple[tuple[str, Aggregation], ...]:
    assert proposal.time is not None
    how: dict[str, Aggregation] = dict(proposal.aggregations)
    return tuple(
        (name, how.get(name, "mean") if dtype.is_numeric() else "last")
        for name, dtype in train.schema.items()
        if name not in (ID_COLUMN, proposal.time.column, *by)
    )


# --- choosing steps ---------------------------------------------------------------------------


def _recipe(
    history: _History, proposal: Proposal, config: StepsConfig, draw: Draw
) -> _Recipe | Reason:
    """Let every kind of step choose itself, cleaning first, then preparing and fitting."""
    targets, series = proposal.targets, history.series
    gaps = [name for name in history.train.columns if name not in history.val.columns]
    train, _ = hide_cells(history.train, history.train, gaps, config.holes, draw.rng)
    context = _sketch(_CleaningSketch, train, train, targets, series)
    cleaning, context = choose_cleaning(context, draw, config.max_rules_of_kind)
    settled = settle(cleaning, context)
    if settled is None or len({step.noise for step in cleaning}) < config.noise.min_kinds:
        return Reason.NO_NOISE
    val = _tidy(history.val, cleaning)
    if not _same_series(settled.train, val, history):
        return Reason.NO_NOISE
    # Steps that look back know a row of either table by its id.
    future = val.with_columns(pl.col(ID_COLUMN) + history.train.height)
    ready = _sketch(StepContext, settled.train, future.drop(targets), targets, series)
    ready = replace(ready, taken=settled.taken)
    reason = Reason.NO_STEPS
    for model in _models(history, draw)[: config.models_tried]:
        try:
            preparing, answer = choose_preparing(replace(ready, model=model), draw)
        except UNFIT:
            # The estimator is not for these series.
            continue
        steps = (*cleaning, *preparing)
        if answer is None or len(steps) < config.min_steps:
            continue
        if is_telling(answer, future, targets, "regression", config.reference):
            return _Recipe(steps, settled.train, val)
        reason = Reason.NO_FIT
    return reason


def _sketch(
    kind: type[StepContext],
    train: pl.DataFrame,
    val: pl.DataFrame,
    targets: tuple[str, ...],
    series: SeriesFacts,
) -> StepContext:
    """To an estimator a forecast is a regression."""
    blank = kind(train, val, "regression", targets, (), (), (), model="", series=series)
    return blank.after(Workspace(train, val, targets))


def _repeated_share(train: pl.DataFrame) -> float:
    return 1 - train.drop(ID_COLUMN).unique().height / train.height


def _tidy(val: pl.DataFrame, cleaning: Sequence[CleaningStep]) -> pl.DataFrame:
    """The future with its texts as cleaning leaves them in the history."""
    for step in cleaning:
        if isinstance(step, NormaliseText):
            val = step.apply(Workspace(val, val, ())).train
    return val


def _same_series(train: pl.DataFrame, val: pl.DataFrame, history: _History) -> bool:
    """Whether cleaning has left every series apart from the others."""
    by = list(history.series.by)
    names, before = ({*side.select(by).iter_rows()} for side in (train, history.train))
    return len(names) == len(before) and {*val.select(by).iter_rows()} <= names


def _models(history: _History, draw: Draw) -> list[str]:
    """Regressors in random order.

    Those that tell equal values from nearly equal ones need numbers without rounding: sums and
    means of decimals differ in their last digits between libraries.
    """
    is_rounded = any(
        how in ("mean", "sum") and history.train.schema[name].is_float()
        for name, how in history.series.aggregations
    )
    return [m for m in draw.models("regression") if MODELS[m].scaling or not is_rounded]


# --- laying out -------------------------------------------------------------------------------


def _layout(recipe: _Recipe, soiled: Soiled, plan: Plan, history: _History) -> RenderedTask:
    proposal, series = plan.proposal, history.series
    val = soiled.val.drop(proposal.targets)
    data, join = pick_files(plan, soiled.noisy, val)
    known = tuple(n for n in val.columns if n not in (ID_COLUMN, series.time, *series.by))
    told = Instructions(
        variant=plan.variant,
        problem=proposal.problem,
        data=data,
        columns=cell_types(soiled.clean, val),
        targets=proposal.targets,
        metric=VARIANTS[plan.variant].metric,
        grid=Grid(
            column=series.time,
            frequency=series.frequency,
            entities=series.by,
            known_covariates=known,
        ),
        steps=tuple(step.spec() for step in (*join, *recipe.steps)),
    )
    return RenderedTask(
        plan.task_id,
        told,
        soiled.noisy,
        val,
        clean=soiled.clean,
        noise=tuple(sorted({step.noise for step in recipe.cleaning})),
        notes=history.notes,
    )

"""Instruction-following forecasts: a noisy history, prose that fixes every step, executed truth.

Takes a plan of a forecasting proposal and the table's split, returns a draft of `ts-if` without
truth, or a `Drop`. Grid, cutoff and future rows are those of the sibling tasks; the history ships
as the source has it, finer than the grid where it is, and only before the cutoff, so that no answer
of a sibling can be computed from it. Lags reach at least as far back as the horizon is long: one
fit forecasts all rows. The rest is `instruction.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import polars as pl

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from transform.families import forecasting
from transform.families.forecasting import ForecastingConfig
from transform.families.instruction import (
    InstructionConfig,
    InstructionFamily,
    clean_context,
    draft_task,
)
from transform.families.missing_values import hide_cells
from transform.families.sample_steps import SampledChoices
from transform.files.rendered_task import too_small
from transform.files.task_folder import Draft
from transform.plan import Plan, Repair
from transform.proposal import Aggregation, Proposal
from transform.rows.divide import typed
from transform.rows.size import SizeConfig
from transform.rows.split import Split, cells
from transform.series.seasonal_naive import season_length
from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.cleaning.normalise_text import NormaliseText
from transform.steps.fitting.models import MODELS
from transform.steps.step import CleaningStep, SeriesFacts, Step, StepContext, Workspace
from transform.task import ID_COLUMN, Grid

_CELL = " cell"
"""Scratch column; shipped names never begin with a space."""
_MAX_ENTITIES = 6
"""Series of a task, where the configuration lets more ship: each must be long enough for lags
within `InstructionConfig.max_train_rows`."""
_MAX_FINE_ROWS = 20_000
"""Rows of a history that is finer than the grid; series beyond are left out. As many as the rows of
an open task, so that files stay of one size."""
_MAX_COVARIATES = 2
"""Other numbers of the history; each adds a step to the text that looks back on it."""
_MIN_DISTINCT = 10
"""Values of a covariate whose past may tell something."""
_MAX_MISSING = 0.2
_MAX_REPEATED = 0.01
"""Share of repeated rows up to which they are taken for noise of the source."""


@dataclass(frozen=True)
class _History:
    """The clean tables of a task before its steps are chosen."""

    train: pl.DataFrame
    """Scratch id, time, entities as text, targets, covariates; as fine as the source."""
    val: pl.DataFrame
    """The future on the grid: time, entities, known covariates, and the true targets."""
    series: SeriesFacts
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _CleaningContext(StepContext):
    """The history alone: here the target is cleaned like any number, and instants are not.

    A rule for missing targets does not keep other rules off the target.
    """

    def after(self, work: Workspace, step: Step | None = None) -> StepContext:
        context = super().after(work, None if step is None or step.stage == "target" else step)
        return replace(context, numbers=(*context.numbers, *self.targets), times=())


def draft_series_instruction(
    raw: RawDataset,
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    limits: tuple[InstructionConfig, ForecastingConfig],
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Render the instruction variant of a forecasting proposal, within the limits of both."""
    config, forecasts = limits
    frame = frame.drop(plan.repair.without_columns, strict=False)
    smaller = ForecastingConfig(
        max_entities=min(forecasts.max_entities, _MAX_ENTITIES),
        max_train_rows=min(forecasts.max_train_rows, config.max_train_rows),
    )
    history = _history(frame, plan, split, smaller, size)
    if isinstance(history, tuple):
        return too_small(plan.proposal, plan.task_id, plan.variant, *history)
    if _repeated_share(history.train) > _MAX_REPEATED:
        # Events that look alike are not copies of one another.
        plan = plan.repaired(Repair(avoid_kinds=(DropDuplicates.kind,)))
    return draft_task(SeriesInstruction(plan, history), config, raw, folder)


def _repeated_share(train: pl.DataFrame) -> float:
    return 1 - train.drop(ID_COLUMN).unique().height / train.height


class SeriesInstruction(InstructionFamily):
    """A history and its future on the grid."""

    # One fewer than of tables: a history has few columns beside its targets.
    max_rules_of_kind = 2
    # Any number that a task may have: lags and rolling statistics make them long enough.
    good_steps = 1
    refusals: ClassVar[Mapping[Reason, str]] = {
        Reason.NO_NOISE: "the history supports too few kinds of noise that can be undone exactly",
        Reason.NO_STEPS: "too few steps can act on the series",
        Reason.NO_FIT: "no estimator that was tried forecasts the series better than chance",
    }
    # How many rows are scored is settled with the series, before any step is chosen.
    min_val_rows = 0

    def __init__(self, plan: Plan, history: _History) -> None:
        """Plan and tables of one task."""
        self.plan, self.notes, self._history = plan, history.notes, history

    def cleaning_context(self, choices: SampledChoices) -> StepContext:
        """The history in both places: no cleaning may look at the future."""
        before, future = self._history.train, self._history.val
        names = [name for name in before.columns if name not in future.columns]
        train, _ = hide_cells(before, before, names, choices.rng)
        return clean_context(_CleaningContext, train, train, self.proposal, self._history.series)

    def preparing_context(
        self, settled: StepContext, cleaning: Sequence[CleaningStep]
    ) -> tuple[StepContext, pl.DataFrame] | None:
        """The cleaned history beside the future; None where series were mixed up."""
        val = _normalised(self._history.val, cleaning)
        if not self._keeps_series(settled.train, val):
            return None
        # Steps that look back know a row of either table by its id.
        future = val.with_columns(pl.col(ID_COLUMN) + self._history.train.height)
        without = future.drop(self.proposal.targets)
        series = self._history.series
        context = clean_context(StepContext, settled.train, without, self.proposal, series)
        return replace(context, taken=settled.taken), future

    def _keeps_series(self, train: pl.DataFrame, val: pl.DataFrame) -> bool:
        """Whether cleaning has left every series apart from the others."""
        by = list(self._history.series.by)
        names, before = ({*side.select(by).iter_rows()} for side in (train, self._history.train))
        return len(names) == len(before) and {*val.select(by).iter_rows()} <= names

    def models(self, choices: SampledChoices, context: StepContext) -> list[str]:
        """Regressors in random order.

        Those that tell equal values from nearly equal ones need numbers without rounding: sums and
        means of decimals differ in their last digits between libraries.
        """
        history = self._history
        is_rounded = any(
            how in ("mean", "sum") and history.train.schema[name].is_float()
            for name, how in history.series.aggregations
        )
        names = super().models(choices, context)
        return [name for name in names if MODELS[name].scaling or not is_rounded]

    def grid(self, val: pl.DataFrame) -> Grid | None:
        """Instants, series and what val has beside them."""
        series = self._history.series
        return Grid(
            column=series.time,
            frequency=series.frequency,
            entities=series.by,
            known_covariates=tuple(
                n for n in val.columns if n not in (ID_COLUMN, series.time, *series.by)
            ),
        )


def _normalised(val: pl.DataFrame, cleaning: Sequence[CleaningStep]) -> pl.DataFrame:
    """The future with its texts as cleaning leaves them in the history."""
    for step in cleaning:
        if isinstance(step, NormaliseText):
            val = step.apply(Workspace(val, val, ())).train
    return val


# --- the tables -------------------------------------------------------------------------------


def _history(
    frame: pl.DataFrame,
    plan: Plan,
    split: Split,
    config: ForecastingConfig,
    size: SizeConfig,
) -> _History | forecasting.TooFew:
    """History and future of the series that are shipped, or what they lack."""
    proposal = plan.proposal
    axis = proposal.time
    assert axis is not None, "a forecast has a time axis"
    sibling = forecasting.shipped_series(frame, proposal, split, config, size)
    if isinstance(sibling, tuple):
        return sibling
    rows = sibling.train
    if axis.resample:
        rows = _finer(forecasting.sided(frame, proposal, split), sibling)
        if rows.is_empty():
            return "series that are short enough", 0, 1
    kept = rows.select(forecasting.SERIES).unique()
    past, future = (
        side.join(kept, on=forecasting.SERIES, how="semi", maintain_order="left")
        for side in (sibling.train, sibling.scored)
    )
    by = tuple(name for name in proposal.entities if future[name].n_unique() > 1)
    known = [axis.column, *by, *proposal.targets, *sibling.known_covariates]
    covariates = _covariates(rows, {*known, *proposal.entities}, plan)
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


def _finer(rows: pl.DataFrame, sibling: forecasting.ShippedSeries) -> pl.DataFrame:
    """The rows behind the cells of the training grid, of the first series that are few enough."""
    axis = sibling.proposal.time
    assert axis is not None
    on_grid = sibling.train.select(
        *sibling.proposal.entities, forecasting.SERIES, pl.col(axis.column).alias(_CELL)
    )
    cell = cells(rows[axis.column], axis.frequency).alias(_CELL)
    keys = [*sibling.proposal.entities, _CELL]
    fine = rows.with_columns(cell).join(on_grid, on=keys, maintain_order="left")
    sizes = fine[forecasting.SERIES].value_counts(name=" n").sort(" n", forecasting.SERIES)
    few = sizes.filter(pl.col(" n").cum_sum() <= _MAX_FINE_ROWS)
    return fine.join(few, on=forecasting.SERIES, how="semi", maintain_order="left").select(
        sibling.train.columns
    )


def _covariates(rows: pl.DataFrame, others: set[str], plan: Plan) -> list[str]:
    """Some numbers that only the history has."""
    names = [
        column.name
        for column in rows.drop(others, forecasting.SERIES)
        if column.dtype.is_numeric()
        and column.n_unique() >= _MIN_DISTINCT
        and column.null_count() <= _MAX_MISSING * rows.height
    ]
    rng = SampledChoices(plan.task_id, plan.repair).rng("columns")
    return rng.sample(names, min(len(names), _MAX_COVARIATES))


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

"""Instruction-following tasks: a dirty table, prose that fixes every step, an executed answer.

A proposal and the table's split enter; a draft of `class-if` or `reg-if` without truth leaves, or a
`Drop`. Steps choose themselves for the table, in the order of their stages, and work on clean
tables as they go; then the dirt is put in that the cleaning steps undo. Which steps an answer
really depends on is for validation to find out.
"""

import random
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import polars as pl
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.draft import Layout, derive_seed, lay_out
from transform.noise import NoiseConfig, soil
from transform.plan import Plan
from transform.proposal import Proposal
from transform.render import cell_types, pick_format
from transform.rows import Rows, capped, divide, shortage, without_rare_classes, without_repeats
from transform.size import SizeConfig
from transform.split import Split
from transform.steps.fit_predict import FitPredict, score_columns
from transform.steps.join_tables import JoinTables
from transform.steps.models import MODELS
from transform.steps.registry import step_classes
from transform.steps.step import CleaningStep, Sketch, Step, Workspace
from transform.task import (
    ID_COLUMN,
    VARIANTS,
    Draft,
    Instructions,
    Variant,
)

_ROUNDS = 4
"""Cleaning a clean table settles after one round or two; more means rules that undo each other."""


class InstructionConfig(Noun):
    """How large and how long an instruction task may be."""

    max_train_rows: int = Field(default=3_000, ge=1)
    """Clean rows of train; more are sampled."""
    max_val_rows: int = Field(default=1_500, ge=1)
    min_steps: int = Field(default=8, ge=1)
    models_tried: int = Field(default=4, ge=1)
    """Estimators tried until one is stable on the table."""
    max_rules_of_kind: int = Field(default=3, ge=1)
    """Cleaning steps of one kind."""
    missing_share: float = Field(default=0.06, ge=0, lt=0.5)
    """Cells emptied in a few features, half of them extreme values, so that imputing matters."""
    missing_columns: int = Field(default=4, ge=0)
    """Features in which cells are emptied; never more than a third, other rules need columns."""
    attempts: int = Field(default=3, ge=1)
    """Draws of all steps until one set can act on the table."""
    largest_share: float = Field(default=0.95, gt=0, le=1)
    """Estimators that answer nearly always the same, in more than this share, are passed over."""
    noise: NoiseConfig = NoiseConfig()


@dataclass(frozen=True)
class _Recipe:
    """The steps of a task and the clean tables that its cleaning leaves alone."""

    steps: tuple[Step, ...]
    train: pl.DataFrame
    val: pl.DataFrame

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
    """Lay out the instruction variant of a classification or regression proposal."""
    proposal, variant, task_id = plan.proposal, plan.variant, plan.task_id
    is_class = proposal.problem == "classification"
    frame = frame.drop(plan.amendment.without_columns, strict=False)
    rows = without_repeats(divide(frame, proposal, split))
    held_out = rows.val
    rows = capped(rows, config.max_train_rows, config.max_val_rows, task_id)
    if is_class:
        rows = without_rare_classes(rows, proposal.targets, size.min_class_rows)
    refusal = shortage(rows, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    recipe = _first_recipe(rows, held_out, proposal, config, task_id)
    if isinstance(recipe, Reason):
        return _refuse(recipe, proposal, task_id, variant)
    # Cleaning took rows as well: duplicates, for example.
    refusal = shortage(Rows(recipe.train, recipe.val), proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    layout = _layout(recipe, rows, proposal, task_id, variant, config)
    return lay_out(raw, proposal, layout, folder)


# --- planning ---------------------------------------------------------------------------------


def _first_recipe(
    rows: Rows, held_out: pl.DataFrame, proposal: Proposal, config: InstructionConfig, task_id: str
) -> _Recipe | Reason:
    """The first of some draws that works, or why the last one does not."""
    recipe: _Recipe | Reason = Reason.NO_STEPS
    for attempt in range(config.attempts):
        rng = random.Random(derive_seed("instructions", task_id, str(attempt)))
        recipe = _recipe(rows, held_out, proposal, config, rng)
        if isinstance(recipe, _Recipe):
            break
    return recipe


def _recipe(
    rows: Rows,
    held_out: pl.DataFrame,
    proposal: Proposal,
    config: InstructionConfig,
    rng: random.Random,
) -> _Recipe | Reason:
    """Let every kind of step choose itself, cleaning first, then preparing and fitting."""
    train, val = (_typed(side) for side in (rows.train, rows.val))
    train, val = _hide_cells(train, val, proposal.targets, config, rng)
    # An emptied cell can turn a training row into one that is held out in a sibling task.
    train = train.join(_typed(held_out), on=held_out.columns, how="anti", nulls_equal=True)
    sketch = _sketch(train, val, proposal)
    cleaning, sketch = _choose_cleaning(sketch, config, rng)
    settled = _settle(cleaning, sketch)
    if settled is None or len({step.dirt for step in cleaning}) < config.noise.min_kinds:
        return Reason.NO_DIRT
    for model in _models(proposal, rng)[: config.models_tried]:
        try:
            preparing, answer = _choose_preparing(replace(settled, model=model), rng)
        except (ConvergenceWarning, ValueError, ArithmeticError):
            # The estimator is not for this table.
            continue
        steps = (*cleaning, *preparing)
        enough = len(steps) >= config.min_steps
        if enough and answer is not None and _varies(answer, proposal, config):
            return _Recipe(steps, settled.train, settled.val)
    return Reason.NO_STEPS


def _varies(answer: pl.DataFrame, proposal: Proposal, config: InstructionConfig) -> bool:
    commonest = [answer[name].value_counts(name=" n")[" n"].max() for name in proposal.targets]
    return max(map(int, commonest)) <= config.largest_share * answer.height  # type: ignore[arg-type]


def _models(proposal: Proposal, rng: random.Random) -> list[str]:
    """Estimators for the problem, drawn one after the other by their weights."""
    left = {name: m.weight for name, m in MODELS.items() if m.problem == proposal.problem}
    drawn: list[str] = []
    while left:
        drawn += rng.choices(list(left), list(left.values()))
        del left[drawn[-1]]
    return drawn


def _typed(side: pl.DataFrame) -> pl.DataFrame:
    """Cells as steps hold them (see `steps/step.py`), with a scratch id."""
    cells = side.select(
        column.cast(pl.Datetime("us"))
        if column.dtype.is_temporal()
        else column.cast(pl.Int64)
        if column.dtype == pl.Boolean
        else column
        for column in side
    )
    numbered = cells.with_row_index(ID_COLUMN)
    return numbered.with_columns(pl.col(ID_COLUMN).cast(pl.Int64))


def _hide_cells(
    train: pl.DataFrame,
    val: pl.DataFrame,
    targets: tuple[str, ...],
    config: InstructionConfig,
    rng: random.Random,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Empty cells of a few features on both sides, so that missing values have to be dealt with."""
    features = [name for name in train.columns if name not in (ID_COLUMN, *targets)]
    n = min(config.missing_columns, max(1, len(features) // 3))
    for name in rng.sample(features, n):
        seed = rng.getrandbits(32)
        train, val = (_hide(side, name, config.missing_share, seed) for side in (train, val))
    return train, val


def _hide(side: pl.DataFrame, name: str, share: float, seed: int) -> pl.DataFrame:
    """Empty the cells with the largest values (or texts), and as many others."""
    n = max(2, int(side.height * share / 2))
    order = side[name].rank("ordinal", descending=True, seed=seed).fill_null(side.height + 1)
    drawn = pl.int_range(side.height, eager=True).shuffle(seed=seed)
    return side.with_columns(
        pl.when((order <= n) | (drawn < n)).then(None).otherwise(pl.col(name)).alias(name)
    )


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


def _choose_cleaning(
    sketch: Sketch, config: InstructionConfig, rng: random.Random
) -> tuple[tuple[CleaningStep, ...], Sketch]:
    """Cleaning rules in the order of their stages.

    Kinds take turns in random order, so that none takes all the columns that rules may not share.
    """
    kinds = [kind for kind in step_classes() if issubclass(kind, CleaningStep)]
    chosen: list[CleaningStep] = []
    for _ in range(config.max_rules_of_kind):
        for kind in rng.sample(kinds, len(kinds)):
            step = next((step for step in kind.choose(sketch, rng) if step not in chosen), None)
            if step is not None:
                work = step.apply(Workspace(sketch.train, sketch.val, sketch.targets))
                chosen.append(step)
                sketch = sketch.after(work, step)
    return tuple(sorted(chosen, key=lambda step: kinds.index(type(step)))), sketch


def _choose_preparing(
    sketch: Sketch, rng: random.Random
) -> tuple[tuple[Step, ...], pl.DataFrame | None]:
    """One step of each kind that can act, each on the tables that those before it leave.

    Kinds of one stage come in random order, because the first may leave the others nothing to do.
    Also the answer on the clean tables, None when no estimator is stable on them.
    """
    kinds = [kind for kind in step_classes() if not issubclass(kind, CleaningStep)]
    chosen: list[Step] = []
    answer = None
    for stage, alternatives in groupby(kinds, key=lambda kind: kind.stage):
        if stage == "join":
            continue
        same_stage = list(alternatives)
        for kind in rng.sample(same_stage, len(same_stage)):
            for step in kind.choose(sketch, rng)[:1]:
                work = step.apply(Workspace(sketch.train, sketch.val, sketch.targets))
                chosen.append(step)
                sketch, answer = sketch.after(work, step), work.answer
    return tuple(chosen), answer


def _settle(cleaning: tuple[CleaningStep, ...], sketch: Sketch) -> Sketch | None:
    """The sketch of tables that the cleaning leaves as they are; None when there are none."""
    train, val = sketch.train, sketch.val
    for _ in range(_ROUNDS):
        clean_train, clean_val = (_clean(side, cleaning, sketch) for side in (train, val))
        if clean_train.equals(train) and clean_val.equals(val):
            return sketch.after(Workspace(train, val, sketch.targets))
        train, val = clean_train, clean_val
    return None


def _clean(side: pl.DataFrame, cleaning: tuple[CleaningStep, ...], sketch: Sketch) -> pl.DataFrame:
    """One table cleaned as if it were train."""
    work = Workspace(side, sketch.val, sketch.targets)
    for step in cleaning:
        work = step.apply(work)
    return work.train


def _refuse(reason: Reason, proposal: Proposal, task_id: str, variant: Variant) -> Drop:
    details = {
        Reason.NO_DIRT: "the table supports too few kinds of dirt that can be undone exactly",
        Reason.NO_STEPS: "too few steps can act on the table",
    }
    return Drop(
        key=task_id,
        source=proposal.dataset.key,
        room="transform",
        reason=reason,
        detail=f"table {proposal.table!r}: {details[reason]}",
        variant=variant,
    )


# --- laying out -------------------------------------------------------------------------------


def _layout(
    recipe: _Recipe,
    rows: Rows,
    proposal: Proposal,
    task_id: str,
    variant: Variant,
    config: InstructionConfig,
) -> Layout:
    targets = proposal.targets
    rng = random.Random(derive_seed("dirt", task_id))
    soiled = soil(
        recipe.train.drop(ID_COLUMN), recipe.val.drop(ID_COLUMN), recipe.cleaning, rng, config.noise
    )
    val = soiled.val.drop(targets)
    data = pick_format(task_id, soiled.dirty.columns, val.columns)
    join = (JoinTables.of(data.parts),) if data.parts > 1 else ()
    fit = recipe.steps[-1]
    assert isinstance(fit, FitPredict)
    told = Instructions(
        variant=variant,
        problem=proposal.problem,
        data=data,
        columns=cell_types(soiled.clean, val),
        targets=targets,
        scores=score_columns(recipe.train[targets[0]]) if fit.scores != "none" else (),
        metric=VARIANTS[variant].metric,
        steps=tuple(step.spec() for step in (*join, *recipe.steps)),
    )
    return Layout(
        task_id,
        told,
        soiled.dirty,
        val,
        clean=soiled.clean,
        dirt=tuple(sorted({step.dirt for step in recipe.cleaning})),
        notes=rows.notes,
    )

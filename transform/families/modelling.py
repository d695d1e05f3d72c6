"""Open modelling tasks: a labelled table, unlabelled rows, and a free choice of model.

A proposal and the table's split enter; a draft of `class-mm` or `reg-mm` whose truth is the
held-out targets leaves, or a `Drop`. Held-out rows that stand in train, target included, are left
out, so that no answer can be looked up. Whether the target can be learnt is for validation to find
out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.draft import Layout, assign_ids, derive_seed, identify, lay_out, too_small
from transform.proposal import Proposal
from transform.render import cell_types, pick_format, shipped
from transform.size import SizeConfig
from transform.split import Split
from transform.task import ColumnSpec, Draft, Instructions, Metric, Variant

_MIN_CLASSES = 2
_EXACT_FLOAT = 2**53
_RARE_NOTE = "Rows of classes with too few examples were left out of both tables."


class ModellingConfig(Noun):
    """How large an open modelling task may be."""

    max_train_rows: int = Field(default=20_000, ge=1)
    """Rows of train; more are sampled."""
    max_val_rows: int = Field(default=5_000, ge=1)
    """Rows of val; more are sampled."""


@dataclass(frozen=True)
class _Tables:
    """Shipped rows on both sides, targets included."""

    train: pl.DataFrame
    val: pl.DataFrame
    columns: tuple[ColumnSpec, ...]
    notes: tuple[str, ...] = ()


def draft_modelling(
    raw: RawDataset,
    frame: pl.DataFrame,
    proposal: Proposal,
    split: Split,
    config: ModellingConfig,
    size: SizeConfig,
    folder: Path,
) -> Draft | Drop:
    """Lay out the open variant of a classification or regression proposal."""
    is_class = proposal.problem == "classification"
    variant: Variant = "class-mm" if is_class else "reg-mm"
    task_id = identify(proposal, variant, split)
    tables = _without_repeats(_divide(frame, proposal, split))
    tables = _capped(tables, config, task_id)
    if is_class:
        tables = _without_rare_classes(tables, proposal.targets, size.min_class_rows)
    refusal = _refuse(tables, proposal, size, task_id, variant)
    if refusal is not None:
        return refusal
    metric: Metric = "macro_f1" if is_class else "clipped_r2"
    return lay_out(raw, proposal, _layout(tables, proposal, task_id, variant, metric), folder)


def _divide(frame: pl.DataFrame, proposal: Proposal, split: Split) -> _Tables:
    """Rows with all targets on the side that the split says; features without a value are gone."""
    wanted = {*proposal.targets, *(feature.name for feature in proposal.features)}
    tidy = _label if proposal.problem == "classification" else _number
    rows = frame.select(
        tidy(column) if column.name in proposal.targets else column
        for column in frame
        if column.name in wanted
    )
    present = pl.all_horizontal(pl.col(name).is_not_null() for name in proposal.targets)
    train, val = (rows.filter(side & present) for side in (~split.held_out, split.held_out))
    known = [
        column.name
        for column in train
        if column.name in proposal.targets or column.null_count() < train.height
    ]
    train, val = train.select(known), val.select(known)
    return _Tables(shipped(train, val), shipped(val, train), cell_types(train, val))


def _label(column: pl.Series) -> pl.Series:
    """Labels as Int64 where all are whole numbers, else as stripped text; empty is missing."""
    if column.dtype.is_float():
        numbers = _number(column)
        whole = (numbers == numbers.round()) & (numbers.abs() <= _EXACT_FLOAT)
        return numbers.cast(pl.Int64 if whole.all() else pl.String)
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        return text.set(text == "", None)
    if column.dtype.is_temporal():
        return shipped(column.to_frame())[column.name]
    return column.cast(pl.Int64)


def _number(column: pl.Series) -> pl.Series:
    numbers = column.cast(pl.Float64)
    return numbers.set(~numbers.is_finite(), None)


def _without_repeats(tables: _Tables) -> _Tables:
    """Drop val rows that occur in train, equal in all features and targets."""
    known = tables.train.unique().with_columns(pl.lit(True).alias(" known"))
    joined = tables.val.join(
        known, on=tables.train.columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return replace(tables, val=joined.filter(pl.col(" known").is_null()).drop(" known"))


def _capped(tables: _Tables, config: ModellingConfig, task_id: str) -> _Tables:
    return replace(
        tables,
        train=_sample(tables.train, config.max_train_rows, derive_seed("train rows", task_id)),
        val=_sample(tables.val, config.max_val_rows, derive_seed("val rows", task_id)),
    )


def _sample(frame: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    """At most so many rows, in their order."""
    if frame.height <= most:
        return frame
    return frame[np.sort(np.random.default_rng(seed).permutation(frame.height)[:most])]


def _without_rare_classes(tables: _Tables, targets: Sequence[str], least: int) -> _Tables:
    """Drop the rows of labels that have fewer than `least` rows on a side, until none is left."""
    while True:
        rare = pl.any_horizontal(pl.col(name).is_in(_rare(tables, name, least)) for name in targets)
        train, val = tables.train.filter(~rare), tables.val.filter(~rare)
        if (train.height, val.height) == (tables.train.height, tables.val.height):
            return tables
        tables = replace(tables, train=train, val=val, notes=(_RARE_NOTE,))


def _rare(tables: _Tables, target: str, least: int) -> list[int] | list[str]:
    train, val = (
        dict(side[target].value_counts().iter_rows()) for side in (tables.train, tables.val)
    )
    labels = sorted({*train, *val})
    return [label for label in labels if min(train.get(label, 0), val.get(label, 0)) < least]


def _refuse(
    tables: _Tables, proposal: Proposal, size: SizeConfig, task_id: str, variant: Variant
) -> Drop | None:
    counts = [
        ("training rows", tables.train.height, size.min_train_rows),
        ("rows to predict", tables.val.height, size.min_val_rows),
    ]
    if variant == "class-mm":
        classes = min(tables.train[name].n_unique() for name in proposal.targets)
        counts.append(("classes with enough rows", classes, _MIN_CLASSES))
    for what, found, needed in counts:
        if found < needed:
            return too_small(proposal, task_id, variant, what, found, needed)
    if tables.train.width == len(proposal.targets):
        return Drop(
            key=task_id,
            source=proposal.dataset.key,
            room="transform",
            reason=Reason.NO_FEATURE,
            detail=f"table {proposal.table!r}: no feature has a value in the training rows",
            variant=variant,
        )
    return None


def _layout(
    tables: _Tables, proposal: Proposal, task_id: str, variant: Variant, metric: Metric
) -> Layout:
    train, solved = assign_ids(tables.train, tables.val, derive_seed("row ids", task_id))
    val = solved.drop(proposal.targets)
    told = Instructions(
        variant=variant,
        problem=proposal.problem,
        data=pick_format(task_id, tables.train.columns, tables.val.drop(proposal.targets).columns),
        columns=tables.columns,
        targets=proposal.targets,
        metric=metric,
    )
    truth = solved.select("row_id", *proposal.targets)
    return Layout(task_id, told, train, val, truth=truth, notes=tables.notes)

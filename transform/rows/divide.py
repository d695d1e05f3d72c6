"""The rows of a tabular task: which columns, which side, and no answer to look up.

Takes a table, a proposal and the table's split, returns typed train and val rows, targets included.
All tabular variants take their rows here, so that they share one idea of what is held out. Whether
there are enough rows is asked here as well; whether they can be learnt from is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from extract.drop import Drop, Reason
from transform.files.rendered_task import too_small
from transform.files.tables import shipped
from transform.proposal import Proposal
from transform.rows.near_duplicates import nearly_in
from transform.rows.size import SizeConfig
from transform.rows.split import Split
from transform.seed import derive_seed
from transform.task import ID_COLUMN, Variant

_MIN_CLASSES = 2
_EXACT_FLOAT = 2**53
_FEW_NEAR = 0.1
"""Share of the val rows that may go because they nearly stand in train."""
_KNOWN = " known"
"""Scratch column; shipped names never begin with a space."""
_RARE_NOTE = "Rows of classes with too few examples were left out of both tables."


@dataclass(frozen=True)
class Rows:
    """Typed rows on both sides, targets included; columns in table order."""

    train: pl.DataFrame
    val: pl.DataFrame
    notes: tuple[str, ...] = ()
    """What was done to the rows, in sentences for `metadata.md`."""


def divide(frame: pl.DataFrame, proposal: Proposal, split: Split) -> Rows:
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
    # A feature without a training value cannot be learnt from, whatever val holds.
    known = [
        column.name
        for column in train
        if column.name in proposal.targets or column.null_count() < train.height
    ]
    return Rows(train.select(known), val.select(known))


def _label(column: pl.Series) -> pl.Series:
    """Labels as Int64 where all are whole numbers, else as stripped text; empty is missing."""
    if column.dtype.is_float():
        numbers = _number(column)
        # Beyond 2**53 neighbouring whole numbers are one float.
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


def typed(side: pl.DataFrame) -> pl.DataFrame:
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


def without_repeats(rows: Rows) -> Rows:
    """Drop val rows that occur in train, equal in all features and targets.

    Rows that differ in the last digits of numbers go too where they are few; where they are many,
    it lies in the nature of the data.
    """
    known = rows.train.unique().with_columns(pl.lit(True).alias(_KNOWN))
    joined = rows.val.join(
        known, on=rows.train.columns, how="left", nulls_equal=True, maintain_order="left"
    )
    val = joined.filter(pl.col(_KNOWN).is_null()).drop(_KNOWN)
    near = nearly_in(rows.train, val)
    # Coarse measurements are nearly equal by nature; dropping them would thin out val.
    few = near.sum() <= _FEW_NEAR * val.height
    return replace(rows, val=val.filter(pl.Series(~near)) if few else val)


def capped(rows: Rows, max_train_rows: int, max_val_rows: int, key: str) -> Rows:
    """At most so many rows on each side, in their order; which ones depends on `key` alone."""
    return replace(
        rows,
        train=_sample(rows.train, max_train_rows, derive_seed("train rows", key)),
        val=_sample(rows.val, max_val_rows, derive_seed("val rows", key)),
    )


def _sample(frame: pl.DataFrame, most: int, seed: int) -> pl.DataFrame:
    if frame.height <= most:
        return frame
    return frame[np.sort(np.random.default_rng(seed).permutation(frame.height)[:most])]


def without_rare_classes(rows: Rows, targets: Sequence[str], least: int) -> Rows:
    """Drop the rows of labels that have fewer than `least` rows on a side, until none is left."""
    # Dropping a label of one target may make a label of another rare.
    while True:
        rare = pl.any_horizontal(pl.col(name).is_in(_rare(rows, name, least)) for name in targets)
        train, val = rows.train.filter(~rare), rows.val.filter(~rare)
        if (train.height, val.height) == (rows.train.height, rows.val.height):
            return rows
        rows = replace(rows, train=train, val=val, notes=(_RARE_NOTE,))


def _rare(rows: Rows, target: str, least: int) -> list[int] | list[str]:
    train, val = (
        dict(side[target].value_counts(name=" n").iter_rows()) for side in (rows.train, rows.val)
    )
    labels = sorted({*train, *val})
    return [label for label in labels if min(train.get(label, 0), val.get(label, 0)) < least]


def too_few_rows(
    rows: Rows, proposal: Proposal, size: SizeConfig, task_id: str, variant: Variant
) -> Drop | None:
    """The refusal of rows that are too few, or that have one class or no feature."""
    counts = [
        ("training rows", rows.train.height, size.min_train_rows),
        ("rows to predict", rows.val.height, size.min_val_rows),
    ]
    if proposal.problem == "classification":
        classes = min(rows.train[name].n_unique() for name in proposal.targets)
        counts.append(("classes with enough rows", classes, _MIN_CLASSES))
    for what, n, needed in counts:
        if n < needed:
            return too_small(proposal, task_id, variant, what, n, needed)
    if rows.train.width == len(proposal.targets):
        return Drop(
            key=task_id,
            source=proposal.dataset.key,
            room="transform",
            reason=Reason.NO_FEATURE,
            detail=f"table {proposal.table!r}: no feature has a value in the training rows",
            variant=variant,
        )
    return None

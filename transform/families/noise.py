"""Injects noise into a clean training table so that every stated rule is needed.

Takes a clean table that all stated cleaning leaves as it is; returns the noisy table, the clean
one, and val, all with their final ids, and a record of what was injected where. Inserted rows break
exactly one rule each, and the targets of one rule's rows lie at one end, so that whoever leaves
them in is pulled there; changed cells lie in columns that no other rule uses. All rows draw their
ids from one permutation, so neither id nor position gives the noise away; of repeated rows the
original has the lowest id. Whether an answer suffers from the noise is for validation to find out.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from transform.steps.step import CellRule, CleaningStep, RowRule
from transform.task import ID_COLUMN

_ORIGIN, _INSERTED, _COPY, _RULE = " origin", " inserted", " copy", " rule"
"""Scratch columns: the clean row that a row was copied from, whether it was inserted, whether it
was inserted to repeat the other, and for which rule. Shipped names never begin with a space."""
_MAX_LABELS = 20
"""Values up to which one of them is an end of a target; of more it is a tenth of the rows."""
_END = 0.1
_MIN_ROWS_PER_RULE = 6
"""Noisy rows of the least rule: both ends of a range are then tested three times."""


@dataclass(frozen=True)
class NoisyTables:
    """The tables of one task with their ids; ascending id."""

    noisy: pl.DataFrame
    clean: pl.DataFrame
    val: pl.DataFrame
    injected: pl.DataFrame
    """What was injected where, one row each: `row_id`, `column` (null: the whole row was inserted)
    and `rule`, the position of the rule that undoes it. Changed cells of inserted rows are listed
    as well."""


def inject_noise(
    clean: pl.DataFrame,
    val: pl.DataFrame,
    rules: Sequence[CleaningStep],
    rng: random.Random,
    share: float,
    targets: Sequence[str] = (),
    held_out: pl.DataFrame | None = None,
) -> NoisyTables:
    """Noisy and clean tables; `clean` and `val` come without ids, rows in any order.

    `share` is that of noisy rows among the clean ones. Without `targets` the inserted rows keep
    those of the rows that they were copied from. No inserted row equals one of `held_out`, which
    has the columns of `clean`.
    """
    # The share is that of all noise; each rule has an equal part of it.
    per_rule = max(_MIN_ROWS_PER_RULE, int(share * clean.height / len(rules)))
    numbered = clean.with_row_index(ID_COLUMN).with_columns(pl.col(ID_COLUMN).cast(pl.Int64))
    rows = _insert(numbered, rules, rng, per_rule, targets)
    if held_out is not None:
        rows = rows.join(held_out, on=held_out.columns, how="anti", nulls_equal=True)
    # One permutation over both sides: neither id nor gap in the ids tells the side.
    ids = rng.sample(range(rows.height + val.height), rows.height + val.height)
    rows = rows.with_columns(pl.Series(ID_COLUMN, ids[: rows.height], pl.Int64))
    rows = _lowest_to_originals(rows, rng)
    names = [ID_COLUMN, *clean.columns]
    originals = rows.filter(pl.col(_INSERTED).not_()).select(names).sort(ID_COLUMN)
    noisy, changed = _change_cells(rows.select(names).sort(ID_COLUMN), rules, rng, per_rule)
    val_ids = pl.Series(ID_COLUMN, ids[rows.height :], dtype=pl.Int64)
    numbered_val = val.with_columns(val_ids).select(ID_COLUMN, *val.columns)
    injected = pl.concat([_inserted_rows(rows), *changed]).sort("rule", ID_COLUMN, "column")
    return NoisyTables(noisy, originals, numbered_val.sort(ID_COLUMN), injected)


def _change_cells(
    rows: pl.DataFrame, rules: Sequence[CleaningStep], rng: random.Random, n: int
) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
    """The rows with cells changed for each rule on cells, and which cells those are."""
    changed = []
    for position, rule in enumerate(rules):
        if isinstance(rule, CellRule):
            before, rows = rows, rule.noisy_cells(rows, rng, n)
            changed += [_changed_cells(before, rows, name, position) for name in sorted(rule.ruled)]
    return rows, changed


def _changed_cells(
    before: pl.DataFrame, after: pl.DataFrame, name: str, position: int
) -> pl.DataFrame:
    """Cells of one column that differ; numbers may have become texts."""
    old, new = before[name], after[name]
    # A marker that is no number casts to null, so it is recognised by what was missing before.
    differs = (new.cast(old.dtype, strict=False) != old).fill_null(value=False)
    ids = before.filter(differs | (new.is_null() != old.is_null()))[ID_COLUMN]
    return _record(ids, name, position)


def _inserted_rows(rows: pl.DataFrame) -> pl.DataFrame:
    inserted = rows.filter(pl.col(_INSERTED))
    return _record(inserted[ID_COLUMN], None, inserted[_RULE])


def _record(ids: pl.Series, column: str | None, rule: int | pl.Series) -> pl.DataFrame:
    names = (pl.lit(column, pl.String).alias("column"), pl.lit(rule, pl.Int64).alias("rule"))
    return ids.to_frame().with_columns(names)


def _insert(
    clean: pl.DataFrame,
    rules: Sequence[CleaningStep],
    rng: random.Random,
    n: int,
    targets: Sequence[str],
) -> pl.DataFrame:
    """Clean rows followed by the rows that each rule must remove."""
    marked = clean.with_columns(pl.col(ID_COLUMN).alias(_ORIGIN))
    blocks = [marked.with_columns(_marks(inserted=False, copy=False, rule=None))]
    row_rules = [(i, rule) for i, rule in enumerate(rules) if isinstance(rule, RowRule)]
    # The end of the target at which the first rule's rows lie is random, those after it take turns.
    for turn, (position, rule) in enumerate(row_rules, rng.randrange(1000)):
        rows = rule.noisy_rows(_pulled(marked, rule, targets, turn, rng), rng, n)
        rows = rows.with_columns(_marks(inserted=True, copy=rule.compares_rows, rule=position))
        blocks.append(rows.select(blocks[0].columns))
    return pl.concat(blocks)


def _marks(*, inserted: bool, copy: bool, rule: int | None) -> tuple[pl.Expr, ...]:
    flags = (pl.lit(inserted).alias(_INSERTED), pl.lit(copy).alias(_COPY))
    return (*flags, pl.lit(rule, pl.Int64).alias(_RULE))


def _pulled(
    clean: pl.DataFrame, rule: RowRule, targets: Sequence[str], turn: int, rng: random.Random
) -> pl.DataFrame:
    """Rows to copy for a rule: all with targets from one end, or those at that end.

    One end a rule, by turns: noise from everywhere would cancel out.
    """
    if not targets:
        return clean
    end = _end(clean, targets[turn % len(targets)], turn // len(targets))
    if rule.sees_targets:
        return end
    sampled = end[rng.choices(range(end.height), k=clean.height)]
    return clean.with_columns(sampled[name] for name in targets)


def _end(clean: pl.DataFrame, target: str, turn: int) -> pl.DataFrame:
    """Rows of one label, or those with the largest or smallest numbers."""
    values = clean[target]
    labels = values.unique().sort()
    if len(labels) <= _MAX_LABELS:
        return clean.filter(values == labels[turn % len(labels)])
    order = values.rank("ordinal", descending=turn % 2 == 0)
    return clean.filter(order <= max(1, int(_END * clean.height)))


def _lowest_to_originals(rows: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    """Among a clean row and the rows that repeat it, give the lowest id to the clean row.

    That alone would give copies high ids, so as many other inserted rows get the lower id of a pair
    with a clean row: over all noise, ids tell nothing.
    """
    ordered = rows.sort(_INSERTED, maintain_order=True)
    family = (pl.col(_ORIGIN), ~pl.col(_INSERTED) | pl.col(_COPY))
    lowest_first = pl.col(ID_COLUMN).sort().over(*family, mapping_strategy="group_to_rows")
    related = ~pl.col(_INSERTED) | pl.col(_COPY)
    ordered = ordered.with_columns(
        pl.when(related).then(lowest_first).otherwise(pl.col(ID_COLUMN)).alias(ID_COLUMN)
    )
    repeated = related & (pl.len().over(*family) > 1)
    kinds = ordered.select(_INSERTED, repeated.alias("repeated")).rows()
    n_copies = kinds.count((True, True))
    others, clean = (
        [i for i, k in enumerate(kinds) if k == (noisy, False)] for noisy in (True, False)
    )
    n = min(n_copies, len(others), len(clean))
    ids = ordered[ID_COLUMN].to_list()
    for noisy, row in zip(rng.sample(others, n), rng.sample(clean, n), strict=True):
        ids[noisy], ids[row] = sorted((ids[noisy], ids[row]))
    return ordered.with_columns(pl.Series(ID_COLUMN, ids, pl.Int64))

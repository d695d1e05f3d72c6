"""Puts dirt into a clean training table so that every stated rule is needed.

What enters is a clean table that all stated cleaning leaves as it is; what leaves is the dirty
table, the clean one, and val, all with their final ids. Inserted rows break exactly one rule each;
changed cells lie in columns that no other rule uses. All rows draw their ids from one permutation,
so neither id nor position gives the dirt away; of equal rows the original has the lowest id.
Whether an answer suffers from the dirt is for validation to find out.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from pydantic import Field

from extract.noun import Noun
from transform.steps.step import CellRule, CleaningStep, RowRule
from transform.task import ID_COLUMN

_ORIGIN, _INSERTED = " origin", " inserted"
"""Scratch columns: the clean row that a row was copied from, and whether it was put in. Shipped
names never begin with a space."""


class NoiseConfig(Noun):
    """How much dirt."""

    share: float = Field(default=0.2, gt=0, lt=1)
    """Dirty rows as a share of the training rows (the peer's share)."""
    min_kinds: int = Field(default=3, ge=1)
    """Kinds of dirt that a task must have."""
    min_rows_per_rule: int = Field(default=6, ge=2)
    """Dirty rows of the least rule: both ends of a range are then tested three times."""


@dataclass(frozen=True)
class Soiled:
    """The tables of one task with their ids; ascending id."""

    dirty: pl.DataFrame
    clean: pl.DataFrame
    val: pl.DataFrame


def soil(
    clean: pl.DataFrame,
    val: pl.DataFrame,
    rules: Sequence[CleaningStep],
    rng: random.Random,
    config: NoiseConfig,
) -> Soiled:
    """Dirty and clean tables; `clean` and `val` come without ids, rows in any order."""
    per_rule = max(config.min_rows_per_rule, int(config.share * clean.height / len(rules)))
    numbered = clean.with_row_index(ID_COLUMN).with_columns(pl.col(ID_COLUMN).cast(pl.Int64))
    rows = _insert(numbered, [r for r in rules if isinstance(r, RowRule)], rng, per_rule)
    ids = rng.sample(range(rows.height + val.height), rows.height + val.height)
    rows = rows.with_columns(pl.Series(ID_COLUMN, ids[: rows.height], pl.Int64))
    rows = _lowest_to_originals(rows, rng)
    originals = rows.filter(pl.col(_INSERTED).not_()).drop(_INSERTED, _ORIGIN).sort(ID_COLUMN)
    dirty = rows.drop(_INSERTED, _ORIGIN).sort(ID_COLUMN)
    for rule in rules:
        if isinstance(rule, CellRule):
            dirty = rule.dirty_cells(dirty, rng, per_rule)
    val_ids = pl.Series(ID_COLUMN, ids[rows.height :], dtype=pl.Int64)
    numbered_val = val.with_columns(val_ids).select(ID_COLUMN, *val.columns)
    return Soiled(dirty=dirty, clean=originals, val=numbered_val.sort(ID_COLUMN))


def _insert(
    clean: pl.DataFrame, rules: Sequence[RowRule], rng: random.Random, n: int
) -> pl.DataFrame:
    """Clean rows followed by the rows that each rule must remove."""
    marked = clean.with_columns(pl.col(ID_COLUMN).alias(_ORIGIN))
    blocks = [marked.with_columns(pl.lit(False).alias(_INSERTED))]
    for rule in rules:
        rows = rule.dirty_rows(marked, rng, n)
        blocks.append(rows.with_columns(pl.lit(True).alias(_INSERTED)).select(blocks[0].columns))
    return pl.concat(blocks)


def _lowest_to_originals(rows: pl.DataFrame, rng: random.Random) -> pl.DataFrame:
    """Among a clean row and its exact copies, give the lowest id to the clean row.

    That alone would give copies high ids, so as many other inserted rows get the lower id of a pair
    with a clean row: over all dirt, ids tell nothing.
    """
    content = [name for name in rows.columns if name not in (ID_COLUMN, _INSERTED)]
    lowest_first = pl.col(ID_COLUMN).sort().over(content, mapping_strategy="group_to_rows")
    ordered = rows.sort(_INSERTED, maintain_order=True).with_columns(lowest_first)
    repeated = (pl.len().over(content) > 1) & ~pl.col(_INSERTED).min().over(content)
    kinds = ordered.select(_INSERTED, repeated.alias("repeated")).rows()
    copies = kinds.count((True, True))
    others, clean = (
        [i for i, k in enumerate(kinds) if k == (dirty, False)] for dirty in (True, False)
    )
    n = min(copies, len(others), len(clean))
    ids = ordered[ID_COLUMN].to_list()
    for dirty, row in zip(rng.sample(others, n), rng.sample(clean, n), strict=True):
        ids[dirty], ids[row] = sorted((ids[dirty], ids[row]))
    return ordered.with_columns(pl.Series(ID_COLUMN, ids, pl.Int64))

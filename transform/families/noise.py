"""Puts noise into a clean training table so that every stated rule is needed.

What enters is a clean table that all stated cleaning leaves as it is; what leaves is the noisy
table, the clean one, and val, all with their final ids. Inserted rows break exactly one rule each,
and the targets of one rule's rows lie at one end, so that whoever leaves them in is pulled there;
changed cells lie in columns that no other rule uses. All rows draw their ids from one permutation,
so neither id nor position gives the noise away; of repeated rows the original has the lowest id.
Whether an answer suffers from the noise is for validation to find out.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from pydantic import Field

from extract.noun import Noun
from transform.steps.step import CellRule, CleaningStep, RowRule
from transform.task import ID_COLUMN

_ORIGIN, _INSERTED, _COPY = " origin", " inserted", " copy"
"""Scratch columns: the clean row that a row was copied from, whether it was put in, and whether it
was put in to repeat the other. Shipped names never begin with a space."""
_MAX_LABELS = 20
"""Values up to which one of them is an end of a target; of more it is a tenth of the rows."""
_END = 0.1


class NoiseConfig(Noun):
    """How much noise."""

    share: float = Field(default=0.2, gt=0, lt=1)
    """Noisy rows as a share of the training rows (the peer's share)."""
    min_kinds: int = Field(default=3, ge=1)
    """Kinds of noise that a task must have."""
    min_rows_per_rule: int = Field(default=6, ge=2)
    """Noisy rows of the least rule: both ends of a range are then tested three times."""


@dataclass(frozen=True)
class Soiled:
    """The tables of one task with their ids; ascending id."""

    noisy: pl.DataFrame
    clean: pl.DataFrame
    val: pl.DataFrame


def soil(
    clean: pl.DataFrame,
    val: pl.DataFrame,
    rules: Sequence[CleaningStep],
    rng: random.Random,
    config: NoiseConfig,
    targets: Sequence[str] = (),
    held_out: pl.DataFrame | None = None,
) -> Soiled:
    """Noisy and clean tables; `clean` and `val` come without ids, rows in any order.

    Without `targets` the inserted rows keep those of the rows that they were copied from. No
    inserted row equals one of `held_out`, which has the columns of `clean`.
    """
    per_rule = max(config.min_rows_per_rule, int(config.share * clean.height / len(rules)))
    numbered = clean.with_row_index(ID_COLUMN).with_columns(pl.col(ID_COLUMN).cast(pl.Int64))
    row_rules = [rule for rule in rules if isinstance(rule, RowRule)]
    rows = _insert(numbered, row_rules, rng, per_rule, targets)
    if held_out is not None:
        rows = rows.join(held_out, on=held_out.columns, how="anti", nulls_equal=True)
    ids = rng.sample(range(rows.height + val.height), rows.height + val.height)
    rows = rows.with_columns(pl.Series(ID_COLUMN, ids[: rows.height], pl.Int64))
    rows = _lowest_to_originals(rows, rng)
    originals = rows.filter(pl.col(_INSERTED).not_()).select(ID_COLUMN, *clean.columns)
    originals, noisy = originals.sort(ID_COLUMN), rows.select(originals.columns).sort(ID_COLUMN)
    for rule in rules:
        if isinstance(rule, CellRule):
            noisy = rule.noisy_cells(noisy, rng, per_rule)
    val_ids = pl.Series(ID_COLUMN, ids[rows.height :], dtype=pl.Int64)
    numbered_val = val.with_columns(val_ids).select(ID_COLUMN, *val.columns)
    return Soiled(noisy=noisy, clean=originals, val=numbered_val.sort(ID_COLUMN))


def _insert(
    clean: pl.DataFrame,
    rules: Sequence[RowRule],
    rng: random.Random,
    n: int,
    targets: Sequence[str],
) -> pl.DataFrame:
    """Clean rows followed by the rows that each rule must remove."""
    marked = clean.with_columns(pl.col(ID_COLUMN).alias(_ORIGIN))
    marks = (pl.lit(False).alias(_INSERTED), pl.lit(False).alias(_COPY))
    blocks = [marked.with_columns(marks)]
    first = rng.randrange(1000)
    for turn, rule in enumerate(rules, first):
        rows = rule.noisy_rows(_pulled(marked, rule, targets, turn, rng), rng, n)
        marks = (pl.lit(True).alias(_INSERTED), pl.lit(rule.compares_rows).alias(_COPY))
        blocks.append(rows.with_columns(marks).select(blocks[0].columns))
    return pl.concat(blocks)


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
    drawn = end[rng.choices(range(end.height), k=clean.height)]
    return clean.with_columns(drawn[name] for name in targets)


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
    copies = kinds.count((True, True))
    others, clean = (
        [i for i, k in enumerate(kinds) if k == (noisy, False)] for noisy in (True, False)
    )
    n = min(copies, len(others), len(clean))
    ids = ordered[ID_COLUMN].to_list()
    for noisy, row in zip(rng.sample(others, n), rng.sample(clean, n), strict=True):
        ids[noisy], ids[row] = sorted((ids[noisy], ids[row]))
    return ordered.with_columns(pl.Series(ID_COLUMN, ids, pl.Int64))

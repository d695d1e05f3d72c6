"""Whether two tables hold the same rows, whatever was done to one of them.

Takes two sketches, opens their tables, and returns the share of rows of the shorter one that stand
in the longer one, or 0. A table is found again when it was renamed, shuffled, cut to a part of its
rows or entities, rounded, put into other units or another date format, or when columns were
dropped, added or renamed. Tables that share what everybody shares (years, countries and their
codes, flags, small whole numbers) are told apart by chance: the same columns, each shuffled by
itself, must fit far worse than the rows do.

Not found: tables whose every column was bent, aggregated or noised, tables of small scales alone
that were renamed and cut, and joint tables of which neither holds half of the other's telling
columns.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from extract.evidence.near_duplicates.aligned import AlignedColumn, ColumnCache, align
from extract.evidence.near_duplicates.column_maps import Codes
from extract.evidence.near_duplicates.partners import (
    CONSIDERED,
    NEARLY_ALL,
    NEEDED,
    PROSE_CHARS,
    are_named_alike,
    may_share_rows,
)
from extract.evidence.near_duplicates.rows import row_share, share_beyond_chance
from extract.evidence.near_duplicates.sketch import TableSketch

_KEEPS = 0.75
"""Share of the rows that another column must leave."""
_STARTS = 3
"""A wrong partner may lead: so many columns are tried as the first."""
_REPEATED = 0.5
"""Distinct values by row up to which a column repeats itself, and so can tell another one."""
_ROWS, _CHANCE = 0.3, 0.35
"""Least share of rows, and the most of it that chance may reach."""
_LEAST_ROWS = 5
_PROSE_VALUES = 50
_TELLS = 1.02
"""Pairs of values for each value of a column that tells another: two in a hundred may be errors."""
_EVEN = 0.004
"""Greatest difference of the steps between quantiles of a row counter, which are 1/16 each."""


def shared_rows(ours: TableSketch, theirs: TableSketch, cache: ColumnCache) -> float:
    """Share of the rows of the shorter table that stand in the longer one; 0 when by chance."""
    if ours.table.sha256 == theirs.table.sha256:
        return 1.0
    if not may_share_rows(ours, theirs):
        return 0.0
    longer, shorter = sorted((ours, theirs), key=lambda s: (-s.table.n_rows, s.table.sha256))
    aligned = align(longer, shorter, cache)
    if not aligned:
        return 0.0
    n_considered = min(len(side.columns[:CONSIDERED]) for side in (longer, shorter))
    alike = len(aligned) >= NEARLY_ALL * n_considered and are_named_alike(ours, theirs)
    return _joint_share(aligned, NEEDED * n_considered, alike=alike) or _prose_share(aligned)


def _joint_share(columns: Sequence[AlignedColumn], needed: float, *, alike: bool) -> float:
    """Share of rows beyond chance, by so many columns at least, of which two say something."""
    for first in range(min(_STARTS, len(columns))):
        kept = _consistent([columns[first], *columns[:first], *columns[first + 1 :]])
        # What fails with columns that follow from others fails without them.
        if len(kept) >= max(2, needed) and _beyond_chance(kept):
            kept.sort(key=lambda column: -column.sketch.n_distinct)
            telling = [column for column in kept if not _follows(column, kept, alike=alike)]
            if len(telling) >= 2 and (share := _beyond_chance(telling)):
                return share
    return 0.0


def _prose_share(columns: Sequence[AlignedColumn]) -> float:
    """Share of the rows of one column of long texts, which nobody writes twice; 0 without one."""
    for column in columns:
        prose = column.sketch.mean_chars >= PROSE_CHARS
        if prose and column.sketch.n_distinct >= _PROSE_VALUES and _share([column]) >= _ROWS:
            return _share([column])
    return 0.0


def _consistent(columns: Sequence[AlignedColumn]) -> list[AlignedColumn]:
    """Columns whose joint rows are found; one that loses many rows was a wrong partner."""
    kept: list[AlignedColumn] = []
    share = 1.0
    for column in columns:
        with_it = _share([*kept, column])
        if with_it >= max(_KEEPS * share, _ROWS):
            kept.append(column)
            share = with_it
    return kept


def _beyond_chance(columns: Sequence[AlignedColumn]) -> float:
    long, short = _frames(columns)
    least = max(_ROWS, _LEAST_ROWS / max(1, short.height))
    return share_beyond_chance(long, short, least=least, chance=_CHANCE)


def _share(columns: Sequence[AlignedColumn]) -> float:
    return row_share(*_frames(columns))


def _frames(columns: Sequence[AlignedColumn]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The codes of the longer and of the shorter table."""
    long = pl.DataFrame({f"c{i}": column.long for i, column in enumerate(columns)})
    return long, pl.DataFrame({f"c{i}": column.short for i, column in enumerate(columns)})


def _follows(column: AlignedColumn, others: Sequence[AlignedColumn], *, alike: bool) -> bool:
    """Whether a column says nothing of its own: a row counter, or told by another column.

    A code follows from the name of a country and a month from its date in any table of the world;
    only between tables that are `alike` in all else such a column says something.
    """
    n_rows, n_values = len(column.long), len(np.unique(column.long))
    if column.sketch.kind == "number" and n_values == n_rows and _is_counter(column):
        return True
    for other in others:
        if other is column:
            return False
        n_others = len(np.unique(other.long))
        repeats = n_others <= _REPEATED * n_rows
        if other.sketch.kind == "text" and column.sketch.kind == "text":
            able = repeats or not alike
        else:
            # Numbers of as many values as the other's are measured again rather than derived.
            able = repeats and n_values <= 0.5 * n_others
        if able and _tells(other.long, column.long):
            return True
        if any(_tells(part, column.long) for part in other.calendar):
            return True
    return False


def _tells(first: Codes, second: Codes) -> bool:
    """Whether the first column's value determines the second's."""
    pairs = first * (int(second.max()) + 2) + second
    return len(np.unique(pairs)) <= _TELLS * len(np.unique(first))


def _is_counter(column: AlignedColumn) -> bool:
    """Whether a unique column is even: codes are ranks, so the sketch's profile is asked."""
    profile = column.sketch.profile
    return profile is not None and bool(np.abs(np.diff(profile) - 0.0625).max() < _EVEN)

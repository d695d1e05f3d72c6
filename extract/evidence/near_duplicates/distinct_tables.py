"""Which tables of a dataset may be used side by side without one carrying another's answers.

A combined file and one file per city, or `train.csv` inside `all.csv`, hold the same rows; then
only the largest is used. Takes tables, returns those that share no rows, each with the names of
those left out for it. Two sources are near duplicates only when much is shared; here a hundredth of
the rows is enough, as those would be answers. Rows may be shuffled, left out, renamed or in other
units. Not guaranteed: to find a table that holds another's sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import polars as pl

from extract.dataset import Table
from extract.evidence.near_duplicates.aligned import ColumnCache
from extract.evidence.near_duplicates.column_maps import NumberArray
from extract.evidence.near_duplicates.columns import read_columns, value_kind
from extract.evidence.near_duplicates.partners import partners
from extract.evidence.near_duplicates.rows import share_beyond_chance
from extract.evidence.near_duplicates.shared_rows import shared_rows
from extract.evidence.near_duplicates.sketch import TableSketch, sketch
from extract.stored_table import read_stored

_LEAST_SHARE = 0.01
"""Share of the smaller table's rows from which it shows answers of the larger."""
_CHANCE = 0.2
"""Part of it that chance may reach: columns of few values meet by chance as well."""
_MAX_ROWS = 20_000
"""Rows of the smaller table that are looked up: a hundredth of them are still 200."""
_MANY_VALUES, _MATCHED = 50, 0.5
"""Distinct values of a column, and the share of them in another one, from which the two are
compared under different names."""

_CLOCK = " clock"
"""Scratch column; shipped names never begin with a space."""
_KEY_SHARE = 0.9
"""Distinct instants by row from which instants are a key."""
_FEWEST_INSTANTS = 50
_SHARED_INSTANTS = 0.3
_FEW_VALUES = 10
_MOST_NUMBERS = 30
"""Numbers of either table: their pairs are at most 900."""
_MOVES_ALIKE = 0.999
"""Correlation of the steps from instant to instant above which two numbers are one."""


@dataclass(frozen=True)
class DistinctTable:
    """A table that is used, and the names of those that are not used because of it."""

    table: Table
    instead_of: tuple[str, ...]

    @cached_property
    def frame(self) -> pl.DataFrame:
        """Its cells, read when first asked for."""
        return read_stored(self.table)


@dataclass(frozen=True)
class _Opened:
    """A table with what is compared of it; each is computed when it is first needed."""

    table: Table

    @cached_property
    def cells(self) -> pl.DataFrame:
        return read_columns(self.table, [column.name for column in self.table.columns])

    @cached_property
    def sketch(self) -> TableSketch:
        return sketch(self.table)

    def of_kind(self, kind: str) -> list[pl.Series]:
        """Columns of one kind, in comparable form."""
        return [self.cells[c.name] for c in self.table.columns if value_kind(c) == kind]


def distinct_tables(tables: Sequence[Table]) -> tuple[DistinctTable, ...]:
    """Tables that share no rows, the largest first."""
    cache = ColumnCache()
    kept: list[tuple[_Opened, list[str]]] = []
    for table in sorted(tables, key=lambda t: (-t.n_rows, -len(t.columns), t.name)):
        opened = _Opened(table)
        overlapping = (names for other, names in kept if _overlap(other, opened, cache))
        instead = next(overlapping, None)
        if instead is None:
            kept.append((opened, []))
        else:
            instead.append(table.name)
    return tuple(DistinctTable(opened.table, tuple(names)) for opened, names in kept)


def _overlap(large: _Opened, small: _Opened, cache: ColumnCache) -> bool:
    """Whether the smaller table shows answers of the larger; the cheapest comparison goes first."""
    if not small.table.n_rows:
        return False
    if _share_named_rows(large, small) or _move_alike(large, small):
        return True
    return shared_rows(large.sketch, small.sketch, cache) > 0


def _share_named_rows(large: _Opened, small: _Opened) -> bool:
    """Whether rows stand in both, by the columns of one name and those of mostly equal values."""
    pairs = _pairs(large, small)
    if len(pairs) < 2:
        return False
    long = pl.DataFrame([large.cells[a].alias(f"c{i}") for i, (a, _) in enumerate(pairs)])
    short = pl.DataFrame([small.cells[b].alias(f"c{i}") for i, (_, b) in enumerate(pairs)])
    # Evenly, since the overlap of two files is often their end and their beginning.
    short = short.gather_every(-(-short.height // _MAX_ROWS))
    different = short.unique(maintain_order=True)
    if different.height < short.height / 2:
        # Rows that repeat anyway prove nothing; tables with one header are taken for one.
        return large.cells.columns == small.cells.columns
    return share_beyond_chance(long, different, least=_LEAST_SHARE, chance=_CHANCE) > 0


def _pairs(large: _Opened, small: _Opened) -> list[tuple[str, str]]:
    """Columns of both tables that are one, by name, then by value among those left."""
    # A name is enough, however few values are shared: those few rows would be the answers.
    kinds = {column.name: value_kind(column) for column in large.table.columns}
    pairs = {c.name: c.name for c in small.table.columns if kinds.get(c.name) == value_kind(c)}
    if len(pairs) == min(len(large.table.columns), len(small.table.columns)):
        return list(pairs.items())
    for pair in partners(large.sketch, small.sketch):
        is_free = pair.ours.name not in pairs.values() and pair.theirs.name not in pairs
        telling = pair.n_distinct > _MANY_VALUES and pair.ours.kind != "time"
        if is_free and telling and pair.shared >= _MATCHED:
            pairs[pair.theirs.name] = pair.ours.name
    return [(ours, theirs) for theirs, ours in pairs.items()]


def _move_alike(large: _Opened, small: _Opened) -> bool:
    """Whether a number of each moves alike on the same instants, in whatever unit.

    Only where an instant is a key of both tables; then one tells the held-out rows of the other.
    """
    for a, b in product(_clocks(large), _clocks(small)):
        ours, theirs = _on_clock(large, a, "a"), _on_clock(small, b, "b")
        joined = ours.join(theirs, on=_CLOCK).sort(_CLOCK)
        if joined.height < max(_FEWEST_INSTANTS, _SHARED_INSTANTS * small.table.n_rows):
            continue
        # Steps rather than values: two trends correlate without telling each other.
        steps = joined.drop(_CLOCK).select(pl.all().diff()).fill_null(float("nan"))
        sides = ([c.to_numpy() for c in steps.select(f"^ {side} .*$")] for side in ("a", "b"))
        if any(_correlation(x, y) > _MOVES_ALIKE for x, y in product(*sides)):
            return True
    return False


def _clocks(opened: _Opened) -> list[pl.Series]:
    """Columns of instants that (nearly) no two rows share."""
    least = _KEY_SHARE * opened.table.n_rows
    return [instants for instants in opened.of_kind("time") if instants.n_unique() >= least]


def _on_clock(opened: _Opened, clock: pl.Series, side: str) -> pl.DataFrame:
    """Numbers that vary, under names that say their side and place, by instant."""
    numbers = [column for column in opened.of_kind("number") if column.n_unique() >= _FEW_VALUES]
    named = [c.alias(f" {side} {place}") for place, c in enumerate(numbers[:_MOST_NUMBERS])]
    frame = pl.DataFrame([clock.alias(_CLOCK), *named]).drop_nulls(_CLOCK)
    return frame.unique(_CLOCK, keep="first", maintain_order=True)


def _correlation(a: NumberArray, b: NumberArray) -> float:
    """|r| over rows with both values; 0 when too few or when one side stands still."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < _FEWEST_INSTANTS or np.ptp(a[both]) == 0 or np.ptp(b[both]) == 0:
        return 0.0
    return abs(float(np.corrcoef(a[both], b[both])[0, 1]))

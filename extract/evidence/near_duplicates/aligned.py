"""The columns that two tables have in common, with every cell as a code.

Takes a longer and a shorter table by their sketches, returns aligned columns: cells of the two
tables bear the same code where they hold the same value, also in another unit. Of the shorter table
a sample of rows is looked up. A column may be aligned with a wrong partner; rows tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from extract.evidence.near_duplicates.column_maps import (
    Codes,
    NumberArray,
    UnitMap,
    distinct_values,
    find_unit_map,
    number_codes,
    text_codes,
)
from extract.evidence.near_duplicates.columns import read_columns
from extract.evidence.near_duplicates.partners import (
    CONSIDERED,
    NEEDED,
    PROSE_CHARS,
    Partners,
    partners,
)
from extract.evidence.near_duplicates.sketch import ColumnSketch, TableSketch

_TRIED = 3
"""Partners tried for each column, the likeliest first."""
_MAX_ROWS = 3_000
"""Rows of the shorter table that are looked up; shares are exact to about one per cent."""
_CACHED_VALUES = 20_000_000
"""Distinct values held in memory: 160 MB."""


@dataclass(frozen=True)
class AlignedColumn:
    """A column of both tables as codes; rows of the longer and of the shorter table."""

    sketch: ColumnSketch
    long: Codes
    short: Codes
    calendar: tuple[Codes, ...] = ()
    """For times: their parts in the longer table."""


@dataclass(frozen=True)
class _Match:
    """Columns of the longer and the shorter table that are one under a map; None for texts."""

    sketch: ColumnSketch
    long: str
    short: str
    unit_map: UnitMap | None


class ColumnCache:
    """Distinct numbers of columns that were opened; when it is full, the first goes first."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], NumberArray] = {}
        self._size = 0

    def numbers(self, side: TableSketch, name: str) -> NumberArray:
        """The distinct values of a column of numbers or times, sorted."""
        key = (side.table.sha256, name)
        if key not in self._held:
            values = read_columns(side.table, [name]).to_series().unique().to_numpy()
            self._held[key] = distinct_values(values)
            self._size += len(self._held[key])
            # Dictionaries keep the order in which columns came.
            while self._size > _CACHED_VALUES and len(self._held) > 1:
                self._size -= len(self._held.pop(next(iter(self._held))))
        return self._held[key]


def align(longer: TableSketch, shorter: TableSketch, cache: ColumnCache) -> list[AlignedColumn]:
    """The telling columns of the narrower table that the other has too, most values first.

    Empty when they are too few, which is known before a cell is looked up.
    """
    by_long = len(longer.columns) <= len(shorter.columns)
    narrow = (longer if by_long else shorter).columns[:CONSIDERED]
    candidates = partners(longer, shorter)
    matches: list[_Match] = []
    for column in narrow:
        taken = {match.short if by_long else match.long for match in matches}
        mine = [p for p in candidates if (p.ours if by_long else p.theirs) is column]
        free = [p for p in mine if (p.theirs if by_long else p.ours).name not in taken]
        tried = (_match(column, pair, longer, shorter, cache) for pair in free[:_TRIED])
        matches += [match for match in tried if match is not None][:1]
    prose = any(match.sketch.mean_chars >= PROSE_CHARS for match in matches)
    if len(matches) < NEEDED * len(narrow) and not prose:
        return []
    return _coded(longer, shorter, matches, cache)


def _match(
    column: ColumnSketch,
    pair: Partners,
    longer: TableSketch,
    shorter: TableSketch,
    cache: ColumnCache,
) -> _Match | None:
    """The pair with the map between its units; None for numbers without one."""
    long, short = pair.ours.name, pair.theirs.name
    if column.kind == "text":
        return _Match(column, long, short, None)
    unit_map = find_unit_map(cache.numbers(longer, long), cache.numbers(shorter, short))
    return _Match(column, long, short, unit_map) if unit_map else None


def _coded(
    longer: TableSketch, shorter: TableSketch, matches: Sequence[_Match], cache: ColumnCache
) -> list[AlignedColumn]:
    """Codes of the cells of the matched columns, of so many rows of the shorter table at most."""
    long = read_columns(longer.table, [match.long for match in matches])
    short = read_columns(shorter.table, [match.short for match in matches])
    if short.height > _MAX_ROWS:
        # By chance rather than from the top, where sorted tables hold one entity alone.
        short = short[np.random.default_rng(0).choice(short.height, _MAX_ROWS, replace=False)]
    columns = []
    for match in matches:
        ours, theirs = long[match.long], short[match.short]
        if match.unit_map is None:
            columns.append(AlignedColumn(match.sketch, *text_codes(ours, theirs)))
            continue
        # The map rounds, so that it may send two values to one.
        grid = distinct_values(match.unit_map(cache.numbers(longer, match.long)))
        codes = number_codes(ours.to_numpy(), theirs.to_numpy(), match.unit_map, grid)
        calendar = _calendar(ours.to_numpy()) if match.sketch.kind == "time" else ()
        columns.append(AlignedColumn(match.sketch, *codes, calendar))
    return columns


def _calendar(seconds: NumberArray) -> tuple[Codes, ...]:
    """Year, quarter, month, week day, day, hour and minute of each instant, 0 for none."""
    times = pl.Series(np.nan_to_num(seconds) * 1e6).cast(pl.Int64).cast(pl.Datetime("us")).dt
    parts = [times.year(), times.quarter(), times.month(), times.weekday(), times.day()]
    parts += [times.hour(), times.minute()]
    # A part that never changes tells nothing.
    return tuple(part.cast(pl.Int64).to_numpy() for part in parts if part.n_unique() > 1)

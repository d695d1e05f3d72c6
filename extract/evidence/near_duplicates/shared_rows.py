"""Whether two tables hold the same rows, whatever was done to one of them.

Two sketches enter; their tables are opened and the share of rows of the shorter one that stand in
the longer one leaves, or 0. A table is found again when it was renamed, shuffled, cut to a part of
its rows or entities, rounded, put into other units or another date format, or when columns were
dropped, added or renamed. Tables that share what everybody shares (years, countries and their
codes, flags, small whole numbers) are told apart by chance: the same columns, each shuffled by
itself, must fit far worse than the rows do.

Not found: tables whose every column was bent, aggregated or noised, tables of small scales alone
that were renamed and cut, and joint tables of which neither holds half of the other's telling
columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from extract.evidence.agreement.column_maps import (
    UNKNOWN,
    Codes,
    Floats,
    Map,
    distinct,
    find_map,
    number_codes,
    text_codes,
)
from extract.evidence.near_duplicates.columns import normal_name, read_columns
from extract.evidence.near_duplicates.sketch import (
    ColumnSketch,
    TableSketch,
    same_shapes,
    shared_values,
)

_SHARED = 0.4
"""Estimated share of values from which two columns may be one."""
_ESTIMATED = 0.9
"""Estimates above it are as good as all."""
_FEW = 20
"""Distinct values below which a column proposes nothing by itself."""
_CONSIDERED, _TRIED = 8, 3
"""Columns of the narrower table, and partners tried for each."""
_KEEPS = 0.75
"""Share of the rows that another column must leave."""
_STARTS = 3
"""A wrong partner may lead: so many columns are tried as the first."""
_MAX_ROWS = 3_000
"""Rows of the shorter table that are looked up."""
_SHELF = 20_000_000
"""Distinct values held open."""
_REPEATED = 0.5
_ROWS, _CHANCE, _COLUMNS = 0.3, 0.35, 0.5
"""Least share of rows; most by chance, as a part of it; least share of telling columns."""
_LEAST_ROWS = 5
_PROSE_CHARS, _PROSE_VALUES = 25.0, 50
_ALIKE = 0.7
"""Share of equal column names from which words alone can make twins."""


def may_be_twins(ours: TableSketch, theirs: TableSketch) -> bool:
    """Whether two sketches are alike enough to open the tables."""
    return any(_promising(ours, theirs))


def _promising(ours: TableSketch, theirs: TableSketch) -> Iterator[bool]:
    pairs = [(a, b) for a, b, _ in _partners(ours, theirs)]
    many = [(a, b) for a, b in pairs if min(a.n_distinct, b.n_distinct) > _FEW]
    telling = [
        sum(column.n_distinct > _FEW for column in side.columns[:_CONSIDERED])
        for side in (ours, theirs)
    ]
    yield 2 <= _n_columns(many) >= _COLUMNS * min(telling)
    yield any(a.mean_chars >= _PROSE_CHARS and b.mean_chars >= _PROSE_CHARS for a, b in many)
    yield bool(ours.columns) and _equal_names(ours, theirs) >= _ALIKE
    # Tables of few values, such as answers to a questionnaire.
    yield 3 <= _n_columns(pairs) >= 0.8 * min(len(ours.columns), len(theirs.columns))


def _n_columns(pairs: Sequence[tuple[ColumnSketch, ColumnSketch]]) -> int:
    """Columns that occur in some pairs, on the side that has fewer."""
    return min(len({a.name for a, _ in pairs}), len({b.name for _, b in pairs}))


def _partners(
    ours: TableSketch, theirs: TableSketch
) -> list[tuple[ColumnSketch, ColumnSketch, float]]:
    """Pairs of columns that may be one, the likeliest first."""
    if not ours.columns or not theirs.columns:
        return []
    n_rows = min(ours.table.n_rows, theirs.table.n_rows)
    shares = shared_values(ours.columns, theirs.columns)
    shapes = same_shapes(ours.columns, theirs.columns, n_rows)
    found = []
    for i, j in zip(*np.nonzero((shares >= _SHARED) | (shapes > 0)), strict=True):
        a, b = ours.columns[i], theirs.columns[j]
        if a.kind == b.kind:
            named = normal_name(a.name) == normal_name(b.name)
            size = min(a.n_distinct, b.n_distinct) / max(a.n_distinct, b.n_distinct)
            values = min(float(shares[i, j]), _ESTIMATED) + named
            found.append((a, b, 2 * values + float(shapes[i, j]) + size))
    found.sort(key=lambda pair: (-pair[2], pair[0].name, pair[1].name))
    return found


def _equal_names(ours: TableSketch, theirs: TableSketch) -> float:
    """Estimated Jaccard similarity of the sets of column names."""
    sides = (np.frombuffer(bytes.fromhex(side.names), dtype="<u4") for side in (ours, theirs))
    return float(np.equal(*sides).mean())


@dataclass(frozen=True)
class _Aligned:
    """A column of both tables as codes; rows of the longer and of the shorter table."""

    sketch: ColumnSketch
    long: Codes
    short: Codes
    calendar: tuple[Codes, ...] = ()
    """For times: their parts in the longer table."""


class Shelf:
    """Distinct numbers of columns that were opened; when it is full, the first goes first."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Floats] = {}
        self._size = 0

    def numbers(self, side: TableSketch, name: str) -> Floats:
        """The distinct values of a column of numbers or times, sorted."""
        key = (side.table.sha256, name)
        if key not in self._held:
            self._held[key] = distinct(
                read_columns(side.table, [name]).to_series().unique().to_numpy()
            )
            self._size += len(self._held[key])
            while self._size > _SHELF and len(self._held) > 1:
                self._size -= len(self._held.pop(next(iter(self._held))))
        return self._held[key]


def shared_rows(ours: TableSketch, theirs: TableSketch, shelf: Shelf) -> float:
    """Share of the rows of the shorter table that stand in the longer one; 0 when by chance."""
    order = sorted((ours, theirs), key=lambda side: (-side.table.n_rows, side.table.sha256))
    aligned = _aligned(order[0], order[1], shelf)
    if not aligned:
        return 0.0
    n_considered = min(len(side.columns[:_CONSIDERED]) for side in order)
    alike = len(aligned) >= 0.8 * n_considered and _equal_names(ours, theirs) >= _ALIKE
    if share := _joint_rows(aligned, _COLUMNS * n_considered, alike=alike):
        return share
    for column in aligned:
        prose = column.sketch.mean_chars >= _PROSE_CHARS
        if prose and column.sketch.n_distinct >= _PROSE_VALUES and _share([column]) >= _ROWS:
            return _share([column])
    return 0.0


def _joint_rows(columns: Sequence[_Aligned], needed: float, *, alike: bool) -> float:
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


def _aligned(longer: TableSketch, shorter: TableSketch, shelf: Shelf) -> list[_Aligned]:
    """The telling columns of the narrower table that the other has too, most values first.

    Empty when they are too few, which is known before a cell is looked up.
    """
    by_width = len(longer.columns) <= len(shorter.columns)
    narrow = (longer if by_width else shorter).columns[:_CONSIDERED]
    candidates = _partners(longer, shorter)
    taken: set[str] = set()
    found: list[tuple[ColumnSketch, str, str, Map | None]] = []
    for column in narrow:
        mine = [(a, b) for a, b, _ in candidates if (a if by_width else b) is column]
        free = [(a, b) for a, b in mine if (b if by_width else a).name not in taken]
        for a, b in free[:_TRIED]:
            map = None
            if a.kind != "text":
                map = find_map(shelf.numbers(longer, a.name), shelf.numbers(shorter, b.name))
            if a.kind == "text" or map is not None:
                taken.add((b if by_width else a).name)
                found.append((column, a.name, b.name, map))
                break
    prose = any(column.mean_chars >= _PROSE_CHARS for column, *_ in found)
    if len(found) < _COLUMNS * len(narrow) and not prose:
        return []
    return _coded(longer, shorter, found, shelf)


def _coded(
    longer: TableSketch,
    shorter: TableSketch,
    found: Sequence[tuple[ColumnSketch, str, str, Map | None]],
    shelf: Shelf,
) -> list[_Aligned]:
    """Codes of the cells of the found columns, of so many rows of the shorter table at most."""
    long = read_columns(longer.table, [a for _, a, _, _ in found])
    short = read_columns(shorter.table, [b for _, _, b, _ in found])
    if short.height > _MAX_ROWS:
        short = short[np.random.default_rng(0).choice(short.height, _MAX_ROWS, replace=False)]
    columns = []
    for column, a, b, map in found:
        if map is None:
            columns.append(_Aligned(column, *text_codes(long[a], short[b])))
            continue
        grid = distinct(map(shelf.numbers(longer, a)))
        codes = number_codes(long[a].to_numpy(), short[b].to_numpy(), map, grid)
        calendar = _calendar(long[a].to_numpy()) if column.kind == "time" else ()
        columns.append(_Aligned(column, *codes, calendar))
    return columns


def _follows(column: _Aligned, others: Sequence[_Aligned], *, alike: bool) -> bool:
    """Whether a column says nothing of its own: a row counter, or told by another column.

    A code follows from the name of a country and a month from its date in any table of the world;
    only between tables that are `alike` in all else the author of a book says something.
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
            able = repeats and n_values <= 0.5 * n_others
        if able and _tells(other.long, column.long):
            return True
        if any(_tells(part, column.long) for part in other.calendar):
            return True
    return False


def _tells(first: Codes, second: Codes) -> bool:
    """Whether the first column's value determines the second's."""
    pairs = first * (int(second.max()) + 2) + second
    return len(np.unique(pairs)) <= 1.02 * len(np.unique(first))


def _calendar(seconds: Floats) -> tuple[Codes, ...]:
    """Year, quarter, month, week day, day, hour and minute of each instant, 0 for none."""
    times = pl.Series(np.nan_to_num(seconds) * 1e6).cast(pl.Int64).cast(pl.Datetime("us")).dt
    parts = [times.year(), times.quarter(), times.month(), times.weekday(), times.day()]
    parts += [times.hour(), times.minute()]
    return tuple(part.cast(pl.Int64).to_numpy() for part in parts if part.n_unique() > 1)


def _is_counter(column: _Aligned) -> bool:
    """Whether a unique column is even: codes are ranks, so the sketch's profile is asked."""
    profile = column.sketch.profile
    return profile is not None and bool(np.abs(np.diff(profile) - 0.0625).max() < 0.004)


def _consistent(columns: Sequence[_Aligned]) -> list[_Aligned]:
    """Columns whose joint rows are found; one that loses many rows was a wrong partner."""
    kept: list[_Aligned] = []
    share = 1.0
    for column in columns:
        with_it = _share([*kept, column])
        if with_it >= max(_KEEPS * share, _ROWS):
            kept.append(column)
            share = with_it
    return kept


def _beyond_chance(columns: Sequence[_Aligned]) -> float:
    if not columns:
        return 0.0
    rng = np.random.default_rng(0)
    shuffled = [replace(c, short=rng.permutation(c.short)) for c in columns]
    share = _share(columns)
    enough = share >= _ROWS and share * len(columns[0].short) >= _LEAST_ROWS
    return share if enough and _share(shuffled) <= _CHANCE * share else 0.0


def _share(columns: Sequence[_Aligned]) -> float:
    """Share of the shorter table's different rows that the longer one holds as a whole.

    Different ones, because rows of nothing but zeros or missing cells stand in many tables.
    """
    names = [f"c{i}" for i in range(len(columns))]
    long = pl.DataFrame({name: c.long for name, c in zip(names, columns, strict=True)})
    short = pl.DataFrame({name: c.short for name, c in zip(names, columns, strict=True)})
    short = short.unique()
    whole = short.filter(pl.all_horizontal(pl.col(names) != UNKNOWN))
    return whole.join(long, on=names, how="semi").height / max(1, short.height)

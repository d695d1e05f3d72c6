"""Which columns of two tables may be the same, estimated from their sketches.

Takes two sketches, returns pairs of columns with how likely each pair is, or whether the tables are
alike enough to be opened. No row is looked at, so a pair may turn out to be two columns that share
what everybody shares.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from extract.evidence.near_duplicates.columns import normal_name
from extract.evidence.near_duplicates.sketch import (
    ColumnSketch,
    TableSketch,
    same_shapes,
    shared_values,
)

CONSIDERED = 8
"""Columns of a table, those of most values, that decide: more of them would add what follows from
these."""
PROSE_CHARS = 25.0
"""Mean length of a text that nobody writes twice by chance."""
NEEDED = 0.5
"""Share of the considered columns that two tables must have in common."""
NEARLY_ALL = 0.8
"""The same, of tables that may be taken for one without a telling column."""
_ALIKE = 0.7
"""Share of equal column names from which words alone can make near duplicates."""
_SHARED = 0.4
"""Estimated share of values from which two columns may be one."""
_ESTIMATED = 0.9
"""Estimates above it are as good as all."""
_FEW = 20
"""Distinct values below which a column proposes nothing by itself."""


@dataclass(frozen=True)
class Partners:
    """A column of each of two tables that may be one."""

    ours: ColumnSketch
    theirs: ColumnSketch
    shared: float
    """Estimated share of the smaller column's values that the other has."""
    weight: float
    """How likely they are one: shared values, name, shape, and number of values; 0 to 6."""

    @property
    def n_distinct(self) -> int:
        """Distinct values of the smaller one."""
        return min(self.ours.n_distinct, self.theirs.n_distinct)


def may_share_rows(ours: TableSketch, theirs: TableSketch) -> bool:
    """Whether two sketches are alike enough to open the tables."""
    return any(_signs(ours, theirs))


def _signs(ours: TableSketch, theirs: TableSketch) -> Iterator[bool]:
    pairs = partners(ours, theirs)
    many = [pair for pair in pairs if pair.n_distinct > _FEW]
    telling = min(_n_telling(ours), _n_telling(theirs))
    yield 2 <= _n_columns(many) >= NEEDED * telling
    yield any(min(p.ours.mean_chars, p.theirs.mean_chars) >= PROSE_CHARS for p in many)
    yield bool(ours.columns) and are_named_alike(ours, theirs)
    # Tables of few values, such as answers to a questionnaire.
    yield 3 <= _n_columns(pairs) >= NEARLY_ALL * min(len(ours.columns), len(theirs.columns))


def _n_telling(side: TableSketch) -> int:
    return sum(column.n_distinct > _FEW for column in side.columns[:CONSIDERED])


def _n_columns(pairs: Sequence[Partners]) -> int:
    """Columns that occur in some pairs, on the side that has fewer."""
    return min(len({p.ours.name for p in pairs}), len({p.theirs.name for p in pairs}))


def partners(ours: TableSketch, theirs: TableSketch) -> list[Partners]:
    """Pairs of columns that may be one, the likeliest first."""
    if not ours.columns or not theirs.columns:
        return []
    n_rows = min(ours.table.n_rows, theirs.table.n_rows)
    shares = shared_values(ours.columns, theirs.columns)
    shapes = same_shapes(ours.columns, theirs.columns, n_rows)
    pairs = [
        _paired(ours.columns[i], theirs.columns[j], float(shares[i, j]), float(shapes[i, j]))
        for i, j in zip(*np.nonzero((shares >= _SHARED) | (shapes > 0)), strict=True)
        if ours.columns[i].kind == theirs.columns[j].kind
    ]
    pairs.sort(key=lambda pair: (-pair.weight, pair.ours.name, pair.theirs.name))
    return pairs


def _paired(a: ColumnSketch, b: ColumnSketch, shared: float, shape: float) -> Partners:
    is_named_so = normal_name(a.name) == normal_name(b.name)
    size = min(a.n_distinct, b.n_distinct) / max(a.n_distinct, b.n_distinct)
    # Values and names weigh double: many columns of the world have one shape or one size.
    weight = 2 * (min(shared, _ESTIMATED) + is_named_so) + shape + size
    return Partners(a, b, shared, weight)


def are_named_alike(ours: TableSketch, theirs: TableSketch) -> bool:
    """Whether most column names are the same, by the estimated Jaccard similarity of their sets."""
    sides = (np.frombuffer(bytes.fromhex(side.names), dtype="<u4") for side in (ours, theirs))
    return float(np.equal(*sides).mean()) >= _ALIKE

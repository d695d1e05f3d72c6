"""Which column's values are units that a split must keep whole: persons, families, machines.

Rows of one unit repeat what is true of the unit, so that held-out rows of a known unit would be
half known. Rows and their profile enter; the column leaves, or None. It has medium many values and
determines at least two other columns that together nearly tell the units apart; a mere hierarchy
(a model determines its make) does not count. Not guaranteed: units that no column names.
"""

import polars as pl

from transform.profile.profile import ColumnProfile, TableProfile

_MIN_UNITS = 20
"""Fewer units cannot be divided into two sides that are alike."""
MAX_UNITS_BY_ROWS = 0.5
"""Units by rows: each has two rows or more on average."""
_MAX_TOP_SHARE = 0.1
"""Share of the rows of the largest unit, which lies on one side as a whole."""
_MIN_DETERMINED = 2
"""Columns that the unit determines; one alone is a recoding or a hierarchy."""
_MIN_DISTINGUISHED = 0.5
"""Distinct values of those columns together, by units: a description nearly names its unit."""


def find_group(frame: pl.DataFrame, table: TableProfile) -> str | None:
    """The column with the most determined columns, then the most values."""
    best: tuple[int, int, str] | None = None
    for column in table.columns:
        determined = _determined(column, table)
        if len(determined) < _MIN_DETERMINED:
            continue
        known = frame[determined].n_unique()
        rank = (len(determined), column.n_unique, column.name)
        if known >= _MIN_DISTINGUISHED * column.n_unique and (best is None or rank[:2] > best[:2]):
            best = rank
    return best[2] if best else None


def _determined(column: ColumnProfile, table: TableProfile) -> list[str]:
    """Columns with fewer values that follow from a column that may be a unit."""
    # A measured number that happens to repeat is no unit.
    kind = column.type in ("text", "integer")
    size = column.n_unique >= _MIN_UNITS
    shared = column.unique_share <= MAX_UNITS_BY_ROWS
    if not (kind and size and shared and column.top_share <= _MAX_TOP_SHARE):
        return []
    return [
        d.dependent
        for d in table.dependencies
        if d.determinant == column.name and table.column(d.dependent).n_unique < column.n_unique
    ]

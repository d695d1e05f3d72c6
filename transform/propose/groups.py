"""Which column's values are units that a split must keep whole: persons, families, machines.

Rows of one unit repeat what is true of the unit, so that held-out rows of a known unit would be
half known. A profiled frame enters; the column leaves, or None. It has medium many values and
determines at least two other columns that together nearly tell the units apart; a mere hierarchy
(a model determines its make) does not count. Not guaranteed: units that no column names.
"""

import polars as pl
from pydantic import Field

from extract.noun import Noun
from transform.profile import ColumnProfile, TableProfile


class GroupsConfig(Noun):
    """What a unit looks like."""

    min_values: int = Field(default=20, ge=2)
    max_unique_share: float = Field(default=0.5, gt=0, lt=1)
    """Units by rows: each has two rows or more on average."""
    max_top_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the rows of the largest unit."""
    min_determined: int = Field(default=2, ge=1)
    """Columns that the unit determines."""
    told_apart: float = Field(default=0.5, gt=0, le=1)
    """Distinct values of those columns together, by units."""


def find_group(frame: pl.DataFrame, table: TableProfile, config: GroupsConfig) -> str | None:
    """The column with the most determined columns, then the most values."""
    best: tuple[int, int, str] | None = None
    for column in table.columns:
        determined = _determined(column, table, config)
        if len(determined) < config.min_determined:
            continue
        known = frame[determined].n_unique()
        rank = (len(determined), column.n_unique, column.name)
        if known >= config.told_apart * column.n_unique and (best is None or rank[:2] > best[:2]):
            best = rank
    return best[2] if best else None


def _determined(column: ColumnProfile, table: TableProfile, config: GroupsConfig) -> list[str]:
    """Columns with fewer values that follow from a column that may be a unit."""
    # A measured number that happens to repeat is no unit.
    kind = column.type in ("text", "integer")
    size = config.min_values <= column.n_unique
    shared = column.unique_share <= config.max_unique_share
    if not (kind and size and shared and column.top_share <= config.max_top_share):
        return []
    return [
        d.dependent
        for d in table.dependencies
        if d.determinant == column.name and table.column(d.dependent).n_unique < column.n_unique
    ]

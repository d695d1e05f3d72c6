"""Reads a stored table: the columns that it names, which may be fewer than its file holds.

Enters a `Table`, leaves its cells. A column that must not be shipped is taken out of `columns`, and
no later room can see it.
"""

import polars as pl

from extract.dataset import Table


def read_stored(table: Table) -> pl.DataFrame:
    """The cells, rows in source order, columns in the order of `table.columns`."""
    # By item, since a name such as `^a.*$` would be a pattern to the reader.
    return pl.read_parquet(table.path)[[column.name for column in table.columns]]

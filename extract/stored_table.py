"""Tables of the store on this machine: where their files lie, and their cells.

Takes datasets as they travel, with tables named by SHA-256; gives the same datasets with each
table's file beside it. A room locates a dataset at its door and hands on nothing that is located. A
column that must not be shipped is taken out of `columns`, and no later room can see it.
"""

from pathlib import Path

import polars as pl

from extract.dataset import RawDataset, Table
from extract.store import Store


class LocatedTable(Table):
    """A table whose file is on this machine; it stays in the room that located it."""

    path: Path
    """Parquet file, maybe with more columns than `columns` names."""


def located(raw: RawDataset, store: Store) -> RawDataset:
    """The dataset with the files of its tables. Raises `MissingError` for one that is lost."""
    return raw.model_copy(update={"tables": tuple(locate(t, store) for t in raw.tables)})


def locate(table: Table, store: Store) -> LocatedTable:
    """The table with its file; one that has it stays as it is."""
    if isinstance(table, LocatedTable):
        return table
    return LocatedTable(**dict(table), path=store.path(table.sha256))


def unlocated(table: Table) -> Table:
    """The table as it travels."""
    fields = {name: getattr(table, name) for name in Table.model_fields}
    return Table(**fields)


def file_of(table: Table) -> Path:
    """The file of a located table."""
    assert isinstance(table, LocatedTable), f"table {table.name} is not located"
    return table.path


def read_stored(table: Table) -> pl.DataFrame:
    """The cells, rows in source order, columns in the order of `table.columns`."""
    # By item, since a name such as `^a.*$` would be a pattern to the reader.
    return pl.read_parquet(file_of(table))[[column.name for column in table.columns]]

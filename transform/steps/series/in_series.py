"""What steps share that look back in a series: its rows of both tables, put in order of time.

The rows of train lie in ascending id, which tells nothing about time, so each such step states the
series and the order itself. Takes a workspace and a column, returns its values in order, or the
lines that do the same with pandas. Nothing here keeps a step from looking at values that are not
known yet: lags below the horizon do.
"""

from collections.abc import Iterable
from typing import Literal

import polars as pl

from transform.steps.step import Mutation, Step, Workspace
from transform.task import ID_COLUMN

RowOrder = Literal["time", "id"]
ORDERS: dict[str, str] = {
    "time": "by instant and, where instants are equal, by ascending `row_id`",
    "id": "by ascending `row_id` alone",
}
"""How phrases say a `RowOrder`."""


class InSeries(Step):
    """A step on the rows of each series in order."""

    time: str
    by: tuple[str, ...] = ()
    """Columns whose combinations are the series; without any, all rows are one."""
    order: RowOrder = "time"

    def ordered(self, tables: Iterable[pl.DataFrame], column: str) -> pl.DataFrame:
        """Id, instant, series and one column of the tables together, in order.

        Missing where a table has no such column.
        """
        names = [ID_COLUMN, self.time, *self.by, column]
        parts = [table.select(name for name in names if name in table.columns) for table in tables]
        # Val has no targets; their future cells are missing here, as they are to a solver.
        both = pl.concat(parts, how="diagonal_relaxed")
        return both.sort([self.time, ID_COLUMN] if self.order == "time" else ID_COLUMN)

    def within(self, values: pl.Expr, rows: pl.DataFrame) -> pl.Expr:
        """The expression over each series by itself."""
        # An earlier mutation may have lost the column.
        by = [name for name in self.by if name in rows.columns]
        return values.over(by) if by else values

    def write_ordered(self, tables: str) -> tuple[str, ...]:
        """Pandas lines that put `columns` of the tables in order, as `rows` with the id as index.

        `columns` is defined before; `tables` is an expression.
        """
        keys = [self.time, ID_COLUMN] if self.order == "time" else [ID_COLUMN]
        return (f'rows = {tables}.sort_values({keys!r}).set_index("row_id")',)

    @property
    def grouped(self) -> str:
        """What pandas code puts behind `rows` to treat each series by itself."""
        return f".groupby({list(self.by)!r}, sort=False)" if self.by else ""

    def in_file_order(self) -> Mutation:
        """The rows as they lie in the file."""
        return self.mutated("file_order", order="id")


def appended(work: Workspace, values: pl.DataFrame) -> Workspace:
    """Both tables with a column more, looked up by id."""
    return work.on_both(
        lambda frame: frame.join(values, on=ID_COLUMN, how="left", maintain_order="left")
    )

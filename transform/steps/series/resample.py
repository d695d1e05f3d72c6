"""Gather the rows of a finer table into one row for each series and cell of the scored grid.

Only the training table: the rows to predict stand on the grid already.
"""

import random
from collections.abc import Callable
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.proposal import Aggregation, Frequency
from transform.series.frequency import FREQUENCIES
from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace
from transform.task import ID_COLUMN

_CELLS: dict[str, str] = {
    "1min": "minute",
    "5min": "span of 5 minutes, counted from the full hour",
    "10min": "span of 10 minutes, counted from the full hour",
    "15min": "span of 15 minutes, counted from the full hour",
    "30min": "half hour, counted from the full hour",
    "1h": "hour",
    "1d": "day",
    "1w": "week from Monday to Sunday",
    "1mo": "month",
    "1q": "quarter of a calendar year",
    "1y": "calendar year",
}
_FLOORS: dict[Frequency, str] = {
    "1min": 'floor("min")',
    "5min": 'floor("5min")',
    "10min": 'floor("10min")',
    "15min": 'floor("15min")',
    "30min": 'floor("30min")',
    "1h": 'floor("h")',
    "1d": 'floor("D")',
    "1w": 'to_period("W").dt.start_time',
    "1mo": 'to_period("M").dt.start_time',
    "1q": 'to_period("Q").dt.start_time',
    "1y": 'to_period("Y").dt.start_time',
}
"""In pandas; periods know what is not of one length."""
_OTHERS: dict[Aggregation, Aggregation] = {
    "mean": "sum",
    "sum": "mean",
    "max": "mean",
    "min": "max",
    "last": "max",
    "count": "max",
}
"""What is easily taken for it."""
_IN_PANDAS: dict[Aggregation, str] = {
    "mean": "mean()",
    "sum": "sum(min_count=1)",
    "max": "max()",
    "min": "min()",
    "last": "last()",
    "count": "count()",
}


class Resample(Step):
    """One row a cell."""

    kind: ClassVar[str] = "resample"
    stage: ClassVar[StepStage] = "resample"
    phrase: ClassVar[Phrase] = Phrase(
        "In the training table, put together {by:rows} whose instants in {time:column} lie in the "
        "same {every:choice}, and replace them by one row: its instant is the start of that cell, "
        "its `row_id` the lowest of theirs, and each of these columns is aggregated over the "
        "values that are not missing, missing where there is none (count: 0; last: of the latest "
        "instant, of equal ones of the highest `row_id`): {aggregations:typed}. Columns that are "
        "not named here are removed; the others keep their order.",
        {"every": _CELLS},
    )

    time: str
    by: tuple[str, ...] = ()
    every: Frequency
    aggregations: tuple[tuple[str, Aggregation], ...] = Field(min_length=1)

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[Resample, ...]":
        """One where rows are finer than the grid."""
        series = context.series
        if series is None or not series.aggregations:
            return ()
        step = cls(
            time=series.time,
            by=series.by,
            every=series.frequency,
            aggregations=series.aggregations,
        )
        return (step,)

    def apply(self, work: Workspace) -> Workspace:
        """Group by the start of the cell."""
        cell = pl.col(self.time).dt.truncate(FREQUENCIES[self.every].every)
        # The last value of a cell is that of the latest instant, and of the highest id among
        # equals.
        rows = work.train.sort(self.time, ID_COLUMN).with_columns(cell)
        # An earlier mutation may have lost a column.
        how = {name: a for name, a in self.aggregations if name in rows.columns}
        names = [n for n in rows.columns if n in (ID_COLUMN, self.time, *self.by, *how)]
        values = [_AGGREGATES[a](pl.col(name)) for name, a in how.items()]
        groups = rows.group_by([*self.by, self.time], maintain_order=True)
        # The lowest id keeps ids unique and says nothing of time: ids are random.
        grid = groups.agg(pl.col(ID_COLUMN).min(), *values).select(names)
        return work.on_train(lambda _: grid.sort(ID_COLUMN))

    def write(self) -> tuple[str, ...]:
        """Group by the start of the cell."""
        names = [ID_COLUMN, self.time, *self.by, *(name for name, _ in self.aggregations)]
        columns = [
            f"    {name!r}: cells[{name!r}].{_IN_PANDAS[how]}," for name, how in self.aggregations
        ]
        return (
            f"names = [name for name in train.columns if name in {names!r}]",
            f'train = train.sort_values([{self.time!r}, "row_id"])',
            f"train[{self.time!r}] = train[{self.time!r}].dt.{_FLOORS[self.every]}",
            f"cells = train.groupby({[*self.by, self.time]!r}, sort=False)",
            "train = pd.DataFrame({",
            '    "row_id": cells["row_id"].min(),',
            *columns,
            "}).reset_index()",
            'train = train[names].sort_values("row_id", ignore_index=True)',
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Aggregate one column otherwise, into wider cells, or skip it."""
        names = list(_CELLS)
        wider = names[(names.index(self.every) + 1) % len(names)]
        return (
            *(self._otherwise(place) for place in range(len(self.aggregations))),
            self.mutated("wider_cells", every=wider),
            Mutation("skip", ()),
        )

    def _otherwise(self, place: int) -> Mutation:
        name, how = self.aggregations[place]
        other = (name, _OTHERS[how])
        changed = (*self.aggregations[:place], other, *self.aggregations[place + 1 :])
        return self.mutated(f"{other[1]}_{place + 1}", aggregations=changed)


_AGGREGATES: dict[Aggregation, Callable[[pl.Expr], pl.Expr]] = {
    "mean": pl.Expr.mean,
    "sum": lambda values: pl.when(values.count() > 0).then(values.sum()),
    "max": pl.Expr.max,
    "min": pl.Expr.min,
    "last": lambda values: values.drop_nulls().last(),
    "count": lambda values: values.count().cast(pl.Int64),
}

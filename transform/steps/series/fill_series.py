"""Fill gaps in the history from the neighbouring values of the same series."""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.series.derive_lag import history_numbers
from transform.steps.series.in_series import ORDERS, InSeries
from transform.steps.step import Mutation, StepContext, StepStage, Workspace
from transform.task import ID_COLUMN

How = Literal["previous", "next", "zero"]


class FillSeries(InSeries):
    """Carry a value forward, or backward, in order of time."""

    kind: ClassVar[str] = "fill_series"
    stage: ClassVar[StepStage] = "fill"
    phrase: ClassVar[Phrase] = Phrase(
        "In the training table, fill the missing values of {columns:columns}: take {by:rows} "
        "together, ordered {order:choice} (instants in {time:column}), and give each of these "
        "cells {how:choice}; where there is none, it stays missing.",
        {
            "order": ORDERS,
            "how": {
                "previous": "the nearest value before it in its column",
                "next": "the nearest value after it in its column",
                "zero": "the value 0",
            },
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    how: How

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[FillSeries, ...]":
        """All numbers of the history with gaps, in both directions by turns."""
        series = context.series
        if series is None:
            return ()
        gaps = tuple(n for n in history_numbers(context) if context.train[n].null_count() > 0)
        # Zero stays a mutation: it is right only for counts, which no table tells us.
        ways: list[How] = ["previous", "next"]
        rng.shuffle(ways)
        steps = (cls(columns=gaps, how=how, time=series.time, by=series.by) for how in ways if gaps)
        return tuple(steps)

    def apply(self, work: Workspace) -> Workspace:
        """Column by column."""
        train = work.train
        for column in work.numeric(self.columns):
            rows = self.ordered((train,), column)
            value = pl.col(column)
            if self.how == "zero":
                filled = value.fill_null(0)
            else:
                filled = value.forward_fill() if self.how == "previous" else value.backward_fill()
            cells = rows.select(ID_COLUMN, self.within(filled, rows))
            # By id, since the rows were sorted by time.
            train = train.update(cells, on=ID_COLUMN, how="left")
        return work.on_train(lambda _: train)

    def write(self) -> tuple[str, ...]:
        """Fill within each group, then look the values up by id."""
        cells = f"rows{self.grouped}[columns]"
        filled = {
            "previous": f"{cells}.ffill()",
            "next": f"{cells}.bfill()",
            "zero": "rows[columns].fillna(0)",
        }
        return (
            f"columns = {list(self.columns)!r}",
            *self.write_ordered("train"),
            f"filled = {filled[self.how]}",
            'train[columns] = filled.loc[train["row_id"]].to_numpy()',
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Fill from the other side, take another order, or skip it."""
        other: How = "next" if self.how == "previous" else "previous"
        return (self.mutated(other, how=other), self.in_file_order(), Mutation("skip", ()))

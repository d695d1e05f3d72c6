"""Append a statistic of some values that end some rows earlier in the same series."""

import random
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from pydantic import Field

from transform.steps.fitting.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.series.derive_lag import is_new, seasonal_lags
from transform.steps.series.in_series import ORDERS, InSeries, appended
from transform.steps.step import Mutation, StepContext, StepStage, Workspace
from transform.task import ID_COLUMN

Statistic = Literal["mean", "median", "min", "max"]
_EXACT: tuple[Statistic, ...] = ("median", "min", "max")
"""No rounding: equal values stay equal, whoever computes them."""
_WINDOWS = (3, 5, 7)
_MAX_WINDOW = 60


class DeriveRolling(InSeries):
    """Mean, median, least or largest of a window as a new column."""

    kind: ClassVar[str] = "derive_rolling"
    stage: ClassVar[StepStage] = "lag"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, append a column {name:column}: take {by:rows} of both tables together, "
        "ordered {order:choice} (instants in {time:column}), and give each row {statistic:choice} "
        "of {window:number} consecutive values of {column:column}, of which the last stands "
        "{lag:number} rows before it; missing where one of these rows or values is missing.",
        {
            "order": ORDERS,
            "statistic": {
                "mean": "the mean",
                "median": "the median (of two middle values their mean)",
                "min": "the least",
                "max": "the largest",
            },
        },
    )

    per_task: ClassVar[int] = 3

    name: str
    column: str
    lag: int = Field(ge=1)
    window: int = Field(ge=1)
    statistic: Statistic

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DeriveRolling, ...]":
        """One for each target. Means are left to models that do not care about last digits."""
        series = context.series
        if series is None:
            return ()
        (lag,) = seasonal_lags(series, 1)
        # Half of the history must be left to learn from.
        most = min(_MAX_WINDOW, series.history // 2 - lag)
        windows = [w for w in (*_WINDOWS, series.season) if _WINDOWS[0] <= w <= most]
        # A tree may split between two means that are equal but for rounding.
        statistics = ("mean", *_EXACT) if MODELS[context.model].scaling else _EXACT
        steps = []
        for target in context.targets if windows else ():
            window, statistic = rng.choice(windows), rng.choice(statistics)
            step = cls(
                name=f"{target} {statistic} {window}",
                column=target,
                lag=lag,
                window=window,
                statistic=statistic,
                time=series.time,
                by=series.by,
            )
            steps += [step] if is_new(step.name, context) else []
        return tuple(steps)

    def apply(self, work: Workspace) -> Workspace:
        """One numpy column for each place of the window."""
        if not work.numeric((self.column,)):
            return work
        rows = self.ordered((work.train, work.val), self.column)
        value = pl.col(self.column).cast(pl.Float64).fill_null(np.nan)
        # By numpy over whole windows: polars' rolling sums carry rounding from row to row.
        shifts = [
            self.within(value.shift(self.lag + i), rows).alias(f" {i}")
            for i in reversed(range(self.window))
        ]
        places = rows.select(shifts).fill_null(np.nan).to_numpy()
        rolled = pl.Series(self.name, _STATISTICS[self.statistic](places, axis=1), nan_to_null=True)
        return appended(work, rows.select(ID_COLUMN, rolled))

    def write(self) -> tuple[str, ...]:
        """Shift and roll within each group, then look the values up by id."""
        rolled = f"shift({self.lag!r}).rolling({self.window!r}).{self.statistic}()"
        values = f"rows[{self.column!r}].{rolled}"
        if self.by:
            values = (
                f"rows{self.grouped}[{self.column!r}].transform(lambda values: values.{rolled})"
            )
        return (
            f"columns = {[ID_COLUMN, self.time, *self.by, self.column]!r}",
            *self.write_ordered("pd.concat([train[columns], val.filter(columns)])"),
            f"rolled = {values}",
            "for frame in (train, val):",
            f'    frame[{self.name!r}] = frame["row_id"].map(rolled)',
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Another window, statistic or order, or skip it."""
        other: Statistic = "min" if self.statistic == "max" else "max"
        return (
            self.mutated("one_more_value", window=self.window + 1),
            self.mutated(other, statistic=other),
            self.in_file_order(),
            Mutation("skip", ()),
        )


_STATISTICS: dict[Statistic, Any] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}

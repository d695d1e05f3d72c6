"""Append a value of some rows earlier in the same series.

With a lag of at least the horizon every row to predict finds its value in the training table, so
that one fit forecasts all of them and no forecast feeds another.
"""

import random
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.series.in_series import ORDERS, InSeries, appended
from transform.steps.step import Mutation, SeriesFacts, StepContext, StepStage, Workspace
from transform.task import ID_COLUMN

MAX_NAME = 80
"""Letters of a column's name."""
_SEASONS = 2
"""Seasons that targets look back."""


class DeriveLag(InSeries):
    """The value `lag` rows earlier as a new column."""

    kind: ClassVar[str] = "derive_lag"
    stage: ClassVar[StepStage] = "lag"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, append a column {name:column}: take {by:rows} of both tables together, "
        "ordered {order:choice} (instants in {time:column}), and give each row the value of "
        "{column:column} that stands {lag:number} rows before it; missing where no such row or no "
        "value stands there.",
        {"order": ORDERS},
    )

    per_task: ClassVar[int] = 4

    name: str
    column: str
    lag: int = Field(ge=1)

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DeriveLag, ...]":
        """All lags that a task states.

        Of targets by whole seasons, of the history's other numbers by the first of these.
        """
        series = context.series
        if series is None:
            return ()
        lags = seasonal_lags(series, _SEASONS)
        pairs = [(target, lag) for target in context.targets for lag in lags]
        # One lag each; more would make most of the text about other numbers.
        pairs += [(column, lags[0]) for column in history_numbers(context)]
        steps = [
            cls(name=f"{column} lag {lag}", column=column, lag=lag, time=series.time, by=series.by)
            for column, lag in pairs
        ]
        return tuple(s for s in steps if is_new(s.name, context))

    def apply(self, work: Workspace) -> Workspace:
        """Shift within each series."""
        if not work.numeric((self.column,)):
            return work
        rows = self.ordered((work.train, work.val), self.column)
        # Within a series: the row before the first of a series is another's last.
        value = self.within(pl.col(self.column).shift(self.lag), rows)
        return appended(work, rows.select(ID_COLUMN, value.alias(self.name)))

    def write(self) -> tuple[str, ...]:
        """Shift within each group, then look the values up by id."""
        return (
            f"columns = {[ID_COLUMN, self.time, *self.by, self.column]!r}",
            *self.write_ordered("pd.concat([train[columns], val.filter(columns)])"),
            f"lagged = rows{self.grouped}[{self.column!r}].shift({self.lag!r})",
            "for frame in (train, val):",
            f'    frame[{self.name!r}] = frame["row_id"].map(lagged)',
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Count one row too many, take them in another order, or skip it."""
        return (
            self.mutated("one_more", lag=self.lag + 1),
            self.in_file_order(),
            Mutation("skip", ()),
        )


def seasonal_lags(series: SeriesFacts, n: int) -> tuple[int, ...]:
    """Up to `n` lags from the horizon on, whole seasons where the history is long enough."""
    season, longest = series.season, series.history // 2
    # Rounded up: below the horizon a lag would need values that are still to be predicted.
    first = -(-series.horizon // season) * season
    lags = [first + i * season for i in range(n)]
    fitting = tuple(lag for lag in lags if lag <= longest)
    return fitting or (series.horizon,)


def history_numbers(context: StepContext) -> list[str]:
    """Numbers that train alone has, beside the targets: only their past can be used."""
    return [
        name
        for name, dtype in context.train.schema.items()
        if dtype.is_numeric() and name not in (*context.val.columns, *context.targets)
    ]


def is_new(name: str, context: StepContext) -> bool:
    """Whether a column may be named so."""
    return len(name) <= MAX_NAME and name not in context.train.columns

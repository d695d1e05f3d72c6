"""Fill missing numbers with a statistic of the training rows."""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.fitting.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import (
    FITTED_ON,
    FittedOn,
    Mutation,
    Step,
    StepContext,
    StepStage,
    Workspace,
)

Strategy = Literal["median", "mean", "most_frequent"]
_STRATEGIES: tuple[Strategy, ...] = ("mean", "median", "most_frequent")


class ImputeNumber(Step):
    """Mean, median or mode, fitted on train, filled into both tables."""

    kind: ClassVar[str] = "impute_number"
    stage: ClassVar[StepStage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing values of {columns:columns} with {strategy:choice} of "
        "the same column over {source:choice}.",
        {
            "strategy": {
                "mean": "the mean",
                "median": "the median (of two middle values their mean)",
                "most_frequent": "the most frequent value (of several the smallest)",
            },
            "source": FITTED_ON,
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    strategy: Strategy
    source: FittedOn = "train"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[ImputeNumber, ...]":
        """All numeric features with missing cells, one step a strategy, in random order.

        Strategies come first that tell whether somebody looked at the rows to predict; those are
        left out of which the values cannot tell whether another one was taken, or zero.
        """
        columns = missing_columns(context, context.numbers)
        steps = [cls(columns=columns, strategy=s) for s in _STRATEGIES if columns]
        # Sorting below is stable, so chance decides among equals.
        rng.shuffle(steps)
        plain = {step: step._distinguished(context) for step in steps}
        steps = [step for step in steps if min(plain[step][:-1]) > 0]
        if not MODELS[context.model].scaling:
            return tuple(sorted(steps, key=lambda step: -min(plain[step][:-1])))
        return tuple(sorted(steps, key=lambda step: -plain[step][-1]))

    def _distinguished(self, context: StepContext) -> list[float]:
        """How clearly some column tells this fill from the others, zero, and that of all rows.

        To a model that sees every number any difference is clear.
        """
        coarse = not MODELS[context.model].scaling
        return [
            max(
                share_between(known, fill, other) if coarse else float(fill != other)
                for known, fill, other in rows
            )
            for rows in zip(*(self._fills(context, column) for column in self.columns), strict=True)
        ]

    def _fills(
        self, context: StepContext, column: str
    ) -> list[tuple[pl.Series, float | None, float | None]]:
        """The values of a column, this fill, and in turn each that it might be taken for."""
        known = context.train[column].drop_nulls()
        others = [_statistic(known, strategy) for strategy in self._others()]
        wrong = [*others, 0.0, _statistic(context.values(column), self.strategy)]
        return [(known, _statistic(known, self.strategy), other) for other in wrong]

    def apply(self, work: Workspace) -> Workspace:
        """One statistic a column."""
        columns = work.numeric(self.columns)
        rows = work.fitting(self.source)
        fills = [
            pl.col(column).cast(pl.Float64).fill_null(_statistic(rows[column], self.strategy))
            for column in columns
        ]
        return work.on_both(lambda frame: frame.with_columns(fills))

    def write(self) -> tuple[str, ...]:
        """Pandas statistics leave missing values out; modes come sorted."""
        rows = "train[columns]" if self.source == "train" else "pd.concat([train, val])[columns]"
        statistic = {"mean": "mean()", "median": "median()", "most_frequent": "mode().iloc[0]"}
        return (
            f"columns = {list(self.columns)!r}",
            f"fill = {rows}.{statistic[self.strategy]}",
            "train, val = train.fillna(fill), val.fillna(fill)",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Another statistic."""
        strategy = self._others()[0]
        return (self.mutated(strategy, strategy=strategy),)

    def _others(self) -> list[Strategy]:
        return [strategy for strategy in _STRATEGIES if strategy != self.strategy]


def missing_columns(context: StepContext, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those with a missing cell in train or val and with a value in train."""
    return tuple(
        name
        for name in names
        if context.train[name].null_count() + context.val[name].null_count() > 0
        and context.train[name].null_count() < context.train.height
    )


def share_between(values: pl.Series, one: float | None, other: float | None) -> float:
    """Share of the values between two numbers that might fill the gaps: what a tree can see."""
    if one is None or other is None:
        return 0.0
    low, high = sorted((one, other))
    inside = values.drop_nulls().cast(pl.Float64).is_between(low, high, closed="right")
    return float(inside.sum()) / max(1, len(inside))


def _statistic(values: pl.Series, strategy: Strategy) -> float | None:
    known = values.drop_nulls().cast(pl.Float64)
    if strategy == "most_frequent":
        return known.mode().min()  # type: ignore[return-value]
    return known.mean() if strategy == "mean" else known.median()  # type: ignore[return-value]

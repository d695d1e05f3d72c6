"""Fill missing numbers with a statistic of the training rows."""

import random
from collections.abc import Mapping
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.drop_missing_target import DropMissingTarget
from transform.steps.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import SOURCES, Sketch, Source, Stage, Step, Violation, Workspace, slip

Strategy = Literal["median", "mean", "most_frequent"]
_STRATEGIES: tuple[Strategy, ...] = ("mean", "median", "most_frequent")


class ImputeNumber(Step):
    """Mean, median or mode, fitted on train, filled into both tables."""

    kind: ClassVar[str] = "impute_number"
    stage: ClassVar[Stage] = "impute"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, fill the missing values of {columns:columns} with {strategy:choice} of "
        "the same column over {source:choice}.",
        {
            "strategy": {
                "mean": "the mean",
                "median": "the median (of two middle values their mean)",
                "most_frequent": "the most frequent value (of several the smallest)",
            },
            "source": SOURCES,
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    strategy: Strategy
    source: Source = "train"

    @classmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[ImputeNumber, ...]":
        """All numeric features with missing cells, one step a strategy.

        The order is random for models that see every number; for the others the strategy comes
        first that the values tell best from the rest.
        """
        columns = missing_columns(sketch, sketch.numbers)
        if not columns:
            return ()
        strategies = rng.sample(_STRATEGIES, len(_STRATEGIES))
        if not MODELS[sketch.model].scaling:
            fills = {s: {c: _statistic(sketch.train[c], s) for c in columns} for s in strategies}
            strategies.sort(key=lambda s: -_told_apart(sketch, fills, s))
        return tuple(cls(columns=columns, strategy=s) for s in strategies)

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

    def violations(self) -> tuple[Violation, ...]:
        """Another statistic."""
        strategy = self._others()[0]
        return (Violation(strategy, (self.model_copy(update={"strategy": strategy}),)),)

    def held_back(self) -> tuple[Violation, ...]:
        """The third statistic, one that has seen the rows to predict, zero, or fewer rows."""
        strategy = self._others()[1]
        both = self.model_copy(update={"source": "both"})
        return (
            Violation(strategy, (self.model_copy(update={"strategy": strategy}),)),
            Violation("fit_on_both", (both,), if_it_acts=True),
            slip("zero", self._with_zero),
            Violation(
                "drop_rows", (DropMissingTarget(columns=self.columns), self), if_it_acts=True
            ),
        )

    def _others(self) -> list[Strategy]:
        return [strategy for strategy in _STRATEGIES if strategy != self.strategy]

    def _with_zero(self, work: Workspace) -> Workspace:
        zeros = pl.col(work.numeric(self.columns)).cast(pl.Float64).fill_null(0.0)
        return work.on_both(lambda frame: frame.with_columns(zeros))


def missing_columns(sketch: Sketch, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those with a missing cell in train or val and with a value in train."""
    return tuple(
        name
        for name in names
        if sketch.train[name].null_count() + sketch.val[name].null_count() > 0
        and sketch.train[name].null_count() < sketch.train.height
    )


def share_between(values: pl.Series, one: float | None, other: float | None) -> float:
    """Share of the values between two numbers that might fill the gaps: what a tree can see."""
    if one is None or other is None:
        return 0.0
    low, high = sorted((one, other))
    inside = values.drop_nulls().cast(pl.Float64).is_between(low, high, closed="right")
    return float(inside.sum()) / max(1, len(inside))


def _told_apart(
    sketch: Sketch, fills: Mapping[Strategy, Mapping[str, float | None]], chosen: Strategy
) -> float:
    """How clearly some column tells the strategy from the one that is most like it."""
    return min(
        max(share_between(sketch.train[c], fill, fills[other][c]) for c, fill in own.items())
        for own in (fills[chosen],)
        for other in fills
        if other != chosen
    )


def _statistic(values: pl.Series, strategy: Strategy) -> float | None:
    known = values.drop_nulls().cast(pl.Float64)
    if strategy == "most_frequent":
        return known.mode().min()  # type: ignore[return-value]
    return known.mean() if strategy == "mean" else known.median()  # type: ignore[return-value]

"""Remove the training rows in which a feature is missing.

The first rows of each series look back on nothing.
"""

import random
from typing import ClassVar

from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.preparing.impute_number import ImputeNumber
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_MIN_LEFT = 0.3
"""Share of the rows that must be left."""


class DropIncomplete(Step):
    """Drop training rows in which any of some columns is missing."""

    kind: ClassVar[str] = "drop_incomplete"
    stage: ClassVar[StepStage] = "incomplete"
    phrase: ClassVar[Phrase] = Phrase(
        "From the training table, remove the rows in which any of these columns is missing: "
        "{columns:columns}."
    )

    columns: tuple[str, ...] = Field(min_length=1)

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DropIncomplete, ...]":
        """For series, one step for all numbers that only training rows lack."""
        columns = tuple(
            name
            for name in context.numbers
            # What val lacks as well is for imputation; rows to predict are never removed.
            if context.train[name].null_count() > 0 and context.val[name].null_count() == 0
        )
        if context.series is None or not columns:
            return ()
        # Short histories lose most of their rows to long lags.
        left = context.train.drop_nulls(columns).height
        return (cls(columns=columns),) if left >= _MIN_LEFT * context.train.height else ()

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows."""
        columns = work.present(self.columns)
        return work.on_train(lambda frame: frame.drop_nulls(columns) if columns else frame)

    def write(self) -> tuple[str, ...]:
        """Plain pandas."""
        return (f"train = train.dropna(subset={list(self.columns)!r}, ignore_index=True)",)

    def mutations(self) -> tuple[Mutation, ...]:
        """Fill in the mean rather than remove, or skip it, which loses the columns."""
        mean = ImputeNumber(columns=self.columns, strategy="mean")
        return (Mutation("mean", (mean,)), Mutation("skip", ()))

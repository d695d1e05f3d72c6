"""Remove the training rows without a target.

Left alone, most estimators refuse such rows; filled in, they teach the model a made-up answer.
"""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import (
    Mutation,
    RowRule,
    StepContext,
    StepStage,
    Workspace,
    sampled_rows,
)
from transform.task import ID_COLUMN


class DropMissingTarget(RowRule):
    """Drop training rows in which any target is missing."""

    kind: ClassVar[str] = "drop_missing_target"
    stage: ClassVar[StepStage] = "target"
    noise: ClassVar[str] = "missing_target"
    phrase: ClassVar[Phrase] = Phrase(
        "In the training table, {how:choice} (targets: {columns:columns}).",
        {
            "how": {
                "remove": "remove the rows in which a target is missing",
                "most_frequent": "replace a missing target by its most frequent value, of several "
                "the smallest",
                "previous": "replace a missing target by the value of the nearest row before that "
                "has one, else after it",
            }
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    how: Literal["remove", "most_frequent", "previous"] = "remove"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DropMissingTarget, ...]":
        """Always one."""
        return (cls(columns=context.targets),)

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows, or fill in."""
        targets = [name for name in self.columns if name in work.train.columns]
        if self.how == "remove":
            return work.on_train(lambda frame: frame.drop_nulls(targets))
        if self.how == "previous":
            # Only as a mutation: what people do who treat a target like any feature.
            fills = [pl.col(target).forward_fill().backward_fill() for target in targets]
        else:
            fills = [
                # Of equally frequent values the smallest: polars gives them in no fixed order.
                pl.col(target).fill_null(pl.col(target).drop_nulls().mode().min())
                for target in targets
            ]
        return work.on_train(lambda frame: frame.with_columns(fills))

    def write(self) -> tuple[str, ...]:
        """What pandas has for each."""
        targets = list(self.columns)
        if self.how == "remove":
            return (f"train = train.dropna(subset={targets!r}, ignore_index=True)",)
        fill = "ffill().bfill()" if self.how == "previous" else "fillna(train[target].mode()[0])"
        return (f"for target in {targets!r}:", f"    train[target] = train[target].{fill}")

    def mutations(self) -> tuple[Mutation, ...]:
        """Fill in rather than remove; most estimators do not let anybody skip it."""
        return tuple(
            self.mutated(how, how=how) for how in ("most_frequent", "previous") if how != self.how
        )

    @property
    def sees_targets(self) -> bool:
        """It looks at nothing else."""
        return True

    def noisy_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Mixtures of two clean rows each, lest they repeat one; each lacks a target, by turns."""
        first, second = sampled_rows(clean, rng, n), sampled_rows(clean, rng, n)
        # Every other feature of a second row: a row of its own, whose parts are all real.
        mixed = [
            name
            for name in clean.columns
            if name not in (ID_COLUMN, *self.columns) and not name.startswith(" ")
        ][::2]
        # By turns, so that a rule that looks at one target alone is wrong.
        turn = pl.int_range(pl.len()) % len(self.columns)
        return first.with_columns(second[name] for name in mixed).with_columns(
            pl.when(turn != position).then(pl.col(target)).alias(target)
            for position, target in enumerate(self.columns)
        )

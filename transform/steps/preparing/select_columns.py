"""Use exactly these features, in this order."""

import math
import random
from dataclasses import replace
from typing import ClassVar

import polars as pl
from pydantic import Field

from transform.steps.fitting.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace
from transform.task import ID_COLUMN

_MIN_COLUMNS = 2
_MAX_LEFT_OUT = 0.34
_CHOICES = 3


class SelectColumns(Step):
    """Feature columns of both tables; the id and the targets stay."""

    kind: ClassVar[str] = "select_columns"
    stage: ClassVar[StepStage] = "select"
    phrase: ClassVar[Phrase] = Phrase(
        "Use exactly these feature columns, in this order, and remove all others from both tables "
        "(`row_id` and the targets stay): {columns:columns}."
    )

    columns: tuple[str, ...] = Field(min_length=1)

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[SelectColumns, ...]":
        """Random selections of the numbers and categories, in random order where it matters.

        Columns on which an earlier step has worked are never left out, or it could not be seen;
        instants are, because no estimator takes them, and what train alone has. Empty when there is
        nothing to state.
        """
        names = [*context.numbers, *context.categories]
        shuffled = MODELS[context.model].column_order
        history = set(context.train.columns) - {*context.val.columns, *context.targets}
        selections: dict[tuple[str, ...], SelectColumns] = {}
        for _ in range(_CHOICES if names else 0):
            left_out = _left_out(context, names, rng)
            kept = [n for n in context.train.columns if n in names and n not in left_out]
            # Only estimators that see the order can show that it was kept.
            if shuffled:
                rng.shuffle(kept)
            if shuffled or left_out or context.times or history:
                selections.setdefault(tuple(kept), cls(columns=tuple(kept)))
        return tuple(selections.values())

    def apply(self, work: Workspace) -> Workspace:
        """Select; train keeps its targets behind the features."""
        kept = [ID_COLUMN, *work.present(self.columns)]
        targets = [name for name in work.train.columns if name in work.targets]
        return replace(work, train=work.train.select(kept + targets), val=work.val.select(kept))

    def write(self) -> tuple[str, ...]:
        """Plain selection."""
        return (
            f"features = {list(self.columns)!r}",
            'train = train[["row_id", *features, *targets]].copy()',
            'val = val[["row_id", *features]].copy()',
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Use all columns, or all but the last stated."""
        wrong = [Mutation("skip", ())]
        if len(self.columns) > 1:
            wrong.append(Mutation("without_last", (SelectColumns(columns=self.columns[:-1]),)))
        return tuple(wrong)


def _left_out(context: StepContext, names: list[str], rng: random.Random) -> list[str]:
    """At least one feature if any is free, at most a third, of those that tell of a target most.

    Who uses a column that tells nothing goes undetected.
    """
    free = [name for name in names if name not in context.taken]
    most = min(len(free), len(names) - _MIN_COLUMNS, int(_MAX_LEFT_OUT * len(names)))
    if most <= 0:
        return []
    # A column that tells nothing may be kept or left out unnoticed.
    free.sort(key=lambda name: -_signal(context, name))
    # From the better half, or more than that where more are left out.
    n = rng.randint(1, most)
    return rng.sample(free[: max(n, (len(free) + 1) // 2)], n)


def _signal(context: StepContext, name: str) -> float:
    """Largest rank correlation with a target; texts and labels count by their places in order."""
    ranks = context.train[name].rank("dense")
    correlations = [
        context.train.select(pl.corr(ranks, context.train[target].rank("dense"))).item()
        for target in context.targets
    ]
    return max((abs(r) for r in correlations if r is not None and math.isfinite(r)), default=0.0)

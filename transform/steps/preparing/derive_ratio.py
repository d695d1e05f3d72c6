"""Append the ratio of two positive columns."""

import random
from itertools import permutations
from typing import ClassVar

import polars as pl

from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_MIN_DISTINCT = 40
"""Fewer values are counts of something, codes or parts of a date, whose ratio says little."""
_MAX_COLUMNS = 6
"""Columns tried; pairs grow with the square."""
_MAX_CHOICES = 6
_LARGE = 50
_MAX_NAME = 80


class DeriveRatio(Step):
    """`numerator / denominator` as a new column."""

    kind: ClassVar[str] = "derive_ratio"
    stage: ClassVar[StepStage] = "derive"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, append a column {name:column}: {numerator:column} divided by "
        "{denominator:column}, missing where either is missing."
    )

    name: str
    numerator: str
    denominator: str

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[DeriveRatio, ...]":
        """A few random pairs of features that are never below zero, the smallest below the line.

        No denominator is zero; of large ones nobody would see that one was added to them.
        """
        positive = [column for column in context.numbers if _is_positive(context, column)]
        some = rng.sample(positive, min(len(positive), _MAX_COLUMNS))
        medians = {column: context.values(column).median() for column in some}
        pairs = [(a, b) for a, b in permutations(some, 2) if _is_never_zero(context, b)]
        rng.shuffle(pairs)
        pairs.sort(key=lambda pair: medians[pair[1]] > _LARGE)  # type: ignore[operator]
        steps = [
            cls(name=name, numerator=above, denominator=below)
            for above, below in pairs[:_MAX_CHOICES]
            if len(name := f"{above} per {below}") <= _MAX_NAME
            and name not in context.train.columns
        ]
        return tuple(steps)

    def apply(self, work: Workspace) -> Workspace:
        """Divide in both tables; noise that a mutated step left in may be zero."""
        if len(work.numeric((self.numerator, self.denominator))) < 2:
            return work
        above, below = pl.col(self.numerator), pl.col(self.denominator)
        ratio = pl.when(below != 0).then(above / below).alias(self.name)
        return work.on_both(lambda frame: frame.with_columns(ratio))

    def write(self) -> tuple[str, ...]:
        """Division by missing gives missing."""
        ratio = f"frame[{self.numerator!r}] / frame[{self.denominator!r}]"
        return ("for frame in (train, val):", f"    frame[{self.name!r}] = {ratio}")

    def mutations(self) -> tuple[Mutation, ...]:
        """Turn it upside down, or skip it."""
        swapped = {"numerator": self.denominator, "denominator": self.numerator}
        return (self.mutated("upside_down", **swapped), Mutation("skip", ()))


def _is_never_zero(context: StepContext, column: str) -> bool:
    return not bool((context.values(column) == 0).any())


def _is_positive(context: StepContext, column: str) -> bool:
    """Never below zero, seldom zero, and of a size whose ratios stay finite."""
    values = context.values(column).cast(pl.Float64)
    if values.n_unique() < _MIN_DISTINCT:
        return False
    in_bounds = (values == 0) | values.is_between(1e-100, 1e100)
    return bool(in_bounds.all()) and bool((values == 0).mean() < 0.1)  # type: ignore[operator]

"""Bring values that were recorded in a smaller unit back to the unit of the column.

All clean values lie at or below a stated threshold, all slipped ones above it. Only cells whose
round trip is exact in binary floating point are ever slipped.
"""

import math
import random
from typing import ClassVar

import polars as pl

from transform.steps.phrase import Phrase
from transform.steps.step import CellRule, Mutation, StepContext, StepStage, Workspace

_FACTORS = (1000, 100)
_MIN_DISTINCT = 10
_MIN_SHARE = 0.3
"""Share of the cells that can slip; fewer would make the slip a property of large values."""


class UndoUnits(CellRule):
    """Divide values above a threshold by a factor."""

    kind: ClassVar[str] = "undo_units"
    stage: ClassVar[StepStage] = "units"
    noise: ClassVar[str] = "unit_slip"
    phrase: ClassVar[Phrase] = Phrase(
        "In the training table, the values of {column:column} above {threshold:number} were "
        "recorded in a unit {factor:number} times smaller than the others: divide them by that "
        "number."
    )

    column: str
    threshold: float
    factor: int

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[UndoUnits, ...]":
        """One step for each numeric feature in which enough cells can slip, in random order."""
        free = [column for column in context.numbers if column not in context.taken]
        rng.shuffle(free)
        steps = [_slip(context, column, rng) for column in free]
        return tuple(step for step in steps if step is not None)

    def apply(self, work: Workspace) -> Workspace:
        """Divide; the column keeps its type."""
        if not work.numeric((self.column,)):
            return work
        value = work.train[self.column]
        divided = _divided(value, self.factor).cast(value.dtype, strict=False)
        restored = divided.zip_with((value > self.threshold).fill_null(value=False), value)
        return work.on_train(lambda frame: frame.with_columns(restored))

    def write(self) -> tuple[str, ...]:
        """A conditional replacement."""
        value = f"train[{self.column!r}]"
        return (
            f"slipped = {value} > {self.threshold!r}",
            f"{value} = np.where(slipped, {value} / {self.factor!r}, {value})",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, or take another factor."""
        other = 10 if self.factor == 100 else 100
        return (Mutation("skip", ()), self.mutated("other_factor", factor=other))

    def noisy_cells(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Cells multiplied by the factor: half of them land just above the threshold."""
        values = clean[self.column]
        eligible = _eligible(values, self.threshold, self.factor).arg_true().to_list()
        # Equal values keep the random order, or low ids would tell.
        shuffled = rng.sample(eligible, len(eligible))
        lowest = sorted(shuffled, key=values.to_list().__getitem__)[: n // 2]
        chosen = set(lowest)
        slipped = lowest + [p for p in shuffled if p not in chosen][: n - len(lowest)]
        raised = (values.gather(slipped) * self.factor).cast(values.dtype)
        return clean.with_columns(values.clone().scatter(slipped, raised))


def _slip(context: StepContext, column: str, rng: random.Random) -> UndoUnits | None:
    """A threshold that is a short number above all clean values of train and val."""
    values = context.values(column)
    if values.n_unique() < _MIN_DISTINCT:
        return None
    lowest, highest = values.cast(pl.Float64).min(), values.cast(pl.Float64).max()
    assert isinstance(lowest, float)
    assert isinstance(highest, float)
    # Three orders above must stay far from what 64 bits can hold exactly.
    limit = 1e12 if values.dtype.is_integer() else 1e100
    if not 1e-100 < highest < limit or lowest < -limit:
        return None
    exponent = math.floor(math.log10(highest)) - 1
    steps = math.ceil(rng.uniform(1.1, 1.5) * highest / 10.0**exponent)
    threshold = float(f"{steps}e{exponent}")
    # The larger factor first: it moves an answer further.
    for factor in _FACTORS:
        can_slip = _eligible(context.train[column], threshold, factor).sum()
        if can_slip >= max(2, _MIN_SHARE * context.train.height):
            return UndoUnits(column=column, threshold=threshold, factor=factor)
    return None


def _divided(values: pl.Series, factor: int) -> pl.Series:
    """Correctly rounded quotients; polars itself multiplies by the reciprocal of a scalar."""
    numbers = values.cast(pl.Float64).fill_null(math.nan).to_numpy()
    return pl.Series(values.name, numbers / factor, nan_to_null=True)


def _eligible(values: pl.Series, threshold: float, factor: int) -> pl.Series:
    """True where a slip lands above the threshold and comes back bit for bit."""
    raised = values * factor
    exact = _divided(raised, factor).cast(values.dtype, strict=False) == values
    return (exact & (raised > threshold) & (values <= threshold)).fill_null(value=False)

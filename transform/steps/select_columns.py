"""Use exactly these features, in this order."""

import random
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from transform.steps.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import Sketch, Stage, Step, Violation, Workspace
from transform.task import ID_COLUMN

_MIN_COLUMNS = 2
_MAX_LEFT_OUT = 0.34
_CHOICES = 3


class SelectColumns(Step):
    """Feature columns of both tables; the id and the targets stay."""

    kind: ClassVar[str] = "select_columns"
    stage: ClassVar[Stage] = "select"
    phrase: ClassVar[Phrase] = Phrase(
        "Use exactly these feature columns, in this order, and remove all others from both tables "
        "(`row_id` and the targets stay): {columns:columns}."
    )

    columns: tuple[str, ...] = Field(min_length=1)

    @classmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[SelectColumns, ...]":
        """Random selections of the numbers and categories, in random order where it matters.

        Columns on which an earlier step has worked are never left out, or it could not be seen;
        instants are, because no estimator takes them. Empty when there is nothing to state.
        """
        names = [*sketch.numbers, *sketch.categories]
        shuffled = MODELS[sketch.model].column_order
        found: dict[tuple[str, ...], SelectColumns] = {}
        for _ in range(_CHOICES if names else 0):
            left_out = _left_out(sketch, names, rng)
            kept = [n for n in sketch.train.columns if n in names and n not in left_out]
            if shuffled:
                rng.shuffle(kept)
            if shuffled or left_out or sketch.times:
                found.setdefault(tuple(kept), cls(columns=tuple(kept)))
        return tuple(found.values())

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

    def violations(self) -> tuple[Violation, ...]:
        """Use all columns, the other order, or one less."""
        wrong = [Violation("skip", ())]
        if len(self.columns) > 1:
            wrong += [
                Violation(name, (SelectColumns(columns=columns),))
                for name, columns in (
                    ("reversed", self.columns[::-1]),
                    ("without_last", self.columns[:-1]),
                    ("without_first", self.columns[1:]),
                )
            ]
        return tuple(wrong)


def _left_out(sketch: Sketch, names: list[str], rng: random.Random) -> list[str]:
    """At least one feature if any is free, at most a third."""
    free = [name for name in names if name not in sketch.taken]
    most = min(len(free), len(names) - _MIN_COLUMNS, int(_MAX_LEFT_OUT * len(names)))
    return rng.sample(free, rng.randint(1, most)) if most > 0 else []

"""What every instruction knows: to say, read, apply, write and mutate itself.

`apply` computes on polars frames and numpy; `write` gives the pandas and scikit-learn lines of the
reference program. The two share no code, so that each checks the other. Everything else (designing,
wording, executing, proving) is generic over the classes in this folder.

Conventions that all steps rely on: frames hold the id column `row_id` (Int64), numbers as Float64
or Int64, text as String, instants as naive Datetime("us"); missing is null, never NaN; rows are in
ascending `row_id`. In the written program `train` and `val` are pandas frames of the same content
(numbers with NaN for missing, text as object strings with NaN for missing, instants as
datetime64), `targets` is the list of target columns.
"""

import random
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import polars as pl

from extract.noun import Noun
from transform.proposal import Aggregation, Frequency, Problem
from transform.run.perturbation import Perturbation
from transform.steps.phrase import Phrase
from transform.task import ID_COLUMN, StepSpec

StepStage = Literal[
    "join",
    "markers",
    "text",
    "units",
    "ranges",
    "categories",
    "target",
    "duplicates",
    "resample",
    "fill",
    "lag",
    "derive",
    "incomplete",
    "select",
    "impute",
    "encode",
    "scale",
    "fit",
]
"""Stages in the order in which their steps stand in a task."""

FittedOn = Literal["train", "both"]
"""Rows on which a step is fitted; `both` is the mistake of looking at the rows to predict."""

FITTED_ON: dict[str, str] = {
    "train": "the training rows alone",
    "both": "the training rows and the rows to predict together",
}
"""How phrases say a `FittedOn`."""


@dataclass(frozen=True)
class Workspace:
    """What the steps of one task work on, from the loaded files to the answer."""

    train: pl.DataFrame
    val: pl.DataFrame
    targets: tuple[str, ...]
    parts: tuple[tuple[pl.DataFrame, pl.DataFrame], ...] = ()
    """Train and val tables still to be joined; empty after the join."""
    answer: pl.DataFrame | None = None
    """`row_id`, targets and scores, ascending id; set by the last step."""
    perturbation: Perturbation = "none"
    """What is done to the matrix that enters the last step's estimator; set by the environment
    matrix alone."""

    @property
    def features(self) -> list[str]:
        """Columns of both tables but the id and the targets, in the order of train."""
        others = {ID_COLUMN, *self.targets}
        # What train alone has is history: it cannot enter the matrix.
        known = set(self.val.columns) - others
        return [name for name in self.train.columns if name in known]

    def present(self, columns: Iterable[str]) -> list[str]:
        """Those of the columns that train has.

        When an earlier step is mutated its columns may be missing; the later steps then do what a
        solver could still do. The written program does not forgive.
        """
        return [name for name in columns if name in self.train.columns]

    def numeric(self, columns: Iterable[str]) -> list[str]:
        """Those of the columns that are present and hold numbers."""
        return [name for name in self.present(columns) if self.train.schema[name].is_numeric()]

    def fitting(self, source: FittedOn) -> pl.DataFrame:
        """The rows, features only, on which a step is fitted."""
        # Targets are left out: no step before the last is fitted on them.
        train = self.train.select(self.features)
        if source == "train":
            return train
        # A column may be whole numbers in one table and floats in the other.
        return pl.concat([train, self.val.select(self.features)], how="vertical_relaxed")

    def on_train(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> "Workspace":
        """The workspace with train changed."""
        return replace(self, train=change(self.train))

    def on_both(self, change: Callable[[pl.DataFrame], pl.DataFrame]) -> "Workspace":
        """The workspace with train and val changed in the same way."""
        return replace(self, train=change(self.train), val=change(self.val))


@dataclass(frozen=True)
class SeriesFacts:
    """What a table of series is to the steps that know about time."""

    time: str
    by: tuple[str, ...]
    """Columns that tell one series from another; empty for one series."""
    frequency: Frequency
    """Step of the grid that is scored."""
    season: int
    """Observed values in a season."""
    horizon: int
    """Most rows to predict of one series: no lag below it is known for all of them."""
    history: int
    """Least rows on the grid of one series in train."""
    aggregations: tuple[tuple[str, Aggregation], ...] = ()
    """How the columns of train become cells of the grid; empty when each row is one."""


@dataclass(frozen=True)
class StepContext:
    """What a step may look at when it is asked to propose itself for a table."""

    train: pl.DataFrame
    """Clean training rows as the steps before this one leave them."""
    val: pl.DataFrame
    problem: Problem
    targets: tuple[str, ...]
    numbers: tuple[str, ...]
    """Numeric features, in table order."""
    categories: tuple[str, ...]
    times: tuple[str, ...]
    model: str
    """Name of the estimator that the task will fit; see `models.py`."""
    taken: frozenset[str] = field(default_factory=frozenset)
    """Columns that earlier steps rule or make: noise of one cleaning rule must not hide behind
    another's, and a column on which a step has worked must reach the model."""
    series: SeriesFacts | None = None
    """None where rows have no order in time that matters."""

    def after(self, work: Workspace, step: "Step | None" = None) -> "StepContext":
        """The context of the tables in `work`, with the columns that `step` rules or makes taken.

        Feature types are read off the frames: text is a category, an instant a time, all else a
        number.
        """
        schema = {name: work.train.schema[name] for name in work.features}
        taken = step.ruled | (schema.keys() - set(self.train.columns)) if step else frozenset()
        return replace(
            self,
            train=work.train,
            val=work.val,
            numbers=tuple(n for n, t in schema.items() if t.is_numeric()),
            categories=tuple(n for n, t in schema.items() if t == pl.String),
            times=tuple(n for n, t in schema.items() if t.is_temporal()),
            taken=self.taken | taken,
        )

    def values(self, column: str) -> pl.Series:
        """What is not missing in a feature, train and val together."""
        cells = [frame[column].drop_nulls() for frame in (self.train, self.val)]
        # Val may hold numbers as text no longer, or integers as floats.
        return pl.concat([cells[0], cells[1].cast(cells[0].dtype)])


@dataclass(frozen=True)
class UnstatedChange:
    """What somebody does in place of a step and no step says."""

    change: Callable[[Workspace], Workspace]

    def apply(self, work: Workspace) -> Workspace:
        """The workspace after it."""
        return self.change(work)


@dataclass(frozen=True)
class Mutation:
    """A natural way of getting one step wrong: what a careless solver does instead."""

    name: str
    instead: "tuple[Step | UnstatedChange, ...]"
    """What takes this step's place; empty when it is skipped."""


class Step(Noun):
    """One instruction. Subclasses hold only parameters as fields."""

    kind: ClassVar[str]
    stage: ClassVar[StepStage]
    phrase: ClassVar[Phrase]
    per_task: ClassVar[int] = 1
    """Steps of the kind that a task states at most; of cleaning, `MAX_RULES_OF_KIND` decides."""

    def say(self) -> str:
        """One unambiguous English sentence that holds every parameter."""
        return self.phrase.say(self.model_dump())

    @classmethod
    def read(cls, sentence: str) -> Self | None:
        """The step that says exactly this sentence, or None."""
        parameters = cls.phrase.read(sentence)
        return None if parameters is None else cls.model_validate(parameters)

    def but(self, **changes: object) -> Self:
        """The step with other parameters; they are not validated again."""
        return self.model_copy(update=changes)

    def mutated(self, name: str, **changes: object) -> Mutation:
        """The mistake of other parameters."""
        return Mutation(name, (self.but(**changes),))

    def spec(self) -> StepSpec:
        """The step as data."""
        return StepSpec(kind=self.kind, parameters=self.model_dump(mode="json"))

    @property
    def imports(self) -> tuple[str, ...]:
        """Import lines that `write` needs beside pandas as `pd` and numpy as `np`."""
        return ()

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Numeric columns that the training file holds as text until this step has run."""
        return ()

    @property
    def ruled(self) -> frozenset[str]:
        """Columns whose cells the step looks at or changes."""
        # Every step names what it works on `column` or `columns`; others rule nothing.
        fields = self.model_dump()
        return frozenset([fields["column"]] if "column" in fields else fields.get("columns", ()))

    @property
    def sees_column_order(self) -> bool:
        """Whether the order of the columns that it meets acts on the answer, beyond rounding."""
        return True

    @classmethod
    @abstractmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[Self, ...]":
        """Steps of this class that can act on the table, best first; empty when none can."""

    @abstractmethod
    def apply(self, work: Workspace) -> Workspace:
        """The workspace after this step. Never mutates its argument."""

    @abstractmethod
    def write(self) -> tuple[str, ...]:
        """Lines of the reference program that do the same with pandas and scikit-learn."""

    @abstractmethod
    def mutations(self) -> tuple[Mutation, ...]:
        """Natural mutations by which a task is built, the most tempting first; at least one."""


class CleaningStep(Step):
    """A step on the training rows alone that undoes one kind of noise exactly.

    The clean table is a fixed point of all stated cleaning, and so is val.
    """

    noise: ClassVar[str]
    """Name of the noise in the release's `noise` column."""


def sampled_rows(clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
    """`n` random rows without an id; none twice while there are enough."""
    indices = rng.sample(range(clean.height), min(n, clean.height))
    indices += rng.choices(range(clean.height), k=n - len(indices))
    return clean[indices].with_columns(pl.lit(None, pl.Int64).alias(ID_COLUMN))


class RowRule(CleaningStep):
    """Cleaning that removes whole rows. Rows with a missing value in the ruled column stay."""

    compares_rows: ClassVar[bool] = False
    """Holds rows against each other: a noisy row repeats a clean one and must have a higher id."""

    @property
    def sees_targets(self) -> bool:
        """Whether noisy rows must keep the targets that they were copied with."""
        return False

    @abstractmethod
    def noisy_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """`n` rows like those of `clean` (same schema, `row_id` null) that this rule alone removes.

        All rows together make every part of the rule necessary, for example both ends of a range;
        `n` is at least 2 times the number of parts. `clean` may be any choice of clean rows, for
        example those of one class, and may have scratch columns, which are copied.
        """


class CellRule(CleaningStep):
    """Cleaning that restores changed cells of rows that stay."""

    @abstractmethod
    def noisy_cells(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """`clean` with about `n` rows changed, in the same order; `apply` restores it bit for bit.

        Every column and every rule that the step states has at least one changed cell. A numeric
        column in `text_columns` becomes String.
        """

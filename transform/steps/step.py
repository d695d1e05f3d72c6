"""What every instruction knows: to say, read, apply, write and violate itself.

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
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import polars as pl

from extract.noun import Noun
from transform.proposal import Problem
from transform.steps.phrase import Phrase
from transform.task import StepSpec

Stage = Literal[
    "join",
    "markers",
    "text",
    "units",
    "ranges",
    "categories",
    "target",
    "duplicates",
    "derive",
    "select",
    "impute",
    "encode",
    "scale",
    "fit",
]
"""Stages in the order in which their steps stand in a task."""


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


@dataclass(frozen=True)
class Sketch:
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
    """Columns that another cleaning rule uses: dirt in one column must not hide behind another's."""
    rows_taken: int = 0


@dataclass(frozen=True)
class Violation:
    """A natural way of getting one step wrong: what a careless solver does instead."""

    name: str
    instead: "tuple[Step, ...]"
    """Steps that take this step's place; empty when it is skipped."""


class Step(Noun):
    """One instruction. Subclasses hold only parameters as fields."""

    kind: ClassVar[str]
    stage: ClassVar[Stage]
    phrase: ClassVar[Phrase]
    imports: ClassVar[tuple[str, ...]] = ()
    """Import lines that `write` needs beside pandas as `pd` and numpy as `np`."""

    def say(self) -> str:
        """One unambiguous English sentence that holds every parameter."""
        return self.phrase.say(self.model_dump())

    @classmethod
    def read(cls, sentence: str) -> Self | None:
        """The step that says exactly this sentence, or None."""
        parameters = cls.phrase.read(sentence)
        return None if parameters is None else cls.model_validate(parameters)

    def spec(self) -> StepSpec:
        """The step as data."""
        return StepSpec(kind=self.kind, parameters=self.model_dump(mode="json"))

    @property
    def text_columns(self) -> tuple[str, ...]:
        """Numeric columns that the training file holds as text until this step has run."""
        return ()

    @classmethod
    @abstractmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[Self, ...]":
        """Steps of this class that can act on the table, best first; empty when none can."""

    @abstractmethod
    def apply(self, work: Workspace) -> Workspace:
        """The workspace after this step. Never mutates its argument."""

    @abstractmethod
    def write(self) -> tuple[str, ...]:
        """Lines of the reference program that do the same with pandas and scikit-learn."""

    @abstractmethod
    def violations(self) -> tuple[Violation, ...]:
        """Natural mistakes, the most tempting first; at least one."""


class CleaningStep(Step):
    """A step on the training rows alone that undoes one kind of dirt exactly.

    The clean table is a fixed point of all stated cleaning, and so is val.
    """

    dirt: ClassVar[str]
    """Name of the dirt in the release's `dirt` column."""


class RowRule(CleaningStep):
    """Cleaning that removes whole rows. Rows with a missing value in the ruled column stay."""

    @abstractmethod
    def dirty_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """`n` rows like those of `clean` (same schema, `row_id` null) that this rule alone removes.

        All rows together make every part of the rule necessary, for example both ends of a range.
        """


class CellRule(CleaningStep):
    """Cleaning that restores changed cells of rows that stay."""

    @abstractmethod
    def dirty_cells(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """`clean` with about `n` rows changed, same rows and order; `apply` restores it bit for bit.

        Every column and every rule that the step states has at least one changed cell. A numeric
        column in `text_columns` becomes String.
        """

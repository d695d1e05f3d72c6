"""What the transform room hands over: a task, public and private parts apart.

`Instructions` is everything that the prose tells a solver, field by field; `TaskSpec` adds where it
came from and which files a solver gets; `Truth` is the answer; `Task` joins them. Files are named
by their SHA-256, never by a path of one machine: `files/task_folder.py` lays them out. Steps are
held as kind and parameters, so that this file knows none of them; `steps/registry.py` resolves
them.
"""

import hashlib
import json
from typing import Any, Literal, NamedTuple

from pydantic import Field, JsonValue

from extract.dataset import DatasetRef
from extract.noun import Noun
from transform.proposal import Frequency, Problem

Variant = Literal["class-if", "reg-if", "class-mm", "reg-mm", "ts-xf", "ts-cf", "ts-if"]
Metric = Literal["exact", "allclose", "macro_f1", "clipped_r2"]
FileFormat = Literal["csv", "parquet", "sqlite"]
TableSide = Literal["train", "val"]
CellType = Literal["integer", "number", "text", "time"]


class VariantFacts(NamedTuple):
    """What a variant is, beside what its prose says."""

    problem: Problem
    metric: Metric
    executed: bool
    """Truth is what the stated steps lead to; else it was held out from the source."""


VARIANTS: dict[Variant, VariantFacts] = {
    "class-if": VariantFacts("classification", "exact", executed=True),
    "reg-if": VariantFacts("regression", "allclose", executed=True),
    "class-mm": VariantFacts("classification", "macro_f1", executed=False),
    "reg-mm": VariantFacts("regression", "clipped_r2", executed=False),
    "ts-xf": VariantFacts("forecasting", "clipped_r2", executed=False),
    "ts-cf": VariantFacts("forecasting", "clipped_r2", executed=False),
    "ts-if": VariantFacts("forecasting", "allclose", executed=True),
}

RTOL = 1e-5
"""Relative tolerance of numbers that must equal the reference."""
ID_COLUMN = "row_id"
PREDICTION_FILE = "prediction.csv"
MAX_PARTS = 3
_MIN_COLUMNS_TO_DIVIDE = 4


def tabular_variant(problem: Problem, *, executed: bool) -> Variant:
    """The one variant of a classification or regression problem."""
    (variant,) = (
        name
        for name, facts in VARIANTS.items()
        if (facts.problem, facts.executed) == (problem, executed)
    )
    return variant


class StepSpec(Noun):
    """One instruction as data."""

    kind: str
    parameters: dict[str, JsonValue]


class DataFiles(Noun):
    """How train and val lie on disk."""

    format: FileFormat
    parts: int = Field(default=1, ge=1, le=MAX_PARTS)
    """SQLite only: tables of one side, joined on the id."""

    @property
    def names(self) -> tuple[str, ...]:
        """File names, train before val."""
        if self.format == "sqlite":
            return ("data.sqlite",)
        return (*self.tables("train"), *self.tables("val"))

    def tables(self, side: TableSide) -> tuple[str, ...]:
        """Tables of the database, `train_1` to `train_n`; of other formats the one file."""
        if self.format == "sqlite":
            return tuple(f"{side}_{number}" for number in range(1, self.parts + 1))
        return (f"{side}.{self.format}",)


def possible_parts(n_columns: int) -> tuple[int, ...]:
    """Numbers of parts into which a table with so many columns but the id may be divided."""
    # A part of one or two columns would not be worth a join.
    return tuple(range(2, MAX_PARTS + 1)) if n_columns >= _MIN_COLUMNS_TO_DIVIDE else ()


class ColumnSpec(Noun):
    """A column of the train table as a solver must read it."""

    name: str
    type: CellType


class Grid(Noun):
    """The instants at which a forecast is scored."""

    column: str
    frequency: Frequency
    entities: tuple[str, ...]
    known_covariates: tuple[str, ...]
    """Covariates that the future rows carry; empty for `ts-cf`."""


def _rtol_of(fields: dict[str, Any]) -> float | None:
    return RTOL if fields.get("metric") in ("exact", "allclose") else None


class Instructions(Noun):
    """All that the prose says: `wording.say` writes it and `wording.read` gives it back equal."""

    variant: Variant
    problem: Problem
    data: DataFiles
    columns: tuple[ColumnSpec, ...]
    """Train columns in file order, without the id."""
    targets: tuple[str, ...]
    scores: tuple[str, ...] = ()
    """Score columns of the answer, `class-if` only: `score_<class>` in the model's class order."""
    metric: Metric
    rtol: float | None = Field(default_factory=_rtol_of)
    """Relative tolerance of the grader; None where skill rather than equality is graded."""
    grid: Grid | None = None
    steps: tuple[StepSpec, ...] = ()

    @property
    def is_executed(self) -> bool:
        """Whether truth is computed by the steps rather than held out."""
        return VARIANTS[self.variant].executed

    @property
    def answer_columns(self) -> tuple[str, ...]:
        """Columns of `prediction.csv` after the id."""
        return (*self.targets, *self.scores)


class TaskFile(Noun):
    """One public file of a task."""

    name: str
    sha256: str
    bytes: int
    format: Literal["csv", "parquet", "sqlite", "markdown"]
    role: Literal["train", "val", "data", "metadata"]


class StepSpan(Noun):
    """Which words of the literal text belong to a step."""

    step: int
    """Position in the instructions, from 1."""
    kind: str
    start: int
    """First character of its sentence; the number before it does not belong to it."""
    end: int
    """The character after the last one."""


class TaskSpec(Noun):
    """The public side of a task."""

    task_id: str
    source: DatasetRef
    source_sha256: str
    table: str
    instructions: Instructions
    literal_text: str
    """The prose as `wording.say` writes it: complete and unambiguous, and what gates read."""
    question: str
    """What a solver is asked; equal to the literal text where that was not reworded."""
    files: tuple[TaskFile, ...]
    noise: tuple[str, ...] = ()
    n_rows: int
    """Rows of train and val together."""
    n_cols: int
    """Columns of train without the id."""
    proposer: str

    @property
    def task_key(self) -> str:
        """Hash of the public spec, file hashes included, truth excluded."""
        return self.content_hash()


class Grading(Noun):
    """What the grader needs beside the truth; published as JSON in `reward_model`."""

    metric: Metric
    id_column: str = ID_COLUMN
    targets: tuple[str, ...]
    scores: tuple[str, ...] = ()
    label_type: Literal["integer", "text"] | None = None
    """Type of the labels in truth; None where the target is a number to be predicted."""
    classes: tuple[str, ...] = ()
    """Labels that occur in train, as text, sorted."""
    rtol: float = RTOL
    atol: dict[str, float] = Field(default_factory=dict)
    """Absolute tolerance for each numeric answer column."""
    n_rows: int


class Truth(Noun):
    """The answer: private."""

    sha256: str
    """Of a Parquet table of the id and the answer columns, ascending id."""
    grading: Grading
    program: str | None = None
    """Source of `solution.py`, IF only."""
    skill: str | None = None
    """JSON that turns a prediction into skill (see `validate/score.py`); None until it is known."""


class PrivateFile(Noun):
    """A file that only we may see, beside the truth."""

    name: str
    sha256: str


class Task(Noun):
    """A task whose truth is known, held out or executed; its files lie in the store."""

    spec: TaskSpec
    truth: Truth
    private: tuple[PrivateFile, ...] = ()
    """By name; the truth is not among them."""

    @property
    def task_hash(self) -> str:
        """What never changes under a release: the key together with the truth."""
        # A list of two texts: no pair of hashes can run into another.
        pair = json.dumps([self.spec.task_key, self.truth.sha256])
        return hashlib.sha256(pair.encode()).hexdigest()

    @property
    def files(self) -> tuple[str, ...]:
        """SHA-256 of everything that the task stands on."""
        public = (file.sha256 for file in self.spec.files)
        return (*public, self.truth.sha256, *(file.sha256 for file in self.private))

"""What a scripted solver is: one baseline of a task.

Takes the public side of a task, returns what it would hand in as `prediction.csv`; truth is never
seen. Solvers are deterministic, use one thread and bounded samples, and tune on train alone. A
weak answer proves nothing about a task: only what solvers do reach counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.files.task_folder import TaskFolder
from transform.run.execute import load_tables
from transform.seed import derive_seed
from transform.task import ID_COLUMN, Instructions

_Floats = npt.NDArray[np.float64]

ONE_FEATURE = "one_feature"
BOOSTER = "booster"
REFERENCE_SOLVER = "reference"


@dataclass(frozen=True)
class Case:
    """What a solver sees of a task."""

    instructions: Instructions
    train: pl.DataFrame
    val: pl.DataFrame
    seed: int
    """Of all random choices; the same for equal public files."""


@dataclass(frozen=True)
class BaselineAnswer:
    """What one solver answers."""

    solver: str
    is_trivial: bool
    """Whether it looks at no feature and fits nothing: the floor is the best of these."""
    predictions: tuple[pl.DataFrame, ...]
    """The id and the targets; several where an answer is drawn, of which the mean score counts."""
    columns: tuple[str, ...] = ()
    """`one_feature` only: the columns that it chose, at most one for each target."""


def case_of(task: TaskFolder) -> Case:
    """The public side of a task, read from its files."""
    instructions = task.spec.instructions
    train, val = load_tables(instructions, task.public)
    return Case(instructions, train, val, baseline_seed(task))


def baseline_seed(task: TaskFolder) -> int:
    """Seed of all random choices about a task."""
    return derive_seed("baselines", task.spec.task_id)


def predicted(case: Case, values: Mapping[str, npt.NDArray[Any]]) -> pl.DataFrame:
    """Values by target, in the order of val's rows, as the table that a solver would hand in."""
    columns = [pl.Series(name, values[name].tolist()) for name in case.instructions.targets]
    return pl.DataFrame([case.val[ID_COLUMN], *columns])


def fit(model: Any, x: _Floats, y: _Floats) -> Any:
    """The model fitted; features that no sampled row has become zeros."""
    # Boosters cannot bin a feature without any value.
    return model.fit(np.where(np.isnan(x).all(axis=0), 0.0, x), y)

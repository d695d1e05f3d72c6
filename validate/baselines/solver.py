"""What a scripted solver is: a baseline of the baseline_scores.

Enters the public side of a task, leaves an attempt at `prediction.csv` as a table; truth enters
nowhere. Solvers are deterministic, use one thread and bounded samples, and tune on train alone. A
weak attempt proves nothing about a task: only what solvers do reach counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.files.rendered_task import derive_seed
from transform.files.task_folder import TaskFolder
from transform.run.execute import load_tables
from transform.task import ID_COLUMN, Instructions

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ONE_FEATURE = "one_feature"
BOOSTER = "booster"
REFERENCE = "reference"


@dataclass(frozen=True)
class Case:
    """What a solver sees of a task."""

    told: Instructions
    train: pl.DataFrame
    val: pl.DataFrame
    seed: int
    """Of all random choices; the same for equal public files."""


@dataclass(frozen=True)
class Answered:
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
    told = task.spec.instructions
    train, val = load_tables(told, task.public)
    return Case(told, train, val, seed_of(task))


def seed_of(task: TaskFolder) -> int:
    """Seed of all random choices about a task."""
    return derive_seed("baselines", task.spec.task_id)


def predicted(case: Case, values: Mapping[str, npt.NDArray[Any]]) -> pl.DataFrame:
    """Values by target, in the order of val's rows, as the table that a solver would hand in."""
    columns = [pl.Series(name, values[name].tolist()) for name in case.told.targets]
    return pl.DataFrame([case.val[ID_COLUMN], *columns])


def fit(model: Any, x: Floats, y: Floats) -> Any:
    """The model fitted; boosters cannot bin a feature that no sampled row has, so it gets zeros."""
    return model.fit(np.where(np.isnan(x).all(axis=0), 0.0, x), y)

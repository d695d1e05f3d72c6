"""Random hostile tables, and a way to run what a step writes."""

import random
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from transform.proposal import Aggregation
from transform.steps.registry import step_classes
from transform.steps.step import SeriesFacts, Step, StepContext, Workspace

NUMBERS = ("a, b", "100% {x}", 'say "hi"', "count")
TEXTS = ("kind's", "back\\slash 😀", "tönung", "part")
LABELS = (
    ("red", "green, dark", 'sky "blue"', "50% {grey}", "it's"),
    ("a\\b", "c😀d", "ünter  den", "x"),
    ("Yes ", " no", "MAYBE  so", "n/k", "Ё ж"),
    tuple(f"part {number:02d}" for number in range(30)),
)
TIME = "seen at"

MakeSketch = Callable[..., StepContext]
RunLines = Callable[[Sequence[Step], Workspace], dict[str, Any]]


def _table(rng: np.random.Generator, n: int, is_class: bool, n_targets: int) -> pl.DataFrame:
    """Features of many kinds and targets that depend on them."""
    size = rng.lognormal(2, 1, n).round(2)
    code = rng.integers(0, 40, n)
    columns: dict[str, Any] = {
        "row_id": rng.permutation(n).astype(np.int64),
        NUMBERS[0]: rng.normal(20, 5, n).round(1),
        NUMBERS[1]: size,
        NUMBERS[2]: rng.normal(0, 10.0 ** rng.integers(-5, 6), n),
        NUMBERS[3]: code.astype(np.int64),
    }
    for name, labels in zip(TEXTS, LABELS, strict=True):
        columns[name] = rng.choice(labels, n).tolist()
    start = datetime(2020, 1, 31, 5)
    columns[TIME] = [start + timedelta(hours=int(h)) for h in rng.integers(0, 30000, n)]
    signal = columns[NUMBERS[0]] + 2 * np.log1p(size) + 0.3 * code
    for number in range(n_targets):
        noisy = (signal + rng.normal(0, 2, n)) * (1 - 2 * number)
        if is_class:
            bins = np.digitize(noisy, np.quantile(noisy, [0.4, 0.7]))
            columns[f"y{number}"] = (
                bins if number > 1 else np.array(["lo", "mid", "hi"])[bins].tolist()
            )
        else:
            columns[f"y{number}"] = noisy / 10
    table = pl.DataFrame(columns).sort("row_id")
    holes = {
        name: rng.random(n) < 0.08
        for name in (*NUMBERS[:2], NUMBERS[3], *TEXTS[:2], TEXTS[3], TIME)
    }
    return table.with_columns(
        table[name].scatter(np.flatnonzero(hole), None) for name, hole in holes.items()
    )


@pytest.fixture
def make_sketch() -> MakeSketch:
    """A random table as steps meet it; no cleaning has been stated yet.

    With `series`, rows of two series; `finer` ones are to be gathered on the grid.
    """

    def make(
        seed: int,
        model: str = "Ridge",
        n_targets: int = 1,
        n: int = 160,
        series: Literal["none", "grid", "finer"] = "none",
    ) -> StepContext:
        from transform.steps.fitting.models import MODELS

        if series != "none":
            return _series(seed, model, n_targets, series == "finer")
        problem = MODELS[model].problem
        table = _table(np.random.default_rng(seed), n, problem == "classification", n_targets)
        targets = tuple(f"y{number}" for number in range(n_targets))
        train, val = table[: n * 2 // 3], table[n * 2 // 3 :].drop(targets)
        blank = StepContext(train, val, problem, targets, (), (), (), model)
        return blank.after(Workspace(train, val, targets))

    return make


def _series(seed: int, model: str, n_targets: int, finer: bool) -> StepContext:
    """Two series in random rows; not all numbers are known ahead."""
    rng = np.random.default_rng([seed, finer])
    table = _table(rng, 280, is_class=False, n_targets=n_targets)
    place = pl.int_range(280, eager=True).shuffle(seed=seed)
    start, hours = datetime(2020, 1, 30), 8 if finer else 24
    table = table.with_columns(
        pl.Series(TIME, [start + timedelta(hours=hours * (i // 2)) for i in place]),
        pl.Series(TEXTS[0], [f"series {i % 2}" for i in place]),
    ).drop(TEXTS[1:])
    targets = tuple(f"y{number}" for number in range(n_targets))
    future = pl.col(TIME) >= start + timedelta(hours=hours * 120)
    on_grid = pl.col(TIME).dt.hour() == 0
    val = table.filter(future, on_grid).drop(*targets, NUMBERS[2], NUMBERS[3])
    hows: tuple[Aggregation, ...] = ("mean", "sum", "max", "min", "last", "count")
    series = SeriesFacts(
        time=TIME,
        by=(TEXTS[0],),
        frequency="1d",
        season=7,
        horizon=val.height // 2,
        history=40 if finer else 120,
        aggregations=tuple(
            (name, hows[(seed + i) % len(hows)]) for i, name in enumerate((*targets, *NUMBERS))
        )
        if finer
        else (),
    )
    train = table.filter(~future)
    blank = StepContext(train, val, "regression", targets, (), (), (), model, series=series)
    return blank.after(Workspace(train, val, targets))


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The frame as the first lines of a reference program leave it."""
    columns: dict[str, Any] = {}
    for column in frame:
        if column.dtype == pl.String:
            cells = [np.nan if text is None else text for text in column.to_list()]
            columns[column.name] = pd.Series(cells, dtype=object)
        elif column.dtype.is_temporal():
            columns[column.name] = pd.Series(column.to_list(), dtype="datetime64[us]")
        elif column.dtype.is_integer() and column.null_count() == 0:
            columns[column.name] = column.to_numpy()
        else:
            columns[column.name] = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return pd.DataFrame(columns)


def program(steps: Sequence[Step]) -> str:
    """The lines of the steps as one program."""
    imports = {"import numpy as np", "import pandas as pd"}
    imports.update(line for step in steps for line in step.imports)
    return "\n".join([*sorted(imports), *(line for step in steps for line in step.write())])


@pytest.fixture
def run_lines() -> RunLines:
    """Runs what steps write on pandas copies of a workspace; every warning is an error."""

    def run(steps: Sequence[Step], work: Workspace) -> dict[str, Any]:
        names: dict[str, Any] = {
            "train": to_pandas(work.train),
            "val": to_pandas(work.val),
            "targets": list(work.targets),
            "train_parts": [to_pandas(train) for train, _ in work.parts],
            "val_parts": [to_pandas(val) for _, val in work.parts],
        }
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            exec(compile(program(steps), "solution.py", "exec"), names)
        return names

    return run


@pytest.fixture
def assert_same() -> Callable[..., None]:
    """Compares a polars frame with a pandas one, cell by cell; missing equals missing."""

    def check(expected: pl.DataFrame, observed: pd.DataFrame, rtol: float = 0.0) -> None:
        assert expected.columns == list(observed.columns)
        assert expected.height == len(observed)
        for column in expected:
            cells = observed[column.name].to_numpy()
            if column.dtype.is_numeric():
                numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
                np.testing.assert_allclose(cells.astype(float), numbers, rtol=rtol, atol=rtol)
            else:
                texts = [None if pd.isna(cell) else cell for cell in observed[column.name]]
                assert texts == column.to_list()

    return check


@pytest.fixture
def walk() -> Callable[[StepContext, random.Random], tuple[list[Step], Workspace]]:
    """Every step that can be chosen, one of each kind, applied in order to a clean table."""

    def walk_through(context: StepContext, rng: random.Random) -> tuple[list[Step], Workspace]:
        work, steps = Workspace(context.train, context.val, context.targets), []
        for cls in step_classes():
            chosen = () if cls.stage == "join" else cls.choose(context, rng)
            if chosen:
                steps.append(chosen[0])
                work = chosen[0].apply(work)
                context = context.after(work)
        return steps, work

    return walk_through

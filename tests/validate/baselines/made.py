"""Small cases with a known truth, and tasks around them, for tests of baselines and gates.

What a solver can reach on them is plain from how they are made.
"""

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import polars as pl

from extract.dataset import DatasetRef
from transform.files.parquet import write_parquet, write_truth
from transform.files.rendered_task import assign_ids
from transform.files.tables import cell_types, shipped, write_tables
from transform.files.task_folder import TaskFolder
from transform.proposal import Frequency
from transform.run.grading import grading_of
from transform.series.seasonal_naive import season_length, seasonal_naive
from transform.task import (
    ID_COLUMN,
    VARIANTS,
    DataFiles,
    Grid,
    Instructions,
    TaskSpec,
    Truth,
    Variant,
)


class Sides(NamedTuple):
    """Train, val with its targets, and val as it ships."""

    train: pl.DataFrame
    solved: pl.DataFrame
    val: pl.DataFrame


def table_task(
    folder: Path, frame: pl.DataFrame, targets: tuple[str, ...], variant: Variant
) -> TaskFolder:
    """A task on the rows of a table, the last third held out."""
    cut = 2 * frame.height // 3
    train, solved = assign_ids(frame[:cut], frame[cut:], seed=1)
    return _task(folder, Sides(train, solved, solved.drop(targets)), targets, variant)


def series_task(
    folder: Path,
    series: Mapping[str, list[float]],
    horizon: int,
    known_covariates: Mapping[str, list[float]] | None = None,
    frequency: Frequency = "1d",
) -> TaskFolder:
    """A task on daily series by name, the last `horizon` values held out."""
    known = known_covariates or {}
    frames = [
        pl.DataFrame(
            {
                "day": [datetime(2021, 1, 4) + timedelta(days=i) for i in range(len(values))],
                "shop": [name] * len(values),
                "sales": values,
                **known,
            }
        )
        for name, values in series.items()
    ]
    train, solved = assign_ids(
        pl.concat([frame[:-horizon] for frame in frames]),
        pl.concat([frame[-horizon:] for frame in frames]),
        seed=1,
    )
    season = season_length(frequency, train["day"])
    entities = []
    for name, values in series.items():
        ids = solved.filter(pl.col("shop") == name).sort("day")[ID_COLUMN].to_list()
        past = pl.Series(values[:-horizon]).to_numpy()
        errors = pl.Series(values[-horizon:]).to_numpy() - seasonal_naive(
            past, season, range(horizon)
        )
        entities.append(
            {"row_ids": ids, "season": season, "mae": {"sales": float(abs(errors).mean())}}
        )
    grid = Grid(
        column="day", frequency=frequency, entities=("shop",), known_covariates=tuple(known)
    )
    val = solved.select(ID_COLUMN, "day", "shop", *known)
    variant: Variant = "ts-xf" if known else "ts-cf"
    skill = json.dumps({"entities": entities})
    return _task(folder, Sides(train, solved, val), ("sales",), variant, grid, skill)


def executed_task(folder: Path, open_task: TaskFolder, answer: pl.DataFrame) -> TaskFolder:
    """The instruction task beside one from `table_task`, with any reference answer."""
    instructions = open_task.spec.instructions
    variant: Variant = "class-if" if instructions.problem == "classification" else "reg-if"
    instructions = instructions.model_copy(
        update={"variant": variant, "metric": VARIANTS[variant].metric, "rtol": 1e-5}
    )
    place = folder / "executed"
    train, val = (
        pl.read_parquet(open_task.public / f"{side}.parquet") for side in ("train", "val")
    )
    write_tables(place / "public", instructions.data, train, val)
    write_parquet(train, place / "private" / "clean.parquet")
    write_parquet(pl.read_parquet(open_task.truth_file), place / "private" / "held_out.parquet")
    path = place / "private" / "truth.parquet"
    sha256 = write_truth(answer, path)
    truth = Truth(sha256=sha256, grading=grading_of(instructions, train, answer))
    spec = open_task.spec.model_copy(update={"instructions": instructions})
    return TaskFolder(spec=spec, folder=place, truth=truth)


def _task(
    folder: Path,
    sides: Sides,
    targets: tuple[str, ...],
    variant: Variant,
    grid: Grid | None = None,
    skill: str | None = None,
) -> TaskFolder:
    train, solved, val = sides
    told_of = cell_types(train, val)
    train, solved, val = shipped(train, val), shipped(solved), shipped(val, train)
    instructions = Instructions(
        variant=variant,
        problem=VARIANTS[variant].problem,
        data=DataFiles(format="parquet"),
        columns=told_of,
        targets=targets,
        metric=VARIANTS[variant].metric,
        grid=grid,
    )
    files = write_tables(folder / "public", instructions.data, train, val)
    path = folder / "private" / "truth.parquet"
    answer = solved.select(ID_COLUMN, *targets)
    sha256 = write_truth(answer, path)
    spec = TaskSpec(
        task_id="made__up__v1__task-00000000",
        source=DatasetRef(owner="made", slug="up", version=1),
        source_sha256="0" * 64,
        table="made",
        instructions=instructions,
        literal_text="none",
        question="none",
        files=files,
        n_rows=train.height + val.height,
        n_cols=len(instructions.columns),
        proposer="test",
    )
    truth = Truth(sha256=sha256, grading=grading_of(instructions, train, answer), skill=skill)
    return TaskFolder(spec=spec, folder=folder, truth=truth)


def noise(n: int, seed: str) -> list[float]:
    """Independent normal numbers."""
    rng = random.Random(seed)
    return [rng.gauss(0, 1) for _ in range(n)]

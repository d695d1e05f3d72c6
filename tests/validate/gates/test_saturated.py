"""Tasks that one column or a booster as it comes solves are refused, with what to leave out."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest

from tests.validate.baselines.made import executed_task, noise, series_task, table_task
from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.saturated import Saturated

N = 900


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def priced(folder: Path, **columns: list[float]) -> TaskFolder:
    return table_task(folder, pl.DataFrame({"b": noise(N, "b"), **columns}), ("y",), "reg-mm")


def without(*columns: str) -> Repair:
    return Repair(without_columns=columns)


def test_one_column_that_solves_all_is_named(tmp_path: Path, executor: Executor) -> None:
    y = [math.exp(a) for a in noise(N, "a")]
    other_unit = [value / 2.54 + 0.02 * e for value, e in zip(y, noise(N, "e"), strict=True)]
    finding = Saturated().check(priced(tmp_path, inches=other_unit, y=y), executor)
    assert (finding.check.verdict, finding.check.threshold) == ("invalid", 0.95)
    assert finding.repair == without("inches")


def test_a_booster_that_solves_all_loses_its_heaviest_column(
    tmp_path: Path, executor: Executor
) -> None:
    a, c = noise(N, "a"), noise(N, "c")
    labels = [
        ("up" if x > 0 else "down") + ("!" if z > 0.7 else "?") for x, z in zip(a, c, strict=True)
    ]
    frame = pl.DataFrame({"a": a, "b": noise(N, "b"), "c": c, "y": labels})
    finding = Saturated().check(table_task(tmp_path, frame, ("y",), "class-mm"), executor)
    assert (finding.check.verdict, finding.check.threshold) == ("invalid", 0.98)
    assert finding.repair in (without("a"), without("c"))


def test_a_covariate_that_tells_the_series_is_named(tmp_path: Path, executor: Executor) -> None:
    sales = [50 + 10 * value for value in noise(420, "s")]
    told = [value + 0.5 * e for value, e in zip(sales, noise(420, "e"), strict=True)]
    task = series_task(tmp_path, {"a": sales}, 28, {"told": told, "other": noise(420, "o")})
    finding = Saturated().check(task, executor)
    assert (finding.check.verdict, finding.check.threshold) == ("invalid", 0.95)
    assert finding.repair == without("told")


def test_a_series_that_lags_solve_cannot_be_repaired(tmp_path: Path, executor: Executor) -> None:
    wave = [10 * math.sin(i * 2 * math.pi / 7) + 0.01 * i for i in range(420)]
    finding = Saturated().check(series_task(tmp_path, {"a": wave}, 28), executor)
    assert finding.check.verdict == "invalid"
    assert finding.repair is None


def test_room_is_left_where_columns_are_needed_together(tmp_path: Path, executor: Executor) -> None:
    parts = zip(noise(N, "a"), noise(N, "b"), noise(N, "e"), strict=True)
    y = [2 * a + 2 * b + 0.8 * e for a, b, e in parts]
    assert (
        Saturated().check(priced(tmp_path, a=noise(N, "a"), y=y), executor).check.verdict == "valid"
    )


def test_executed_truth_is_left_alone(tmp_path: Path) -> None:
    task = priced(tmp_path, y=noise(N, "y"))
    assert Saturated().applies_to(task)
    executed = executed_task(tmp_path, task, pl.read_parquet(task.truth_file))
    assert not Saturated().applies_to(executed)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["class-mm", "reg-mm", "ts-xf", "ts-cf"])
def test_sound_tasks_pass(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    assert Saturated().check(tasks[variant], executor).check.verdict == "valid"

"""Series on which no forecaster beats the last season are refused."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.validate.baselines.made import noise, series_task
from transform.files.task_folder import TaskFolder
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.forecastable import Forecastable


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def test_a_season_that_only_repeats_is_refused(tmp_path: Path, executor: Executor) -> None:
    # Seasonal naive errs nowhere, so that nothing can be better.
    wave = [float(i % 7) for i in range(420)]
    check = Forecastable().check(series_task(tmp_path, {"a": wave}, 28), executor).check
    assert (check.name, check.verdict, check.value) == ("forecastable", "invalid", 0)


def test_a_break_that_nobody_can_know_is_refused(tmp_path: Path, executor: Executor) -> None:
    level = [106.0 - (i % 7) for i in range(392)]
    # The future stands 50 higher: every forecast from the past errs as the last season does.
    series = [*level, *(156.0 - (i % 7) for i in range(28))]
    check = Forecastable().check(series_task(tmp_path, {"a": series}, 28), executor).check
    assert check.verdict == "invalid"
    assert check.threshold == 0.05


def test_noise_about_a_season_can_be_forecast(tmp_path: Path, executor: Executor) -> None:
    values = [10 * math.sin(i * 2 * math.pi / 7) + 3 * e for i, e in enumerate(noise(420, "n"))]
    check = Forecastable().check(series_task(tmp_path, {"a": values}, 28), executor).check
    assert check.verdict == "valid"


def test_only_forecasts_are_asked(tasks: Mapping[str, TaskFolder]) -> None:
    asked = {name for name, task in tasks.items() if Forecastable().applies_to(task)}
    assert {"ts-xf", "ts-cf"} <= asked <= {"ts-xf", "ts-cf", "ts-if"}


@pytest.mark.parametrize("variant", ["ts-xf", "ts-cf"])
def test_sound_tasks_pass(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    assert Forecastable().check(tasks[variant], executor).check.verdict == "valid"

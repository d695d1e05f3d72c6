"""Effort must pay: a task whose floor is near its ceiling is refused."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from tests.validate.baselines.made import noise, series_task, table_task
from validate.baselines.fit import fit_baselines
from validate.controls import answer_of
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.headroom import Headroom
from validate.score import score

N = 600


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def test_levels_of_series_are_no_room(tmp_path: Path, executor: Executor) -> None:
    series = {
        name: [level + value for value in noise(300, name)]
        for name, level in (("a", 10.0), ("b", 100.0), ("c", 1000.0))
    }
    finding = Headroom().check(series_task(tmp_path, series, 28), executor)
    assert (finding.check.name, finding.check.verdict) == ("headroom", "invalid")
    assert "floor 1" in finding.check.evidence


def test_a_weak_signal_is_no_room(tmp_path: Path, executor: Executor) -> None:
    y = [a + 8 * e for a, e in zip(noise(N, "a"), noise(N, "e"), strict=True)]
    task = table_task(tmp_path, pl.DataFrame({"a": noise(N, "a"), "y": y}), ("y",), "reg-mm")
    assert Headroom().check(task, executor).check.verdict == "invalid"


def test_room_passes_and_normalises_the_score(tmp_path: Path, executor: Executor) -> None:
    y = [a + e for a, e in zip(noise(N, "a"), noise(N, "e"), strict=True)]
    task = table_task(tmp_path, pl.DataFrame({"a": noise(N, "a"), "y": y}), ("y",), "reg-mm")
    finding = Headroom().check(task, executor)
    assert finding.check.verdict == "valid"
    baseline_scores = fit_baselines(task).baseline_scores
    assert finding.check.value == pytest.approx(
        baseline_scores.ceiling - baseline_scores.floor, abs=1e-3
    )
    skill = json.dumps({"floor": baseline_scores.floor, "ceiling": baseline_scores.ceiling})
    graded = task.model_copy(update={"truth": task.truth.model_copy(update={"skill": skill})})
    answer = answer_of(graded)
    assert score(answer, answer.truth, "skill").reward == 1

"""Noise is refused, signal passes, and a reference is asked to know something of the world."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest

from tests.judging import judged
from tests.validate.baselines.made import executed_task, noise, table_task
from transform.files.task_folder import TaskFolder
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.learnable import Learnable

N = 600


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def labelled(folder: Path, labels: list[str]) -> TaskFolder:
    frame = pl.DataFrame({"a": noise(N, "a"), "b": noise(N, "b"), "y": labels})
    return table_task(folder, frame, ("y",), "class-mm")


def coins(share: float = 0.5) -> list[str]:
    return random.Random("coins").choices(["yes", "no"], (share, 1 - share), k=N)


def test_noise_is_refused(tmp_path: Path, executor: Executor) -> None:
    finding = Learnable().check(labelled(tmp_path, coins()), executor)
    assert (finding.check.name, finding.check.verdict) == ("learnable", "invalid")
    assert finding.repair is None
    assert finding.proofs.baseline_scores is not None


def test_guessing_the_majority_is_no_signal(tmp_path: Path, executor: Executor) -> None:
    assert Learnable().check(labelled(tmp_path, coins(0.9)), executor).check.verdict == "invalid"


def test_signal_passes_and_ships_its_baselines(tmp_path: Path, executor: Executor) -> None:
    labels = ["yes" if a > 0 else "no" for a in noise(N, "a")]
    finding = Learnable().check(labelled(tmp_path, labels), executor)
    assert finding.check.verdict == "valid"
    assert finding.proofs.baseline_scores is not None
    assert finding.proofs.baseline_scores.p_value < 0.01
    assert finding.check.value is not None
    assert finding.check.value > 0.4


def test_a_small_but_certain_gap_is_not_enough(tmp_path: Path, executor: Executor) -> None:
    labels = ["yes" if a > 0 else "no" for a in noise(N, "a")]
    task = labelled(tmp_path, labels)
    finding = Learnable(gap=0.9).check(task, executor)
    assert finding.check.verdict == "invalid"
    assert finding.check.threshold == 0.9


@pytest.mark.parametrize("order", [("y", "noise"), ("noise", "y")])
def test_each_of_several_targets_must_be_learnable(
    tmp_path: Path, executor: Executor, order: tuple[str, ...]
) -> None:
    y = [3 * a - 2 * b for a, b in zip(noise(N, "a"), noise(N, "b"), strict=True)]
    frame = pl.DataFrame({"a": noise(N, "a"), "b": noise(N, "b"), "y": y, "noise": noise(N, "n")})
    check = Learnable().check(table_task(tmp_path, frame, order, "reg-mm"), executor).check
    assert check.verdict == "invalid"
    assert "`noise`" in check.evidence


def test_a_reference_that_knows_nothing_is_refused(tmp_path: Path, executor: Executor) -> None:
    labels = ["yes" if a > 0 else "no" for a in noise(N, "a")]
    task = labelled(tmp_path, labels)
    right = pl.read_parquet(task.truth_file)
    sound = executed_task(tmp_path / "sound", task, right)
    assert Learnable().check(sound, executor).check.verdict == "valid"
    mixed = executed_task(tmp_path / "mixed", task, right.with_columns(pl.col("y").shuffle(seed=1)))
    assert Learnable().check(mixed, executor).check.verdict == "invalid"


def test_without_true_targets_it_says_error(tmp_path: Path, executor: Executor) -> None:
    task = labelled(tmp_path, coins())
    executed = executed_task(tmp_path, task, pl.read_parquet(task.truth_file))
    executed.held_out_file.unlink()
    verdict = judged(executed, [Learnable()], executor)
    assert verdict.refusal is not None
    assert verdict.refusal.verdict == "error"


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["class-mm", "reg-mm", "ts-xf", "ts-cf"])
def test_sound_tasks_pass(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    assert Learnable().check(tasks[variant], executor).check.verdict == "valid"

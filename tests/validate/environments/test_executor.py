"""The executor: other processes reach the same truth, and what hangs costs its own call only."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extract.workers import WorkerTimeout
from tests.building import MARK, ROOT, environment, survivors
from tests.judging import judged
from transform.files.task_folder import Draft, TaskFolder
from transform.run.execute import execute
from transform.run.fork_server import ProgramFailed
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.literal_solver import LiteralSolver

pytestmark = pytest.mark.slow
INSTRUCTED = ["class-if", "reg-if", "ts-if"]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig(timeout_s=20)) as executor:
        yield executor


def draft_of(task: TaskFolder) -> Draft:
    return Draft(spec=task.spec, folder=task.folder, truth=None)


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_two_processes_write_the_same_bytes(
    tasks: Mapping[str, TaskFolder], executor: Executor, tmp_path: Path, variant: str
) -> None:
    task = tasks[variant]
    draft = Draft(spec=task.spec, folder=tmp_path / "copy", truth=None)
    shutil.copytree(task.public, draft.public)
    draft.private.mkdir()
    truth = executor.compute(execute, draft)
    assert truth.sha256 == task.truth.sha256
    assert truth.program == task.truth.program
    assert draft.truth_file.read_bytes() == task.truth_file.read_bytes()


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_every_member_gives_an_answer_of_its_own(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    task = tasks[variant]
    answers = executor.run_matrix(task)
    assert [*answers] == [environment.name for environment in executor.matrix]
    paths = [Path(answer) for answer in answers.values()]
    assert len({*paths}) == len(answers) >= 6
    truth = pl.read_parquet(task.truth_file)
    for path in paths:
        found = pl.read_parquet(path)
        assert found["row_id"].equals(truth["row_id"])
        assert_frame_equal(found, truth, rel_tol=1e-6)
    # Whatever shuffled the files was not what the solver sees.
    assert {path.name for path in task.public.iterdir()} == {f.name for f in task.spec.files}


def test_a_member_whose_steps_fail_says_why(
    tasks: Mapping[str, TaskFolder], executor: Executor
) -> None:
    task = tasks["class-if"]
    instructions = task.spec.instructions
    *before, fit = instructions.steps
    wrong = fit.model_copy(update={"parameters": fit.parameters | {"arguments": {"C": -1.0}}})
    spec = task.spec.model_copy(
        update={"instructions": instructions.model_copy(update={"steps": (*before, wrong)})}
    )
    answers = executor.run_matrix(task.model_copy(update={"spec": spec}))
    assert len(answers) >= 6
    assert all("Error: " in str(answer) for answer in answers.values()), answers


def test_costs_are_kept_by_task_and_purpose(tasks: Mapping[str, TaskFolder]) -> None:
    task = tasks["reg-if"]
    with Executor(ExecutorConfig()) as executor:
        executor.compute(_burn, 0.1)
        with executor.accounting() as costs, executor.account_to("sensitive"):
            executor.compute(_burn, 0.3)
            with executor.accounting() as others, executor.account_to("draft"):
                executor.compute(_burn, 0.1)
            with pytest.raises(ZeroDivisionError):
                executor.compute(_burn, 0.2, 0)
            executor.run_program(task, task.truth.program or "")
    assert {*costs} == {"sensitive", "program"}
    assert 0.5 <= costs["sensitive"] < 1.5
    assert 0.005 < costs["program"] < 30
    assert {*others} == {"draft"}


def _burn(cpu_s: float, divisor: float = 1) -> float:
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass
    return cpu_s / divisor


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_the_program_reaches_truth_from_public_files(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    task = tasks[variant]
    prediction = executor.run_program(task, task.truth.program or "")
    assert prediction.name == "prediction.csv"
    found, truth = pl.read_csv(prediction), pl.read_parquet(task.truth_file)
    assert found.select(truth.columns)["row_id"].equals(truth["row_id"])
    beside = {path.name for path in prediction.parent.iterdir()}
    assert beside == {file.name for file in task.spec.files} | {"prediction.csv"}


def test_a_program_that_fails_or_hangs_costs_itself(tasks: Mapping[str, TaskFolder]) -> None:
    task = tasks["reg-if"]
    with Executor(ExecutorConfig(timeout_s=5)) as executor:
        with pytest.raises(ProgramFailed, match="my last words"):
            executor.run_program(task, "raise SystemExit('my last words')")
        assert executor.run_program(task, task.truth.program or "").is_file()
    with Executor(ExecutorConfig(timeout_s=0.3)) as executor:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            executor.run_program(task, "import time; time.sleep(600)")
        assert time.monotonic() - start < 300


def test_a_hanging_program_is_owed_not_refused(tasks: Mapping[str, TaskFolder]) -> None:
    task = tasks["reg-if"]
    with Executor(ExecutorConfig(timeout_s=0.001)) as executor:
        verdict = judged(task, [LiteralSolver()], executor)
    assert [check.verdict for check in verdict.checks] == ["timeout"]


def test_an_execution_that_takes_too_long_is_tried_again_and_then_owed(
    tasks: Mapping[str, TaskFolder], tmp_path: Path
) -> None:
    draft = draft_of(tasks["reg-if"])
    with Executor(ExecutorConfig(timeout_s=0.001)) as executor:
        with pytest.raises(WorkerTimeout, match=r"0\.004 s"):
            executor.compute(execute, draft)
        with pytest.raises(WorkerTimeout):
            executor.run_matrix(tasks["reg-if"])


def test_nothing_is_left_when_it_closes(tasks: Mapping[str, TaskFolder]) -> None:
    before = children()
    with Executor(ExecutorConfig()) as executor:
        scratch = Path(executor.run_matrix(tasks["reg-if"])["kernel"]).parent
        assert children() > before
    assert not scratch.exists()
    assert children() <= before


_HANGING = """
import sys
from pathlib import Path
from validate.environments.executor import Executor, ExecutorConfig
from transform.files.task_folder import TaskFolder

if __name__ == "__main__":
    task = TaskFolder.model_validate_json(Path(sys.argv[1]).read_text())
    program = f"open({sys.argv[2]!r}, 'w').close()\\nimport time; time.sleep(600)"
    with Executor(ExecutorConfig()) as executor:
        executor.run_program(task, program)
"""


def test_a_program_does_not_outlive_a_killed_build(
    tasks: Mapping[str, TaskFolder], tmp_path: Path
) -> None:
    (tmp_path / "hanging.py").write_text(_HANGING)
    (tmp_path / "task.json").write_text(tasks["reg-if"].model_dump_json())
    running = tmp_path / "running"
    parent = subprocess.Popen(
        [sys.executable, "hanging.py", "task.json", str(running)],
        cwd=tmp_path,
        env=environment({MARK: str(tmp_path), "PYTHONPATH": str(ROOT)}),
    )
    while not running.exists():
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait(timeout=300)
    assert survivors(str(tmp_path), patience_s=100) == []


def children() -> set[str]:
    """Worker processes of this one; zombies that wait to be reaped are none."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            _, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        state, parent = rest.split()[:2]
        command = path.with_name("cmdline").read_bytes() if state != "Z" else b""
        if int(parent) == os.getpid() and b"spawn_main" in command:
            found.add(path.parent.name)
    return found

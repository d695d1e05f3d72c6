"""Truth that some environment does not reach is refused, with what may mend it."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.judging import judged
from transform.files.parquet import write_parquet
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Repair
from transform.run.execute import execute
from transform.task import StepSpec
from validate.controls import answer_of
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.reproducible import Reproducible
from validate.score import score
from validate.verdict import Finding

pytestmark = pytest.mark.slow
INSTRUCTED = ["class-if", "reg-if"]
Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def with_truth(task: TaskFolder, folder: Path, change: Change) -> TaskFolder:
    """The task with another answer."""
    place = Path(tempfile.mkdtemp(dir=folder)) / "changed"
    shutil.copytree(task.folder, place)
    changed = task.model_copy(update={"folder": place})
    write_parquet(change(pl.read_parquet(task.truth_file)), changed.truth_file)
    return changed


def with_fit(task: TaskFolder, folder: Path, **parameters: Any) -> TaskFolder:
    """A copy of the task whose last step is another, with the truth that it leads to."""
    shutil.copytree(task.folder, folder)
    instructions = task.spec.instructions
    *before, fit = instructions.steps
    last = StepSpec(kind=fit.kind, parameters=fit.parameters | parameters)
    spec = task.spec.model_copy(
        update={"instructions": instructions.model_copy(update={"steps": (*before, last)})}
    )
    truth = execute(Draft(spec=spec, folder=folder, truth=None))
    return TaskFolder(spec=spec, folder=folder, truth=truth)


def refused(finding: Finding) -> Finding:
    assert (finding.check.name, finding.check.verdict) == ("reproducible", "invalid")
    return finding


def estimator(task: TaskFolder) -> str:
    return str(task.spec.instructions.steps[-1].parameters["estimator"])


def test_it_leaves_held_out_truth_alone(tasks: Mapping[str, TaskFolder]) -> None:
    for task in tasks.values():
        assert Reproducible().applies_to(task) == task.spec.instructions.is_executed


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_sound_tasks_pass_with_a_certificate(
    tasks: Mapping[str, TaskFolder], executor: Executor, variant: str
) -> None:
    finding = Reproducible(min_margin=0).check(tasks[variant], executor)
    assert (finding.check.verdict, finding.check.value, finding.repair) == ("valid", 1.0, None)
    certificate = finding.proofs.certificate
    assert certificate is not None
    assert [environment.name for environment in certificate.environments] == [
        m.name for m in executor.matrix
    ]
    assert all(
        environment.agrees and "numpy" in environment.versions
        for environment in certificate.environments
    )
    assert certificate.share_of_tolerance == 0.1
    assert (certificate.margin is not None) == bool(tasks[variant].truth.grading.scores)


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_truth_with_one_changed_cell(
    tasks: Mapping[str, TaskFolder], executor: Executor, tmp_path: Path, variant: str
) -> None:
    task = tasks[variant]
    target = task.spec.instructions.targets[0]

    def spoil(truth: pl.DataFrame) -> pl.DataFrame:
        other = pl.col(target).filter(pl.col(target) != pl.col(target).gather(3)).first()
        place = pl.int_range(pl.len()) == 3
        return truth.with_columns(pl.when(place).then(other).otherwise(target).alias(target))

    finding = refused(Reproducible().check(with_truth(task, tmp_path, spoil), executor))
    assert finding.check.value == 0
    assert "6 of 6 environments disagree: reference, jitter" in finding.check.evidence
    assert finding.repair == Repair(salt=1, avoid_models=(estimator(task),))
    assert finding.proofs.certificate is not None
    assert not any(environment.agrees for environment in finding.proofs.certificate.environments)


def test_environments_may_use_a_tenth_of_the_tolerance(
    tasks: Mapping[str, TaskFolder], executor: Executor, tmp_path: Path
) -> None:
    (target,) = tasks["reg-if"].spec.instructions.targets

    def scaled(factor: float) -> TaskFolder:
        grow: Change = lambda truth: truth.with_columns(pl.col(target) * factor)  # noqa: E731
        return with_truth(tasks["reg-if"], tmp_path, grow)

    apart = scaled(1 + 5e-6)
    # The grader that ships accepts what the gate does not.
    answer = pl.read_parquet(tasks["reg-if"].truth_file)
    assert score(answer_of(apart), answer).score == 1.0
    refused(Reproducible().check(apart, executor))
    assert Reproducible().check(scaled(1 + 5e-7), executor).check.verdict == "valid"


def test_an_estimator_whose_seed_nobody_stated(
    tasks: Mapping[str, TaskFolder], executor: Executor, tmp_path: Path
) -> None:
    """Every run is another; also the reference's own."""
    task = with_fit(
        tasks["reg-if"],
        tmp_path / "task",
        estimator="DecisionTreeRegressor",
        module="sklearn.tree",
        arguments={"max_depth": 6, "max_features": 0.5},
    )
    finding = refused(Reproducible().check(task, executor))
    assert "reference" in finding.check.evidence
    assert "kernel" in finding.check.evidence
    assert finding.repair == Repair(salt=1, avoid_models=("DecisionTreeRegressor",))


def test_a_label_that_hangs_by_a_hair(
    tasks: Mapping[str, TaskFolder], executor: Executor, tmp_path: Path
) -> None:
    task = tasks["class-if"]
    first, second, *others = task.truth.grading.scores
    place = pl.int_range(pl.len()) == 3

    def tie(truth: pl.DataFrame) -> pl.DataFrame:
        """In one row the first two classes are as good as equal, and better than all others."""
        graded = [(first, 0.50001), (second, 0.49999), *((name, 0.0) for name in others)]
        return truth.with_columns(
            pl.when(place).then(value).otherwise(name).alias(name) for name, value in graded
        )

    tied = with_truth(task, tmp_path, tie)
    grading = tied.truth.grading.model_copy(update={"rtol": 1e3})
    tied = tied.model_copy(update={"truth": tied.truth.model_copy(update={"grading": grading})})
    finding = refused(Reproducible().check(tied, executor))
    assert finding.check.value == pytest.approx(2e-5)
    assert finding.check.threshold == 1e-4
    assert finding.repair == Repair(salt=1)
    assert Reproducible(min_margin=1e-5).check(tied, executor).check.verdict == "valid"


def test_a_member_that_is_lost_is_owed(tasks: Mapping[str, TaskFolder]) -> None:
    with Executor(ExecutorConfig(timeout_s=0.001)) as executor:
        verdict = judged(tasks["reg-if"], [Reproducible()], executor)
    assert [check.verdict for check in verdict.checks] == ["timeout"]

"""A task passes when its grade kills mutations of every step; an idle step is avoided."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.judging import judged
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Repair
from transform.run.execute import execute
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.step import Step
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates import sensitive
from validate.gates.sensitive import Sensitive
from validate.sensitivity import KillThresholds, measure
from validate.verdict import Finding

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


def with_step(task: TaskFolder, folder: Path, position: int, step: Step) -> TaskFolder:
    """A copy of the task that states one more step, with the truth that it leads to."""
    shutil.copytree(task.folder, folder)
    instructions = task.spec.instructions
    steps = (*instructions.steps[:position], step.spec(), *instructions.steps[position:])
    spec = task.spec.model_copy(
        update={"instructions": instructions.model_copy(update={"steps": steps})}
    )
    truth = execute(Draft(spec=spec, folder=folder, truth=None))
    return TaskFolder(spec=spec, folder=folder, truth=truth)


def idle(task: TaskFolder) -> tuple[int, FilterRange]:
    """A range that no row leaves, and the position of the first such rule."""
    steps = task.spec.instructions.steps
    position = next(i for i, spec in enumerate(steps) if spec.kind == "filter_range")
    rule = FilterRange.model_validate(steps[position].parameters)
    return position + 1, rule.model_copy(update={"low": -1e12, "high": 1e12})


@pytest.mark.parametrize("variant", ["class-if", "reg-if"])
def test_passes_with_what_it_measured(
    tasks: Mapping[str, TaskFolder],
    executor: Executor,
    variant: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = tasks[variant]
    # These tasks are small and were not repaired.
    monkeypatch.setattr(sensitive, "LEAST_MUTATION_SCORE", 0.8)
    verdict = judged(task, [Sensitive()], executor)
    assert verdict.passed, verdict.checks
    assert verdict.proofs.mutations is not None
    assert [step.position for step in verdict.proofs.mutations] == [
        *range(1, len(task.spec.instructions.steps) + 1)
    ]
    assert all(step.detected for step in verdict.proofs.mutations)


def test_avoids_a_step_that_nothing_shows(
    tasks: Mapping[str, TaskFolder], executor: Executor, tmp_path: Path
) -> None:
    position, rule = idle(tasks["reg-if"])
    task = with_step(tasks["reg-if"], tmp_path / "task", position, rule)
    finding = Sensitive().check(task, executor)
    assert finding.check.verdict == "invalid"
    assert finding.check.evidence == (
        f"no mistake is detected in step {position + 1} (filter_range)"
    )
    assert finding.repair == Repair(salt=1, avoid_steps=(rule.spec(),))
    assert finding.proofs.mutations is not None


def test_avoids_steps_that_show_too_little(
    tasks: Mapping[str, TaskFolder], executor: Executor
) -> None:
    task = tasks["reg-if"]
    wide = KillThresholds(labels_share=0.003, rows_share=0.003)
    measured = executor.compute(measure, task, wide)
    # The first of several mutations survives; each step still has one that is killed.
    survived = {"name": "survived", "killed": False}
    weak = [
        step.model_copy(
            update={"mutations": (*step.mutations, step.mutations[0].model_copy(update=survived))}
        )
        for step in measured
    ]
    finding = Sensitive().finding(task, weak)
    assert finding.check.verdict == "invalid"
    assert finding.check.threshold == sensitive.LEAST_MUTATION_SCORE
    assert finding.check.evidence.startswith("too many mistakes go undetected")
    assert finding.repair is not None
    assert len(finding.repair.avoid_steps) == len(weak)


def test_too_few_rules(tasks: Mapping[str, TaskFolder], executor: Executor) -> None:
    n = len(tasks["reg-if"].spec.instructions.steps)
    finding: Finding = Sensitive(min_cleaning_rules=n + 1).check(tasks["reg-if"], executor)
    assert finding.check.verdict == "invalid"
    assert finding.check.evidence == "cleaning rules"
    assert finding.repair == Repair(salt=1)


def test_applies_to_executed_tasks_alone(tasks: Mapping[str, TaskFolder]) -> None:
    for variant, task in tasks.items():
        assert Sensitive().applies_to(task) == variant.endswith("-if")

"""The judge: order, first refusal, and what a gate that fails to answer becomes."""

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
from pydantic import Field

from extract.memory import Memory
from extract.store import Store
from extract.workers import WorkerDied, WorkerTimeout
from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from transform.task import Task
from validate.environments.executor import Executor, ExecutorConfig
from validate.gate import Gate
from validate.judge import judge
from validate.verdict import Check, Finding, Proofs, Verdict

IDLE = Executor(ExecutorConfig())
"""Its workers never start."""


class Scripted(Gate):
    """Answers, or raises, as its maker says."""

    name: ClassVar[str] = "scripted"
    order: ClassVar[int] = 1
    title: str
    outcome: Any = Field(default="valid", exclude=True)
    """No part of a key: an exception is none."""
    variants: tuple[str, ...] = ()
    proofs: Proofs = Proofs()
    repair: Repair | None = None

    def applies_to(self, task: Task) -> bool:
        return not self.variants or task.spec.instructions.variant in self.variants

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        assert executor is IDLE
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        check = Check(name=self.title, verdict=self.outcome)
        return Finding(check=check, proofs=self.proofs, repair=self.repair)


@pytest.fixture(autouse=True)
def gates_of_a_test(monkeypatch: pytest.MonkeyPatch) -> None:
    # The gates above stand in no room, so no code of ours decides what they find.
    monkeypatch.setattr("extract.memory.code_of", lambda module: module)


def tried(task: TaskFolder, *outcomes: Any) -> Verdict:
    return verdict_of(
        task, [Scripted(title=f"gate_{i}", outcome=o) for i, o in enumerate(outcomes)]
    )


def verdict_of(task: TaskFolder, gates: Sequence[Gate]) -> Verdict:
    """What the judge says that remembers nothing."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder).opened()
        return judge(task.keep(store), gates, IDLE, Memory(store))[0]


@pytest.fixture(scope="module")
def task(tasks: Mapping[str, TaskFolder]) -> TaskFolder:
    return tasks["reg-mm"]


def test_all_gates_in_order(task: TaskFolder) -> None:
    verdict = tried(task, "valid", "valid", "valid")
    assert [check.name for check in verdict.checks] == ["gate_0", "gate_1", "gate_2"]
    assert verdict.task_id == task.spec.task_id
    assert verdict.passed
    assert verdict.refusal is None


@pytest.mark.parametrize(
    "outcome", ["invalid", "error", "timeout", ValueError("no"), TimeoutError()]
)
def test_nothing_runs_after_the_first_that_is_not_valid(task: TaskFolder, outcome: Any) -> None:
    verdict = tried(task, "valid", outcome, AssertionError("never asked"))
    assert len(verdict.checks) == 2
    assert not verdict.passed
    assert verdict.refusal == verdict.checks[1]


@pytest.mark.parametrize(
    ("raised", "outcome"),
    [
        (ValueError("unreadable"), "error"),
        (AssertionError("our own mistake"), "error"),
        (MemoryError(), "error"),
        (WorkerDied("the worker ended"), "error"),
        (TimeoutError("after 60 s"), "timeout"),
        (WorkerTimeout("after 60 s"), "timeout"),
    ],
)
def test_a_gate_that_raises_has_said_nothing(
    task: TaskFolder, raised: Exception, outcome: str
) -> None:
    (check,) = tried(task, raised).checks
    assert (check.name, check.verdict) == ("scripted", outcome)
    assert check.evidence == f"{type(raised).__name__}: {raised}"


def test_evidence_of_an_error_is_bounded(task: TaskFolder) -> None:
    (check,) = tried(task, ValueError("x" * 10_000)).checks
    assert len(check.evidence) == 2000


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(3)])
def test_who_stops_the_build_is_heard(task: TaskFolder, stop: BaseException) -> None:
    with pytest.raises(type(stop)):
        tried(task, stop)


def test_a_gate_that_does_not_apply_is_not_asked(task: TaskFolder) -> None:
    deaf = Scripted(title="deaf", outcome=ValueError("asked"), variants=("class-if",))
    verdict = verdict_of(task, [deaf, Scripted(title="last")])
    assert [check.name for check in verdict.checks] == ["last"]


def test_no_gate_no_objection(task: TaskFolder) -> None:
    assert verdict_of(task, []).checks == ()


def test_proofs_add_up_and_only_a_refusal_asks_for_a_repair(task: TaskFolder) -> None:
    graded, repair = Proofs(controls={"truth": (1.0, "ok")}), Repair(salt=1)
    first = Scripted(title="first", proofs=graded, repair=repair)
    assert verdict_of(task, [first, Scripted(title="last")]).repair is None
    refused = Scripted(title="last", outcome="invalid", proofs=Proofs(mutations=()), repair=repair)
    verdict = verdict_of(task, [first, refused])
    assert (verdict.proofs.controls, verdict.proofs.mutations) == (graded.controls, ())
    assert verdict.repair == repair

"""Runs the gates on a task, cheapest first, and stops at the first that is not valid.

Takes a task and the gates; returns the verdict. What each gate found is remembered under the task,
the gate's own fields and the code that it reaches, so that a changed gate is judged anew and no
other. A gate that raises has said nothing about the task: its check becomes `error` (or `timeout`),
which is pending work, never a pass. This module knows no gate by name.
"""

import contextlib
from collections.abc import Sequence

from extract.memory import Memory, Stage
from extract.noun import Noun
from transform.files.task_folder import TaskFolder, laid_out
from transform.task import Task
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.verdict import Check, Finding, Proofs, Verdict

Costs = dict[str, float]
"""CPU seconds by purpose."""


class _Judged(Noun):
    """What one gate found, and what that cost when it was computed."""

    finding: Finding
    cpu_s: Costs


def judge(
    task: Task, gates: Sequence[Gate], executor: Executor, memory: Memory
) -> tuple[Verdict, Costs]:
    """The verdict on a task, and what its checks cost; `gates` in the order of running."""
    checks: list[Check] = []
    proofs, repair = Proofs(), None
    costs: Costs = {}
    with contextlib.ExitStack() as scratch:
        folder = _LaidOutOnce(task, memory, scratch)
        for gate in gates:
            if not gate.applies_to(task):
                continue
            judged = _recalled(gate, task, folder, executor, memory)
            costs |= judged.cpu_s
            checks.append(judged.finding.check)
            proofs = proofs.plus(judged.finding.proofs)
            if judged.finding.check.verdict != "valid":
                repair = judged.finding.repair
                break
    verdict = Verdict(task_id=task.spec.task_id, checks=tuple(checks), proofs=proofs, repair=repair)
    return verdict, costs


class _LaidOutOnce:
    """The folder of a task, made when the first gate has to compute."""

    def __init__(self, task: Task, memory: Memory, scratch: contextlib.ExitStack) -> None:
        self._task, self._store, self._scratch = task, memory.store, scratch
        self._folder: TaskFolder | None = None

    def __call__(self) -> TaskFolder:
        if self._folder is None:
            self._folder = self._scratch.enter_context(laid_out(self._task, self._store))
        return self._folder


def _recalled(
    gate: Gate, task: Task, folder: _LaidOutOnce, executor: Executor, memory: Memory
) -> _Judged:
    return memory.recall(
        Stage(f"gate {gate.name}", (type(gate), _checked)),
        (task, gate, *gate.reads(executor)),
        _Judged,
        lambda: _checked(gate, folder, executor),
        is_final=lambda judged: judged.finding.check.verdict in ("valid", "invalid"),
    )


def _checked(gate: Gate, folder: _LaidOutOnce, executor: Executor) -> _Judged:
    with executor.accounting() as costs, executor.account_to(gate.name):
        finding = _run(gate, folder, executor)
    return _Judged(finding=finding, cpu_s=costs)


def _run(gate: Gate, folder: _LaidOutOnce, executor: Executor) -> Finding:
    try:
        return gate.check(folder(), executor)
    except TimeoutError as error:
        return Finding(check=Check(name=gate.name, verdict="timeout", evidence=_text(error)))
    except Exception as error:
        return Finding(check=Check(name=gate.name, verdict="error", evidence=_text(error)))


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""Runs the gates on a task, cheapest first, and stops at the first that is not valid.

A gate that raises has said nothing about the task: its check becomes `error` (or `timeout`), which
is pending work, never a pass. This module knows no gate by name.
"""

from collections.abc import Sequence

from transform.task import Task
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.verdict import Check, Finding, Proofs, Verdict


def judge(task: Task, gates: Sequence[Gate], executor: Executor) -> Verdict:
    """The verdict on a task; `gates` in the order in which they are to run."""
    checks: list[Check] = []
    proofs = Proofs()
    repair = None
    for gate in gates:
        if not gate.applies_to(task):
            continue
        with executor.account_to(task.spec.task_id, gate.name):
            finding = _run(gate, task, executor)
        checks.append(finding.check)
        proofs = proofs.plus(finding.proofs)
        if finding.check.verdict != "valid":
            repair = finding.repair
            break
    return Verdict(task_id=task.spec.task_id, checks=tuple(checks), proofs=proofs, repair=repair)


def _run(gate: Gate, task: Task, executor: Executor) -> Finding:
    try:
        return gate.check(task, executor)
    except TimeoutError as error:
        return Finding(check=Check(name=gate.name, verdict="timeout", evidence=_said(error)))
    except Exception as error:
        return Finding(check=Check(name=gate.name, verdict="error", evidence=_said(error)))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

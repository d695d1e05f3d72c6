"""Runs the gates on a task, cheapest first, and stops at the first that is not valid.

A gate that raises has said nothing about the task: its check becomes `error` (or `timeout`), which
is owed work, never a pass. This module knows no gate by name.
"""

from collections.abc import Sequence

from transform.task import Task
from validate.gate import Gate, Lab
from validate.verdict import Check, Verdict


def judge(task: Task, gates: Sequence[Gate], lab: Lab) -> Verdict:
    """The verdict on a task; `gates` in the order in which they are to run."""
    checks: list[Check] = []
    for gate in gates:
        if not gate.applies_to(task):
            continue
        checks.append(_run(gate, task, lab))
        if checks[-1].verdict != "valid":
            break
    return Verdict(task_id=task.spec.task_id, checks=tuple(checks))


def _run(gate: Gate, task: Task, lab: Lab) -> Check:
    try:
        return gate.check(task, lab)
    except TimeoutError as error:
        return Check(name=gate.name, verdict="timeout", evidence=_said(error))
    except Exception as error:
        return Check(name=gate.name, verdict="error", evidence=_said(error))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

"""One task from its plan to its proof: execute, judge, and repair at most twice.

Takes a plan of a dataset; returns a `Trial`: the proven task or the refusal, with every attempt and
what each gate said to it. A refusal that names a repair is granted it. Executing a task is
remembered apart from judging it, and each gate under a key of its own (`judge.py`), so a new gate
costs that gate. Nothing is decided here that a gate has not said.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from extract.dataset import RawDataset
from extract.drop import Drop, Reason, task_drop
from extract.memory import Memory, Stage
from transform.draft_task import DesignConfig
from transform.plan import Plan, Repair
from transform.rows.size import SizeConfig
from transform.task import Task
from validate.environments.executor import Executor
from validate.execute_plan import Executed, execute_plan
from validate.gate import Gate
from validate.judge import Costs, judge
from validate.trial import Attempt, Trial
from validate.verdict import Check, Verdict

MAX_REPAIRS = 2
"""A third repair of one task has hardly ever passed, and every attempt costs all gates again."""
_EXECUTE = Stage("execute", (execute_plan,))


@dataclass(frozen=True)
class Prover:
    """What trials are made with; `executor` and `memory` are those of the process."""

    design: DesignConfig
    size: SizeConfig
    gates: Sequence[Gate]
    """In the order in which they are to run."""
    executor: Executor
    memory: Memory

    def prove(self, raw: RawDataset, plan: Plan) -> Trial:
        """Try a plan. Raises what a worker that is lost raises."""
        attempts: list[Attempt] = []
        costs: Costs = {}
        while True:
            attempt, result, spent = self._attempt(raw, plan)
            attempts.append(attempt)
            costs = {k: costs.get(k, 0.0) + spent.get(k, 0.0) for k in {**costs, **spent}}
            repair = _repair(attempt, result)
            if repair is None or len(attempts) > MAX_REPAIRS:
                break
            plan = plan.repaired(repair)
        return Trial(
            task_id=plan.task_id,
            source=raw.ref.key,
            variant=plan.variant,
            attempts=tuple(attempts),
            result=result,
            cpu_s=costs,
        )

    def _attempt(self, raw: RawDataset, plan: Plan) -> tuple[Attempt, Task | Drop, Costs]:
        executed = self._executed(raw, plan)
        task = executed.result
        if isinstance(task, Drop):
            attempt = Attempt(repair=plan.repair, estimator=executed.estimator)
            return attempt, task, executed.cpu_s
        verdict, gate_costs = judge(task, self.gates, self.executor, self.memory)
        attempt = Attempt(repair=plan.repair, estimator=executed.estimator, verdict=verdict)
        costs = {**executed.cpu_s, **gate_costs}
        if verdict.refusal is not None:
            return attempt, _refusal(task, verdict.refusal), costs
        return attempt, _normalised(task, verdict), costs

    def _executed(self, raw: RawDataset, plan: Plan) -> Executed:
        return self.memory.recall(
            _EXECUTE,
            (raw, plan, self.design, self.size),
            Executed,
            lambda: execute_plan(
                raw, plan, self.design, self.size, self.executor, self.memory.store
            ),
            files=lambda executed: executed.files,
            is_final=lambda executed: executed.is_final,
        )


def _normalised(task: Task, verdict: Verdict) -> Task:
    """Open tasks take floor and ceiling from the baselines; forecasts bring their skill."""
    scores = verdict.proofs.baseline_scores
    if scores is None or task.truth.skill is not None or task.spec.instructions.is_executed:
        return task
    skill = json.dumps({"floor": scores.floor, "ceiling": scores.ceiling})
    return task.model_copy(update={"truth": task.truth.model_copy(update={"skill": skill})})


def _repair(attempt: Attempt, result: Task | Drop) -> Repair | None:
    """What may mend a refused attempt."""
    if isinstance(result, Task):
        return None
    if attempt.verdict is not None:
        return attempt.verdict.repair
    if result.reason == Reason.NO_FIT and attempt.estimator is not None:
        return Repair(avoid_models=(attempt.estimator,))
    return None


def _refusal(task: Task, check: Check) -> Drop:
    return task_drop(
        task.spec.task_id,
        task.spec.source.key,
        task.spec.instructions.variant,
        room="validate",
        reason=check.name,
        detail=f"gate {check.name}: {check.evidence or 'below its threshold'}",
        transient=check.verdict in ("error", "timeout"),
        value=check.value,
        threshold=check.threshold,
        evidence=check.evidence,
    )

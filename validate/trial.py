"""One task from its plan to its proof: draft, execute, judge, and repair at most twice.

Takes a plan of a dataset, returns a `Trial`: the proven task or the refusal, with every attempt and
what each gate said to it. A refusal that names a repair is granted it, so the ledger of a build can
say what each gate repaired, refused and cost. Nothing is remembered here, and nothing is decided
that a gate has not said.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.plan import Plan, Repair
from transform.plan_tasks import DesignConfig, draft
from transform.rows.size import SizeConfig
from transform.steps.fitting.fit_predict import UNFIT
from transform.task import Draft, Task, Variant
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.judge import judge
from validate.verdict import Check, Verdict

MAX_REPAIRS = 2


class Attempt(Noun):
    """One draft of a task and how it was judged."""

    repair: Repair
    estimator: str | None = None
    """What the last step fits; None where truth is held out or nothing was drafted."""
    verdict: Verdict | None = None
    """None when nothing could be drafted or executed."""


class Trial(Noun):
    """Everything that came of one plan."""

    task_id: str
    source: str
    """`owner/slug` of the dataset."""
    variant: Variant
    attempts: tuple[Attempt, ...]
    result: Task | Drop
    """A task is proven: the last attempt's verdict passed."""
    cpu_s: dict[str, float] = Field(default_factory=dict)
    """CPU seconds of all attempts by purpose; a matter of this machine, never released."""

    @property
    def verdict(self) -> Verdict | None:
        """How the last attempt was judged."""
        return self.attempts[-1].verdict


def prove(
    raw: RawDataset,
    plan: Plan,
    config: DesignConfig,
    size: SizeConfig,
    gates: Sequence[Gate],
    executor: Executor,
    folder: Path,
) -> Trial:
    """Try a plan; its files lie in `folder`. Raises what a worker that is lost raises."""
    attempts: list[Attempt] = []
    while True:
        with executor.account_to(plan.task_id, "draft"):
            drafted = executor.compute(draft, raw, plan, config, size, folder)
        attempt, result = _judged(drafted, plan, gates, executor)
        attempts.append(attempt)
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
        cpu_s=dict(executor.costs(plan.task_id)),
    )


def _judged(
    drafted: Draft | Drop, plan: Plan, gates: Sequence[Gate], executor: Executor
) -> tuple[Attempt, Task | Drop]:
    if isinstance(drafted, Drop):
        return Attempt(repair=plan.repair), drafted
    estimator = _estimator(drafted)
    task = _executed(drafted, executor)
    if isinstance(task, Drop):
        return Attempt(repair=plan.repair, estimator=estimator), task
    verdict = judge(task, gates, executor)
    attempt = Attempt(repair=plan.repair, estimator=estimator, verdict=verdict)
    if verdict.refusal is not None:
        return attempt, _refusal(task, verdict.refusal)
    return attempt, _with_score_normalisation(task, verdict)


def _estimator(drafted: Draft) -> str | None:
    steps = drafted.spec.instructions.steps
    return str(steps[-1].parameters["estimator"]) if steps else None


def _executed(drafted: Draft, executor: Executor) -> Task | Drop:
    """The task with its truth; held-out truth is known already."""
    truth = drafted.truth
    if truth is None:
        try:
            with executor.account_to(drafted.spec.task_id, "execute"):
                truth = executor.execute(drafted, drafted.private / "truth.parquet")
        except UNFIT as error:
            return _unfit(drafted, f"{type(error).__name__}: {error}")
    return Task(spec=drafted.spec, folder=drafted.folder, truth=truth)


def _with_score_normalisation(task: Task, verdict: Verdict) -> Task:
    """Open tasks take floor and ceiling from the baselines; forecasts bring their skill."""
    baseline_scores = verdict.proofs.baseline_scores
    if (
        baseline_scores is None
        or task.truth.skill is not None
        or task.spec.instructions.is_executed
    ):
        return task
    skill = json.dumps({"floor": baseline_scores.floor, "ceiling": baseline_scores.ceiling})
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
    return Drop(
        key=task.spec.task_id,
        source=task.spec.source.key,
        room="validate",
        reason=check.name,
        detail=f"gate {check.name}: {check.evidence or 'below its threshold'}",
        variant=task.spec.instructions.variant,
        transient=check.verdict in ("error", "timeout"),
        value=check.value,
        threshold=check.threshold,
        evidence=check.evidence,
    )


def _unfit(drafted: Draft, detail: str) -> Drop:
    return Drop(
        key=drafted.spec.task_id,
        source=drafted.spec.source.key,
        room="transform",
        reason=Reason.NO_FIT,
        detail=detail,
        variant=drafted.spec.instructions.variant,
        evidence=detail,
    )

"""A plan is drafted and executed, and what comes of it is put into the store.

Takes a plan of a dataset; returns the task with its truth, or why there is none, and what that
cost. Held-out truth is known with the draft. Nothing is judged here, so that judging anew executes
nothing.
"""

from extract.dataset import RawDataset
from extract.drop import Drop, Reason, task_drop
from extract.noun import Noun
from extract.store import Store
from transform.draft_task import DesignConfig, draft
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Plan
from transform.rows.size import SizeConfig
from transform.run.execute import execute
from transform.steps.fitting.fit_predict import UNFIT
from transform.task import Task
from validate.environments.executor import Executor


class Executed(Noun):
    """What came of drafting a plan and executing the draft."""

    estimator: str | None
    """What the last step fits; None where truth is held out or nothing was drafted."""
    result: Task | Drop
    cpu_s: dict[str, float]
    """CPU seconds by purpose."""

    @property
    def files(self) -> tuple[str, ...]:
        """SHA-256 of the files of the task."""
        return self.result.files if isinstance(self.result, Task) else ()

    @property
    def is_final(self) -> bool:
        """Whether trying again would give the same."""
        return isinstance(self.result, Task) or not self.result.transient


def execute_plan(
    raw: RawDataset,
    plan: Plan,
    design: DesignConfig,
    size: SizeConfig,
    executor: Executor,
    store: Store,
) -> Executed:
    """Draft and execute by the reference. Raises what a worker that is lost raises."""
    with store.scratch() as folder, executor.accounting() as costs:
        with executor.account_to("draft"):
            drafted = executor.compute(draft, raw, plan, design, size, store, folder)
        if isinstance(drafted, Drop):
            return Executed(estimator=None, result=drafted, cpu_s=costs)
        result = _with_truth(drafted, executor, store)
        return Executed(estimator=_estimator(drafted), result=result, cpu_s=costs)


def _with_truth(drafted: Draft, executor: Executor, store: Store) -> Task | Drop:
    truth = drafted.truth
    try:
        if truth is None:
            with executor.account_to("execute"):
                truth = executor.compute(execute, drafted)
    except UNFIT as error:
        return _unfit(drafted, f"{type(error).__name__}: {error}")
    return TaskFolder(spec=drafted.spec, folder=drafted.folder, truth=truth).keep(store)


def _estimator(drafted: Draft) -> str | None:
    steps = drafted.spec.instructions.steps
    return str(steps[-1].parameters["estimator"]) if steps else None


def _unfit(drafted: Draft, detail: str) -> Drop:
    return task_drop(
        drafted.spec.task_id,
        drafted.spec.source.key,
        drafted.spec.instructions.variant,
        room="transform",
        reason=Reason.NO_FIT,
        detail=detail,
        evidence=detail,
    )

"""The grade sees every stated step: see `validate/sensitivity.py`."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from transform.steps import registry
from transform.steps.step import CleaningStep
from transform.task import Task
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.sensitivity import Visibility, measure
from validate.verdict import Finding, Proofs, StepMutations


class Sensitive(Gate):
    """Refuses a task with a step that may be done wrong without harm, or with too few steps.

    The repair is another draw that does not state the very steps that were not seen.
    """

    name: ClassVar[str] = "sensitive"
    order: ClassVar[int] = 80

    min_steps: int = Field(default=8, ge=1)
    """Steps that a task must state."""
    min_cleaning_rules: int = Field(default=3, ge=0)
    """Of these, rules that clean."""
    labels_share: float = Field(default=0.003, gt=0, le=1)
    """Labels that a mutation must change, as a share of the rows; one row at least."""
    rows_share: float = Field(default=0.01, gt=0, le=1)
    """Rows whose scores or numbers a mutation must move, where it changes fewer labels."""
    killed_share: float = Field(default=0.95, ge=0, le=1)
    """Share of all own mutations of a task that must be seen, beside one of every step. Measured:
    at 0.95 none of 69 tasks had under 0.9 of the mutations held back seen, at 0 three of 82."""

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks."""
        return task.spec.instructions.is_executed

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The share of exposed steps, with the others as evidence."""
        steps = task.spec.instructions.steps
        kinds = [type(registry.resolve(spec)) for spec in steps]
        n_rules = sum(issubclass(kind, CleaningStep) for kind in kinds)
        again = Repair(salt=1)
        if len(steps) < self.min_steps:
            return self.refused(len(steps), self.min_steps, "steps", again)
        if n_rules < self.min_cleaning_rules:
            return self.refused(n_rules, self.min_cleaning_rules, "cleaning rules", again)
        visibility = Visibility(self.labels_share, self.rows_share)
        exposure = executor.compute(measure, task, visibility)
        return self._judged(task, exposure)

    def _judged(self, task: TaskFolder, exposure: Sequence[StepMutations]) -> Finding:
        proofs = Proofs(exposure=tuple(exposure))
        hidden = [step for step in exposure if not step.exposed or _may_be_skipped(step)]
        if hidden:
            share = 1 - len(hidden) / len(exposure)
            evidence = f"nothing shows a mistake in {_named(hidden)}"
            return self.refused(share, 1.0, evidence, self._without(task, hidden), proofs)
        seen = [mutation.seen for step in exposure for mutation in step.mutations]
        share = sum(seen) / len(seen)
        if share < self.killed_share:
            dim = [step for step in exposure if not all(v.seen for v in step.mutations)]
            evidence = f"too many mistakes show nothing: {_named(dim)}"
            repair = self._without(task, dim)
            return self.refused(share, self.killed_share, evidence, repair, proofs)
        return self.passed(1.0, 1.0, f"{sum(seen)} of {len(seen)} mutations are seen", proofs)

    def _without(self, task: TaskFolder, steps: Sequence[StepMutations]) -> Repair:
        specs = task.spec.instructions.steps
        return Repair(salt=1, avoid_steps=tuple(specs[step.position - 1] for step in steps))


def _may_be_skipped(step: StepMutations) -> bool:
    """Whether nobody notices that the step is left out, where that leaves an answer at all."""
    return any(v.name == "skip" and not v.seen for v in step.mutations)


def _named(steps: Sequence[StepMutations]) -> str:
    return ", ".join(f"step {step.position} ({step.kind})" for step in steps)

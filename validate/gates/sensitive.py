"""The grade kills mutations of every stated step: see `validate/sensitivity.py`."""

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
from validate.sensitivity import KillThresholds, measure
from validate.verdict import Finding, Proofs, StepMutations

LEAST_MUTATION_SCORE = 0.95
"""Share of a task's own mutations that must be killed, beside one of every step. Measured: at 0.95
none of 69 tasks had under 0.9 of the held-out mutations killed, at 0 three of 82."""


class Sensitive(Gate):
    """Refuses a task with a step that may be done wrong without harm, or with too few to clean.

    The repair is another sample of choices that does not state the very steps that went undetected.
    How many steps a task states is for who drafts it (`InstructionConfig.min_steps`).
    """

    name: ClassVar[str] = "sensitive"
    order: ClassVar[int] = 80

    min_cleaning_rules: int = Field(default=3, ge=0)
    """Steps of a task that must clean."""
    labels_share: float = Field(default=KillThresholds().labels_share, gt=0, le=1)
    """Labels that a mutation must change, as a share of the rows; one row at least."""
    rows_share: float = Field(default=KillThresholds().rows_share, gt=0, le=1)
    """Rows whose scores or numbers a mutation must move, where it changes fewer labels."""

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks."""
        return task.spec.instructions.is_executed

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The share of steps with killed mutations, with the others as evidence."""
        steps = [registry.resolve(spec) for spec in task.spec.instructions.steps]
        n_rules = sum(isinstance(step, CleaningStep) for step in steps)
        if n_rules < self.min_cleaning_rules:
            # Another sample of noise may call for more cleaning.
            repair = Repair(salt=1)
            return self.refused(n_rules, self.min_cleaning_rules, "cleaning rules", repair)
        thresholds = KillThresholds(self.labels_share, self.rows_share)
        return self.finding(task, executor.compute(measure, task, thresholds))

    def finding(self, task: TaskFolder, steps: Sequence[StepMutations]) -> Finding:
        """The same, from what the mutations of each step did."""
        proofs = Proofs(mutations=tuple(steps))
        undetected = [step for step in steps if not step.detected or _may_be_skipped(step)]
        if undetected:
            share = 1 - len(undetected) / len(steps)
            evidence = f"no mistake is detected in {_named(undetected)}"
            return self.refused(share, 1.0, evidence, _without(task, undetected), proofs)
        # Each step is detected somehow; what remains is how many mistakes of the task are.
        killed = [mutation.killed for step in steps for mutation in step.mutations]
        score = sum(killed) / len(killed)
        if score < LEAST_MUTATION_SCORE:
            weak = [step for step in steps if not all(m.killed for m in step.mutations)]
            evidence = f"too many mistakes go undetected: {_named(weak)}"
            return self.refused(score, LEAST_MUTATION_SCORE, evidence, _without(task, weak), proofs)
        return self.passed(1.0, 1.0, f"{sum(killed)} of {len(killed)} mutations are killed", proofs)


def _without(task: TaskFolder, steps: Sequence[StepMutations]) -> Repair:
    specs = task.spec.instructions.steps
    return Repair(salt=1, avoid_steps=tuple(specs[step.position - 1] for step in steps))


def _may_be_skipped(step: StepMutations) -> bool:
    """Whether nobody notices that the step is left out, where that leaves an answer at all."""
    return any(mutation.name == "skip" and not mutation.killed for mutation in step.mutations)


def _named(steps: Sequence[StepMutations]) -> str:
    return ", ".join(f"step {step.position} ({step.kind})" for step in steps)

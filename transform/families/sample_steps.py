"""Samples the steps of an instruction task: every kind proposes itself for the clean tables.

Takes a context of clean tables, returns steps in the order of their stages, and the tables as the
steps leave them. Every kind has random numbers of its own, so that a repair that forbids one step
leaves the others as they are where it can. Which steps an answer really depends on is for
validation to find out.
"""

import random
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from transform.plan import Repair
from transform.proposal import Problem
from transform.seed import derive_seed
from transform.steps.fitting.models import MODELS
from transform.steps.registry import step_classes
from transform.steps.step import CleaningStep, RowRule, Step, StepContext, Workspace

_ROUNDS = 4
"""Cleaning a clean table settles after one round or two; more means rules that undo each other."""


@dataclass(frozen=True)
class SampledChoices:
    """The random choices of one draft, and what must not be chosen."""

    task_id: str
    repair: Repair
    attempt: int = 0

    def rng(self, *purpose: str) -> random.Random:
        """Random numbers for one purpose; other purposes do not disturb them."""
        salt = (str(self.repair.salt), str(self.attempt))
        return random.Random(derive_seed("instructions", self.task_id, *salt, *purpose))

    def options(self, kind: type[Step], context: StepContext, turn: int = 0) -> tuple[Step, ...]:
        """What a kind of step proposes, best first, without what the repair forbids."""
        if kind.kind in self.repair.avoid_kinds:
            return ()
        proposed = kind.choose(context, self.rng(kind.kind, str(turn)))
        return tuple(step for step in proposed if step.spec() not in self.repair.avoid_steps)

    def models(self, problem: Problem) -> list[str]:
        """Estimators for the problem, sampled one after the other by their weights."""
        rng = self.rng("estimators")
        left = {name: m.weight for name, m in MODELS.items() if m.problem == problem}
        names: list[str] = []
        while left:
            names += rng.choices(list(left), list(left.values()))
            del left[names[-1]]
        return [name for name in names if name not in self.repair.avoid_models]


def choose_cleaning(
    context: StepContext, choices: SampledChoices, max_rules_of_kind: int
) -> tuple[tuple[CleaningStep, ...], StepContext]:
    """Cleaning rules in the order of their stages.

    Kinds take turns in random order, so that none takes all the columns that rules may not share.
    """
    kinds = [kind for kind in step_classes() if issubclass(kind, CleaningStep)]
    chosen: list[CleaningStep] = []
    for turn in range(max_rules_of_kind):
        for kind in choices.rng("turns", str(turn)).sample(kinds, len(kinds)):
            # Two rules of a kind never rule the same columns.
            ruled = {other.ruled for other in chosen if isinstance(other, kind)}
            options = choices.options(kind, context, turn)
            step = next((step for step in options if step.ruled not in ruled), None)
            # The next kind sees the table as this rule leaves it, so the two cannot contradict.
            if isinstance(step, CleaningStep):
                work = step.apply(Workspace(context.train, context.val, context.targets))
                chosen.append(step)
                context = context.after(work, step)
    return tuple(sorted(chosen, key=lambda step: kinds.index(type(step)))), context


def settle(cleaning: tuple[CleaningStep, ...], context: StepContext) -> StepContext | None:
    """The context of tables that the cleaning leaves as they are; None when there are none.

    Rows to predict may repeat each other: nothing that is stated removes them.
    """
    cell_by_cell = tuple(s for s in cleaning if not (isinstance(s, RowRule) and s.compares_rows))
    train, val = context.train, context.val
    for _ in range(_ROUNDS):
        clean_train = _clean(train, cleaning, context)
        clean_val = _clean(val, cell_by_cell, context)
        # A fixed point: cleaning it again changes nothing, so noise is all that cleaning undoes.
        if clean_train.equals(train) and clean_val.equals(val):
            return context.after(Workspace(train, val, context.targets))
        train, val = clean_train, clean_val
    return None


def _clean(
    side: pl.DataFrame, cleaning: tuple[CleaningStep, ...], context: StepContext
) -> pl.DataFrame:
    """One table cleaned as if it were train."""
    work = Workspace(side, context.val, context.targets)
    for step in cleaning:
        work = step.apply(work)
    return work.train


def choose_preparing(
    context: StepContext, choices: SampledChoices
) -> tuple[tuple[Step, ...], pl.DataFrame | None]:
    """Steps of each kind that can act, each on the tables that those before it leave.

    Kinds of one stage come in random order, because the first may leave the others nothing to do.
    Also the answer on the clean tables, None when the estimator is not stable on them. Raises what
    an estimator raises that does not fit the table.
    """
    kinds = [kind for kind in step_classes() if not issubclass(kind, CleaningStep)]
    chosen: list[Step] = []
    answer = None
    for stage, alternatives in groupby(kinds, key=lambda kind: kind.stage):
        if stage == "join":
            continue
        same_stage = list(alternatives)
        for kind in choices.rng("turns", stage).sample(same_stage, len(same_stage)):
            # Proposals are best first.
            for step in choices.options(kind, context)[: kind.per_task]:
                work = step.apply(Workspace(context.train, context.val, context.targets))
                chosen.append(step)
                context, answer = context.after(work, step), work.answer
    return tuple(chosen), answer

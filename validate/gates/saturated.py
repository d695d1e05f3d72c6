"""A task is not solved before anyone has thought: by a booster as it comes, or by one column."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from transform.task import Task
from validate.baselines.fit import fitted_baselines
from validate.baselines.heaviest_column import heaviest_column
from validate.baselines.solver import BOOSTER, ONE_FEATURE
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.verdict import Finding


class Saturated(Gate):
    """Refuses what takes no skill; the column that makes it so may be left out.

    Of series, the booster is the one on lags, and the one column is a covariate known in advance.
    """

    name: ClassVar[str] = "saturated"
    order: ClassVar[int] = 53

    booster: float = Field(default=0.98, gt=0, le=1)
    """Score that an untuned booster must stay below."""
    one_feature: float = Field(default=0.95, gt=0, le=1)
    """Score that a tree on one column must stay below."""

    def applies_to(self, task: Task) -> bool:
        """Tasks with held-out truth."""
        return not task.spec.instructions.is_executed

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The score of the booster, or of the one column that is too good."""
        fits = fitted_baselines(task, executor)
        one_feature, booster = fits.score_of(ONE_FEATURE), fits.score_of(BOOSTER)
        assert booster is not None, "baselines of held-out truth have the booster"
        if one_feature is not None and one_feature >= self.one_feature:
            evidence = f"a tree on {', '.join(map(repr, fits.single_features))} alone"
            return self.refused(
                one_feature, self.one_feature, evidence, _without(fits.single_features)
            )
        if booster >= self.booster:
            is_table = task.spec.instructions.grid is None
            # Of a forecast nothing but its covariates can be left out.
            columns = (
                (executor.compute(heaviest_column, task),) if is_table else fits.single_features
            )
            return self.refused(booster, self.booster, "an untuned booster", _without(columns))
        return self.passed(booster, self.booster, "an untuned booster")


def _without(columns: tuple[str, ...]) -> Repair | None:
    return Repair(without_columns=columns) if columns else None

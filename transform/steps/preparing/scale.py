"""Bring numeric columns to one scale, fitted on the training rows."""

import random
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from transform.steps.fitting.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import (
    FITTED_ON,
    FittedOn,
    Mutation,
    Step,
    StepContext,
    StepStage,
    Workspace,
)

Method = Literal["standard", "min_max", "robust"]
_METHODS: tuple[Method, ...] = ("standard", "min_max", "robust")
_SEE_A_HAIR = frozenset(
    ("MLPClassifier", "MLPRegressor", "Lasso", "ElasticNet", "LogisticRegression")
)
"""Estimators that tell standard deviations with ddof 0 and 1 apart; measured."""


class Scale(Step):
    """Shift and divide columns that vary."""

    kind: ClassVar[str] = "scale"
    stage: ClassVar[StepStage] = "scale"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, scale {columns:columns}: {method:choice}, computed for each column over "
        "{source:choice}.",
        {
            "method": {
                "standard": "subtract the mean and divide by the standard deviation (of the "
                "population: ddof 0)",
                "min_max": "subtract the minimum and divide by the maximum less the minimum",
                "robust": "subtract the median and divide by the 75th less the 25th percentile "
                "(with linear interpolation)",
            },
            "source": FITTED_ON,
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    method: Method
    source: FittedOn = "train"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[Scale, ...]":
        """Features with more than two values and a spread, one step a method, in random order.

        None for models that do not see scale. Methods come last of which a detail would not show.
        """
        if not MODELS[context.model].scaling:
            return ()
        # A column of two values is a flag: scaling it changes nothing that anyone would want.
        varied = [c for c in context.numbers if context.train[c].drop_nulls().n_unique() > 2]
        steps = []
        for method in rng.sample(_METHODS, len(_METHODS)):
            # A spread of zero, as of the middle half of a column, divides by nothing.
            columns = tuple(c for c in varied if _fit(_known(context.train[c]), method)[1] > 0)
            if columns:
                steps.append(cls(columns=columns, method=method))
        return tuple(sorted(steps, key=lambda step: not step._is_plain_to(context)))

    def _is_plain_to(self, context: StepContext) -> bool:
        """Whether a look at the rows to predict, or another standard deviation, would show."""
        return (self.method != "standard" or context.model in _SEE_A_HAIR) and any(
            _fit(_known(context.train[c]), self.method)
            != _fit(_known(context.values(c)), self.method)
            for c in self.columns
        )

    def apply(self, work: Workspace) -> Workspace:
        """Numpy on the columns."""
        rows = work.fitting(self.source)
        fits = {
            column: _fit(_known(rows[column]), self.method) for column in work.numeric(self.columns)
        }
        return work.on_both(
            lambda frame: frame.with_columns(_scaled(frame[c], *fit) for c, fit in fits.items())
        )

    def write(self) -> tuple[str, ...]:
        """Pandas statistics on the columns."""
        rows = "train[columns]" if self.source == "train" else "pd.concat([train, val])[columns]"
        shift, spread = {
            "standard": ("rows.mean()", "rows.std(ddof=0)"),
            "min_max": ("rows.min()", "rows.max() - rows.min()"),
            "robust": ("rows.median()", "rows.quantile(0.75) - rows.quantile(0.25)"),
        }[self.method]
        return (
            f"columns = {list(self.columns)!r}",
            f"rows = {rows}.astype(float)",
            f"shift, spread = {shift}, {spread}",
            "for frame in (train, val):",
            "    frame[columns] = (frame[columns] - shift) / spread",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Scale otherwise, or all columns but the last; skipping it makes some solvers crawl."""
        method = self._others()[0]
        wrong = [self.mutated(method, method=method)]
        if len(self.columns) > 1:
            wrong.append(self.mutated("miss_last", columns=self.columns[:-1]))
        return tuple(wrong)

    def _others(self) -> list[Method]:
        return [method for method in _METHODS if method != self.method]


def _known(values: pl.Series) -> npt.NDArray[np.float64]:
    return values.drop_nulls().cast(pl.Float64).to_numpy()


def _scaled(values: pl.Series, shift: float, spread: float) -> pl.Series:
    """By numpy: polars multiplies by the reciprocal of a scalar, which rounds otherwise."""
    numbers = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return pl.Series(values.name, (numbers - shift) / (spread or 1.0), nan_to_null=True)


def _fit(values: npt.NDArray[np.float64], method: Method) -> tuple[float, float]:
    """What to subtract, and what to divide by."""
    if method == "standard":
        return float(np.mean(values)), float(np.std(values))
    if method == "min_max":
        return float(np.min(values)), float(np.max(values) - np.min(values))
    # Linear interpolation, numpy's and pandas' default alike.
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(high - low)

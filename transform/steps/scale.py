"""Bring numeric columns to one scale, fitted on the training rows."""

import random
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from transform.steps.models import MODELS
from transform.steps.phrase import Phrase
from transform.steps.step import SOURCES, Sketch, Source, Stage, Step, Violation, Workspace, slip

Method = Literal["standard", "min_max", "robust"]
_METHODS: tuple[Method, ...] = ("standard", "min_max", "robust")


class Scale(Step):
    """Shift and divide; the spread of a constant column counts as 1."""

    kind: ClassVar[str] = "scale"
    stage: ClassVar[Stage] = "scale"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, scale {columns:columns}: {method:choice}, computed for each column over "
        "{source:choice}; where the divisor is zero, divide by 1.",
        {
            "method": {
                "standard": "subtract the mean and divide by the standard deviation (of the "
                "population: ddof 0)",
                "min_max": "subtract the minimum and divide by the maximum less the minimum",
                "robust": "subtract the median and divide by the 75th less the 25th percentile "
                "(with linear interpolation)",
            },
            "source": SOURCES,
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    method: Method
    source: Source = "train"

    @classmethod
    def choose(cls, sketch: Sketch, rng: random.Random) -> "tuple[Scale, ...]":
        """All features with more than two values, one step a method, in random order.

        None for models that do not see scale. Standard comes first twice as often as the others;
        methods to which the rows to predict would make no difference come last.
        """
        columns = tuple(c for c in sketch.numbers if sketch.train[c].drop_nulls().n_unique() > 2)
        if not MODELS[sketch.model].scaling or not columns:
            return ()
        methods = rng.sample((*_METHODS, "standard"), len(_METHODS) + 1)
        methods.sort(key=lambda method: not _sees_val(sketch, columns, method))
        return tuple(cls(columns=columns, method=method) for method in dict.fromkeys(methods))

    def apply(self, work: Workspace) -> Workspace:
        """Numpy on the columns."""
        rows = work.fitting(self.source)
        fits = {
            column: _fit(rows[column].drop_nulls().cast(pl.Float64).to_numpy(), self.method)
            for column in work.numeric(self.columns)
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
            "    frame[columns] = (frame[columns] - shift) / spread.replace(0, 1)",
        )

    def violations(self) -> tuple[Violation, ...]:
        """Scale otherwise, or all columns but the last; skipping it makes some solvers crawl."""
        method = self._others()[0]
        wrong = [Violation(method, (self.model_copy(update={"method": method}),))]
        if len(self.columns) > 1:
            fewer = self.model_copy(update={"columns": self.columns[:-1]})
            wrong.append(Violation("miss_last", (fewer,)))
        return tuple(wrong)

    def held_back(self) -> tuple[Violation, ...]:
        """Skip it, the third way, looking at the rows to predict, or the spread of a sample."""
        method = self._others()[1]
        both = self.model_copy(update={"source": "both"})
        wrong = [
            Violation("skip", ()),
            Violation(method, (self.model_copy(update={"method": method}),)),
            Violation("fit_on_both", (both,)),
            slip("each_alone", self._each_alone),
        ]
        if self.method == "standard":
            wrong.append(slip("ddof_1", self._of_a_sample))
        return tuple(wrong)

    def _others(self) -> list[Method]:
        return [method for method in _METHODS if method != self.method]

    def _each_alone(self, work: Workspace) -> Workspace:
        """The rows to predict are scaled by their own statistics."""
        by_val = self.apply(replace(work, train=work.val))
        return replace(self.apply(work), val=by_val.val)

    def _of_a_sample(self, work: Workspace) -> Workspace:
        """The divisor of the standard deviation is one less."""
        share = np.sqrt(1 - 1 / work.train.height)
        smaller = pl.col(work.numeric(self.columns)) * share
        return self.apply(work).on_both(lambda frame: frame.with_columns(smaller))


def _sees_val(sketch: Sketch, columns: tuple[str, ...], method: Method) -> bool:
    """Whether the statistics of some column change when the rows to predict are looked at."""
    both = ((sketch.train[column].drop_nulls(), sketch.values(column)) for column in columns)
    return any(
        _fit(train.cast(pl.Float64).to_numpy(), method)
        != _fit(every.cast(pl.Float64).to_numpy(), method)
        for train, every in both
    )


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
    low, middle, high = np.percentile(values, [25, 50, 75])
    return float(middle), float(high - low)

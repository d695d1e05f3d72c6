"""A table as numbers that estimators take: the examples of one target.

Takes a tabular case, returns the features of its rows and each target. Numbers stay, missing is
NaN; instants become their day and the fields of the calendar; texts become codes by frequency in
train, so that the rare ones share a code. What is lost: the words in long texts, and columns beyond
the limit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.series.calendar import CalendarPart, calendar_part
from transform.task import ID_COLUMN
from validate.baselines.solver import Case

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

MAX_COLUMNS = 200
"""Columns that solvers look at, the first in file order; bounds the time."""
MAX_CODES = 250
"""Texts of a column that keep a code of their own; scikit-learn's boosters take at most 255
categories."""
_CALENDAR: tuple[CalendarPart, ...] = ("year", "month", "day", "dayofweek", "hour", "minute")
CALENDAR_FEATURES = 1 + len(_CALENDAR)
"""How many features `calendar` makes of an instant, the day first."""

LARGEST = 1e30
"""Trees compute in 32 bits; beyond that a value is only very large."""


@dataclass(frozen=True)
class Features:
    """Features of train and val side by side, `(n_rows, n_features)`."""

    sources: tuple[str, ...]
    """The column of the table that each feature comes from."""
    is_code: npt.NDArray[np.bool_]
    train: _Floats
    val: _Floats


@dataclass(frozen=True)
class Examples:
    """One target: what there is to learn from, and the rows to be answered."""

    features: Features
    known: _Ints
    """Rows of train that have the target."""
    labels: npt.NDArray[Any] | None
    """The classes, ascending; None where the target is a number."""
    y: _Floats
    """Values of the target at `known`; positions in `labels` where it is a class."""
    seed: int

    @property
    def x(self) -> _Floats:
        """Features of the rows that have the target."""
        return self.features.train[self.known]

    @cached_property
    def rng_order(self) -> _Ints:
        """A random order of the known rows; its beginnings are samples."""
        return np.random.default_rng(self.seed).permutation(len(self.y))

    def sample(self, most: int) -> _Ints:
        """At most so many of the known rows, at random, as positions in `y`."""
        return np.sort(self.rng_order[:most])


def examples_of(case: Case) -> Iterator[tuple[str, Examples]]:
    """Each target with its examples; targets never serve as features."""
    features = _features(case)
    for target in case.instructions.targets:
        # A row may lack one target and teach another, so each has rows of its own.
        values = case.train[target]
        known = np.flatnonzero(values.is_not_null().to_numpy())
        labels, y = None, values.drop_nulls().to_numpy()
        if case.instructions.problem == "classification":
            labels, y = np.unique(y, return_inverse=True)
        yield target, Examples(features, known, labels, y.astype(np.float64), case.seed)


def _features(case: Case) -> Features:
    names = [name for name in case.val.columns if name != ID_COLUMN][:MAX_COLUMNS]
    encodings = [
        encoding for name in names for encoding in encoded(case.train[name], case.val[name])
    ]
    blank = (np.empty((case.train.height, 0)), np.empty((case.val.height, 0)))
    return Features(
        sources=tuple(name for name, *_ in encodings),
        is_code=np.array([is_code for _, is_code, *_ in encodings], dtype=np.bool_),
        train=np.column_stack([train for *_, train, _ in encodings] or [blank[0]]),
        val=np.column_stack([val for *_, val in encodings] or [blank[1]]),
    )


def encoded(train: pl.Series, val: pl.Series) -> Iterator[tuple[str, bool, _Floats, _Floats]]:
    """The features that a column gives: its name, whether they are codes, train and val."""
    if train.dtype == pl.String:
        yield train.name, True, *_codes(train, val)
    elif train.dtype.is_temporal():
        for one, other in zip(calendar(train), calendar(val), strict=True):
            yield train.name, False, one, other
    else:
        yield train.name, False, _numbers(train), _numbers(val)


def _numbers(values: pl.Series) -> _Floats:
    numbers: _Floats = values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return np.clip(numbers, -LARGEST, LARGEST)


def _codes(train: pl.Series, val: pl.Series) -> tuple[_Floats, _Floats]:
    """Ranks by frequency in train; the rare and the unseen share the last code."""
    # Ties by the text, so that codes do not depend on the order of rows.
    counts = train.drop_nulls().value_counts(name=" n").sort([" n", train.name], descending=True)
    kept = counts[train.name].head(MAX_CODES)
    codes = {text: code for code, text in enumerate(kept)}
    one, other = (
        pl.Series([None if text is None else codes.get(text, len(codes)) for text in side])
        for side in (train, val)
    )
    return _numbers(one), _numbers(other)


def calendar(instants: pl.Series) -> list[_Floats]:
    """Days since 1970, then year, month, day, weekday, hour and minute."""
    when = instants.cast(pl.Datetime("us"))
    parts = [calendar_part(when, part) for part in _CALENDAR]
    return [_numbers(part) for part in (when.to_physical() / 86_400e6, *parts)]

"""Leaks of a table of labelled rows: what in a held-out row gives its answer away.

A classification or regression task enters; the columns that betray a target and the faults of its
ids leave. Looked for are copies and near copies under any name, unit, coding or rounding; terms of
sums, differences, products and ratios; single columns that predict (almost) alone, among them
identifiers and groups; columns that are filled in only once the outcome is known; ids and places
that follow the target. Not guaranteed: formulas of three columns and more that are neither sums nor
products, and what was derived afterwards but predicts no better than an honest column.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from extract.evidence.vocabulary import AFTERWARDS, mentions, words
from extract.noun import Noun
from transform.files.task_folder import TaskFolder
from transform.profile.identities import copies, identities
from transform.profile.matrix import SampledMatrix, encode
from transform.task import ID_COLUMN, Instructions
from validate.leakage.answered_rows import Answered, answered
from validate.leakage.leaks import Leaks
from validate.leakage.names import names_rows
from validate.leakage.order import betrayal, ids_ascend
from validate.leakage.single_feature import Kind, alone, chance

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_FEW = 30
"""Rows of a kind without which nothing is said about them."""
_EXPECTED, _ABSENT = 20, 0.1
"""Rows of other labels that chance must bring, and the part of them that counts as none."""
_TELLING = 4
"""Letters from which a word of the target's name counts in another name."""


class TabularLeaksConfig(Noun):
    """From where on a column gives a target away."""

    rows: int = Field(default=2_500, ge=200)
    """Rows of each side that are looked at, sampled by the task's id."""
    one_feature: float = Field(default=0.99, gt=0, le=1)
    """Macro-F1 or R² of a tree on one column."""
    named_after: float = Field(default=0.9, gt=0, le=1)
    """The same for a column that is called after the target or after what follows it."""
    identifier: float = Field(default=0.2, gt=0, le=1)
    """The same, between chance and perfection, for a column whose values only name rows."""
    filled_in: float = Field(default=0.99, gt=0.5, le=1)
    """Share of one label among the rows in which a column has a value, or has none."""
    errors: float = Field(default=6, gt=0)
    """Standard errors by which ids may follow a target or a side."""


def find_leaks(task: TaskFolder, config: TabularLeaksConfig) -> Leaks:
    """What gives a target of the task away."""
    told, rows = task.spec.instructions, answered(task, config.rows)
    leaks = Leaks()
    leaks.faults += _betrayed(task, rows, config)
    names = [name for name in rows.rows.columns if name != ID_COLUMN]
    matrix = encode(rows.rows, names, rows.rows.height, task.spec.task_id)
    features = tuple(name for name in names if name not in told.targets)
    for target in told.targets:
        look = _Look(told, rows, matrix, target, features, config)
        for name, why in look.guilty():
            leaks.blame(name, why)
    return leaks


class _Look:
    """One target beside everything that might betray it."""

    def __init__(
        self,
        told: Instructions,
        rows: Answered,
        matrix: SampledMatrix,
        target: str,
        features: tuple[str, ...],
        config: TabularLeaksConfig,
    ) -> None:
        self.kind: Kind = "classification" if told.problem == "classification" else "regression"
        self.rows, self.matrix, self.target, self.config = rows.rows, matrix, target, config
        self.asked = np.arange(rows.rows.height) >= rows.train.height
        self.features = features
        is_label = self.kind == "classification"
        t = matrix.place[target]
        self.answers = matrix.codes[:, t].astype(float) if is_label else matrix.values[:, t]

    def guilty(self) -> Iterator[tuple[str, str]]:
        """Columns with why, the surest reasons first."""
        copied = copies(self.matrix, self.target)
        found = {name: why for name, why in copied.items() if name in self.features}
        left = tuple(name for name in self.features if name not in found)
        found |= identities(self.matrix, self.target, left)
        yield from found.items()
        for name in self.features:
            if name not in found:
                why = self._alone(name) or self._filled_in(name)
                if why:
                    yield name, why

    def _alone(self, name: str) -> str:
        """Why a column predicts better than a column may, or an empty text."""
        column, asked = self.matrix.column(name), self.asked
        truth = self.answers[asked]
        score = alone(column[~asked], self.answers[~asked], column[asked], truth, self.kind)
        if score >= self.config.one_feature:
            return f"`{name}` alone predicts `{self.target}` with {score:.3f}"
        if score >= self.config.named_after and self._is_named_after(name):
            return f"`{name}` is called after `{self.target}` and predicts it with {score:.3f}"
        floor = chance(truth, self.kind)
        skill = (score - floor) / (1 - floor) if floor < 1 else 0.0
        if skill >= self.config.identifier and names_rows(self.rows[name]):
            return f"`{name}` names rows and yet predicts `{self.target}` with {score:.3f}"
        return ""

    def _is_named_after(self, name: str) -> bool:
        own = {word for word in words(self.target) if len(word) >= _TELLING}
        return bool(own & set(words(name))) or mentions(name, AFTERWARDS)

    def _filled_in(self, name: str) -> str:
        """Why a filled or an empty cell tells the label; an empty text if neither does."""
        if self.kind == "regression":
            return ""
        has = np.isfinite(self.matrix.column(name))
        for what, rows in (("filled", has), ("empty", ~has)):
            if _FEW <= rows.sum() <= len(rows) - _FEW and self._one_label(rows):
                return f"`{name}` is {what} only where `{self.target}` has one value"
        return ""

    def _one_label(self, rows: Bools) -> bool:
        """Whether other labels are rarer among the rows than they could be by chance."""
        labels, counts = np.unique(self.answers[rows], return_counts=True)
        common = labels[counts.argmax()]
        others = int(rows.sum() - counts.max())
        expected = float((self.answers != common).mean() * rows.sum())
        pure = others <= (1 - self.config.filled_in) * rows.sum()
        return bool(pure and expected >= _EXPECTED and others <= _ABSENT * expected)


def _betrayed(task: TaskFolder, rows: Answered, config: TabularLeaksConfig) -> Iterator[str]:
    """Faults of ids and places."""
    told = task.spec.instructions
    if not ids_ascend(told.data, task.public):
        yield "rows do not stand in the order of their ids"
    both = rows.rows
    ids = both[ID_COLUMN].cast(pl.Float64).to_numpy()
    side = (np.arange(both.height) >= rows.train.height).astype(float)
    if betrayal(ids, side, is_label=False) >= config.errors:
        yield "ids tell train rows from held-out rows"
    is_label = told.problem == "classification"
    for target in told.targets:
        values = both[target].rank("dense") if is_label else both[target]
        if betrayal(ids, values.cast(pl.Float64).to_numpy(), is_label) >= config.errors:
            yield f"ids follow the target `{target}`"

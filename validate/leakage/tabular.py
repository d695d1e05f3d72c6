"""Leaks of a table of labelled rows: what in a held-out row gives its answer.

Takes a classification or regression task, returns the columns that leak a target and the faults of
its ids. Looked for are copies and near copies under any name, unit, coding or rounding; terms of
sums, differences, products and ratios; single columns that predict (almost) by themselves, among
them identifiers and groups; columns that are filled in only once the outcome is known; ids and
places that follow the target. Not guaranteed: formulas of three columns and more that are neither
sums nor products, and what was derived afterwards but predicts no better than an honest column.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

from extract.evidence.vocabulary import AFTERWARDS, mentions, words
from transform.files.task_folder import TaskFolder
from transform.profile.identities import copies, identities
from transform.profile.matrix import SampledMatrix, encode
from transform.profile.profile import TargetKind
from transform.profile.single_feature import chance, single_feature_score
from transform.task import ID_COLUMN
from validate.leakage.leaks import Leaks
from validate.leakage.names import names_rows
from validate.leakage.order import follows, ids_ascend
from validate.leakage.rows_with_answers import RowsWithAnswers, rows_with_answers

_Bools = npt.NDArray[np.bool_]
_ROWS = 2_500
"""Rows of each side that are looked at, sampled by the task's id: bounds the time, and scores near
the limits below are known to about 0.01."""
_NAMED_AFTER_SCORE = 0.9
"""Single-feature score from which a column leaks that is called after the target or after what
follows it: the name is a second witness."""
_IDENTIFIER_SKILL = 0.2
"""Single-feature score, between chance (0) and perfection (1), from which an identifier leaks:
names of rows should predict nothing, and what chance brings stays far below."""
_ONE_LABEL_SHARE = 0.99
"""Share of one label among the rows in which a column has a value, or has none, from which its gaps
leak; some cells are always entered by mistake."""
_FEW = 30
"""Rows of a kind without which nothing is said about them."""
_EXPECTED, _ABSENT = 20, 0.1
"""Rows of other labels that chance must bring, and the part of them that counts as none."""
_WORD_LENGTH = 4
"""Letters from which a word of the target's name counts in another name."""


def find_tabular_leaks(task: TaskFolder, max_score: float) -> Leaks:
    """What leaks a target of the task; a column does with a single-feature score of `max_score`."""
    instructions, rows = task.spec.instructions, rows_with_answers(task, _ROWS)
    leaks = Leaks()
    leaks.faults += _order_faults(task, rows)
    names = [name for name in rows.rows.columns if name != ID_COLUMN]
    matrix = encode(rows.rows, names, rows.rows.height, task.spec.task_id)
    features = tuple(name for name in names if name not in instructions.targets)
    is_label = instructions.problem == "classification"
    for target in instructions.targets:
        search = _TargetSearch(rows, matrix, target, features, is_label, max_score)
        for name, why in search.flagged():
            leaks.flag(name, why)
    return leaks


class _TargetSearch:
    """One target beside everything that might leak it."""

    def __init__(
        self,
        rows: RowsWithAnswers,
        matrix: SampledMatrix,
        target: str,
        features: tuple[str, ...],
        is_label: bool,
        max_score: float,
    ) -> None:
        self.kind: TargetKind = "classification" if is_label else "regression"
        self.rows, self.matrix, self.target, self.max_score = rows.rows, matrix, target, max_score
        self.asked = np.arange(rows.rows.height) >= rows.train.height
        self.features = features
        t = matrix.place[target]
        self.answers = matrix.codes[:, t].astype(float) if is_label else matrix.values[:, t]

    def flagged(self) -> Iterator[tuple[str, str]]:
        """Columns with why, the surest reasons first."""
        copied = copies(self.matrix, self.target)
        reasons = {name: why for name, why in copied.items() if name in self.features}
        left = tuple(name for name in self.features if name not in reasons)
        reasons |= identities(self.matrix, self.target, left)
        yield from reasons.items()
        for name in self.features:
            if name not in reasons:
                why = self._predicts(name) or self._filled_in(name)
                if why:
                    yield name, why

    def _predicts(self, name: str) -> str:
        """Why a column predicts better than a column may, or an empty text."""
        column, asked = self.matrix.column(name), self.asked
        known, answers, truth = column[~asked], self.answers[~asked], self.answers[asked]
        score = single_feature_score(known, answers, column[asked], truth, self.kind)
        if score >= self.max_score:
            return f"`{name}` alone predicts `{self.target}` with {score:.3f}"
        if score >= _NAMED_AFTER_SCORE and self._is_named_after(name):
            return f"`{name}` is called after `{self.target}` and predicts it with {score:.3f}"
        floor = chance(truth, self.kind)
        skill = (score - floor) / (1 - floor) if floor < 1 else 0.0
        if skill >= _IDENTIFIER_SKILL and names_rows(self.rows[name]):
            return f"`{name}` names rows and yet predicts `{self.target}` with {score:.3f}"
        return ""

    def _is_named_after(self, name: str) -> bool:
        own = {word for word in words(self.target) if len(word) >= _WORD_LENGTH}
        return bool(own & set(words(name))) or mentions(name, AFTERWARDS)

    def _filled_in(self, name: str) -> str:
        """Why a filled or an empty cell leaks the label; an empty text if neither does."""
        if self.kind == "regression":
            return ""
        has = np.isfinite(self.matrix.column(name))
        for what, rows in (("filled", has), ("empty", ~has)):
            if _FEW <= rows.sum() <= len(rows) - _FEW and self._one_label(rows):
                return f"`{name}` is {what} only where `{self.target}` has one value"
        return ""

    def _one_label(self, rows: _Bools) -> bool:
        """Whether other labels are rarer among the rows than they could be by chance."""
        labels, counts = np.unique(self.answers[rows], return_counts=True)
        common = labels[counts.argmax()]
        others = int(rows.sum() - counts.max())
        expected = float((self.answers != common).mean() * rows.sum())
        pure = others <= (1 - _ONE_LABEL_SHARE) * rows.sum()
        # A label that nearly all rows have is pure anywhere, so its rarity is asked as well.
        return bool(pure and expected >= _EXPECTED and others <= _ABSENT * expected)


def _order_faults(task: TaskFolder, rows: RowsWithAnswers) -> Iterator[str]:
    """Faults of ids and places."""
    instructions = task.spec.instructions
    if not ids_ascend(instructions.data, task.public):
        yield "rows do not stand in the order of their ids"
    both = rows.rows
    ids = both[ID_COLUMN].cast(pl.Float64).to_numpy()
    side = (np.arange(both.height) >= rows.train.height).astype(float)
    if follows(ids, side, is_label=False):
        yield "ids tell train rows from held-out rows"
    is_label = instructions.problem == "classification"
    for target in instructions.targets:
        # Ranks, since labels may be texts.
        values = both[target].rank("dense") if is_label else both[target]
        if follows(ids, values.cast(pl.Float64).to_numpy(), is_label):
            yield f"ids follow the target `{target}`"

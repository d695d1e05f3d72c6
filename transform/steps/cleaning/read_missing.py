"""Read a stated text as a missing value.

Markers such as -999 look like values and `?` turns a numeric column into text; pandas knows neither
by default. A marker stands in cells that are missing in the clean table, and only there.
"""

import math
import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import CellRule, Mutation, StepContext, StepStage, Workspace

_Content = Literal["number", "text"]

_NUMERIC_MARKERS = ("-999", "-9999", "-1", "9999", "99999", "999999")
_TEXT_MARKERS = ("?", "unknown", "not recorded", "missing", "--", "not stated")
"""None of them is missing to pandas by default."""
_MIN_MISSING = 2
_MAX_TOGETHER = 3
"""Columns that one marker rules."""
_SHARE = 3
"""At least one in so many missing cells shows the marker."""


class ReadMissing(CellRule):
    """In some columns one text means missing."""

    kind: ClassVar[str] = "read_missing"
    stage: ClassVar[StepStage] = "markers"
    noise: ClassVar[str] = "missing_marker"
    phrase: ClassVar[Phrase] = Phrase(
        "In {columns:columns} of the training table, a cell whose text is exactly {marker:text} "
        "{means:choice}{type:choice}.",
        {
            "means": {
                "missing": "means that the value is missing",
                "value": "is a value like any other",
                "zero": "means zero",
                "removal": "means that the row is to be removed",
            },
            "type": {"number": "; every other cell there holds a number", "text": ""},
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    marker: str
    type: _Content
    """What the columns hold; numbers are read once the marker is understood."""
    means: Literal["missing", "value", "zero", "removal"] = "missing"

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The numeric columns."""
        return self.columns if self.type == "number" else ()

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[ReadMissing, ...]":
        """For numbers and for text, up to three columns with missing cells and a marker for each.

        Numbers come first, with numeric markers where possible: those are seen when overlooked.
        """
        steps: list[ReadMissing] = []
        features: dict[_Content, tuple[str, ...]]
        features = {"number": context.numbers, "text": context.categories}
        for kind, names in features.items():
            columns = [
                name
                for name in names
                if name not in context.taken and context.train[name].null_count() >= _MIN_MISSING
            ]
            # In table order the first columns would always be the marked ones.
            rng.shuffle(columns)
            for start in range(0, len(columns), _MAX_TOGETHER):
                group = columns[start : start + _MAX_TOGETHER]
                marker = _marker(context, group, kind == "number", rng)
                if marker is not None:
                    steps.append(cls(columns=tuple(group), marker=marker, type=kind))
        return tuple(steps)

    def apply(self, work: Workspace) -> Workspace:
        """Understand the marker, then read numbers as val has them."""
        columns = [c for c in work.present(self.columns) if work.train.schema[c] == pl.String]
        train = work.train
        if self.means == "removal":
            marked = pl.any_horizontal(pl.col(columns) == self.marker).fill_null(value=False)
            train = train.filter(~marked) if columns else train
        else:
            replacement = {"missing": None, "value": self.marker, "zero": "0"}[self.means]
            train = train.with_columns(
                pl.when(pl.col(c) == self.marker)
                .then(pl.lit(replacement, pl.String))
                .otherwise(pl.col(c))
                .alias(c)
                for c in columns
            )
        if self.type == "number":
            # Val was never text: its type is that of the clean column.
            train = train.with_columns(
                pl.col(c).cast(work.val.schema.get(c, pl.Float64())) for c in columns
            )
        return work.on_train(lambda _: train)

    def write(self) -> tuple[str, ...]:
        """Compare texts, then convert with Python's own number parser."""
        columns, marker = list(self.columns), repr(self.marker)
        lines = [f"for column in {columns!r}:"]
        cells = "train[column]"
        if self.means == "removal":
            lines = [
                f"marked = (train[{columns!r}] == {marker}).any(axis=1)",
                "train = train[~marked].reset_index(drop=True)",
                *lines,
            ]
        elif self.means != "value":
            value = "np.nan" if self.means == "missing" else "'0'"
            cells = f"train[column].mask(train[column] == {marker}, {value})"
        return (*lines, f"    train[column] = {cells}{'.astype(float)' * bool(self.text_columns)}")

    def mutations(self) -> tuple[Mutation, ...]:
        """Take the marker for a value or for zero, or overlook the last column."""
        wrong = []
        # A text in a column of numbers cannot be taken for a value: the fit would fail.
        if self.type == "text" or _is_number(self.marker):
            wrong.append(self.mutated("take_for_value", means="value"))
        if self.type == "number":
            wrong.append(self.mutated("take_for_zero", means="zero"))
        if self.type == "text" and len(self.columns) > 1:
            wrong.append(self.mutated("miss_last", columns=self.columns[:-1]))
        return tuple(wrong)

    def noisy_cells(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Markers in at least a third of the missing cells of each column."""
        changed = clean
        for column in self.columns:
            texts = _as_text(clean[column])
            missing = [i for i, text in enumerate(texts) if text is None]
            wanted = max(math.ceil(len(missing) / _SHARE), n // len(self.columns))
            for position in rng.sample(missing, min(len(missing), wanted)):
                texts[position] = self.marker
            changed = changed.with_columns(pl.Series(column, texts, pl.String))
        return changed


def _marker(
    context: StepContext, columns: list[str], numeric: bool, rng: random.Random
) -> str | None:
    """A marker that no cell of the columns could be mistaken for; None when all occur."""
    # A number in a column of texts would be seen at once.
    sentinels = rng.sample(_NUMERIC_MARKERS, len(_NUMERIC_MARKERS)) if numeric else []
    pool = (*sentinels, *rng.sample(_TEXT_MARKERS, len(_TEXT_MARKERS)))
    return next(
        (m for m in pool if not any(_confusable(m, context.values(c)) for c in columns)), None
    )


def _confusable(marker: str, values: pl.Series) -> bool:
    """A number inside the range of the values, or a text that differs only in case and space."""
    if values.dtype == pl.String:
        return any(text.strip().casefold() == marker for text in values.unique().to_list())
    if not _is_number(marker):
        return False
    below, above = values < float(marker), values > float(marker)
    return not (below.all() or above.all())


def _is_number(text: str) -> bool:
    return text.lstrip("-").isdigit()


def _as_text(values: pl.Series) -> list[str | None]:
    """Cells as files show them: numbers as the shortest text that reads back to the same number."""
    if values.dtype == pl.String:
        return values.to_list()
    return [None if value is None else repr(value) for value in values.to_list()]

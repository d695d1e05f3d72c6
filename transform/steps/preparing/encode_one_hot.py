"""Replace categories by one 0/1 column each.

The categories are those of the training rows; a row to predict with another one gets zeros.
"""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.preparing.encode_ordinal import EncodeOrdinal
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_MAX_CATEGORIES = 20


class EncodeOneHot(Step):
    """Indicator columns at the end of the table, sorted by text."""

    kind: ClassVar[str] = "encode_one_hot"
    stage: ClassVar[StepStage] = "encode"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, one-hot encode {columns:columns}: for each of these columns in turn, "
        "append a column for each text that occurs in the training rows{drop:choice}, in code "
        "point order, 1 where the cell is that text and 0 elsewhere; then remove the columns. A "
        "text that does not occur in the training rows, or a missing one, gives zeros.",
        {"drop": {"none": "", "first": " but the first"}},
    )

    columns: tuple[str, ...] = Field(min_length=1)
    drop: Literal["none", "first"] = "none"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[EncodeOneHot, ...]":
        """One step for all text features with few categories."""
        columns = [
            column
            for column in context.categories
            if 0 < context.train[column].drop_nulls().n_unique() <= _MAX_CATEGORIES
        ]
        # Two pairs of column and text may spell one name.
        new = [f"{c}={text}" for c in columns for text in _categories(context.train[c])]
        unique = len({*new, *context.train.columns}) == len(new) + context.train.width
        return (cls(columns=tuple(columns)),) if columns and unique else ()

    def apply(self, work: Workspace) -> Workspace:
        """Compare with each category of train."""
        columns = work.present(self.columns)
        skipped = 0 if self.drop == "none" else 1
        indicators = [
            (pl.col(column) == text)
            # Missing is no text: it gets zeros like an unknown one.
            .fill_null(value=False)
            .cast(pl.Float64)
            .alias(f"{column}={text}")
            for column in columns
            for text in _categories(work.train[column])[skipped:]
        ]
        return work.on_both(lambda frame: frame.with_columns(indicators).drop(columns))

    def write(self) -> tuple[str, ...]:
        """Compare with each category of train."""
        texts = "sorted(train[column].dropna().unique())" + "[1:]" * (self.drop == "first")
        return (
            f"for column in {list(self.columns)!r}:",
            f"    texts = {texts}",
            "    train, val = (",
            "        pd.concat(",
            "            [frame.drop(columns=column)]",
            '            + [(frame[column] == text).astype(float).rename(f"{column}={text}")'
            " for text in texts],",
            "            axis=1,",
            "        )",
            "        for frame in (train, val)",
            "    )",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Number the categories, or lose the columns by not encoding them."""
        numbered = EncodeOrdinal(columns=self.columns)
        return (Mutation("ordinal", (numbered,)), Mutation("skip", ()))


def _categories(values: pl.Series) -> list[str]:
    # Code points, as Python and pandas sort; a locale would sort otherwise.
    return sorted(values.drop_nulls().unique().to_list())

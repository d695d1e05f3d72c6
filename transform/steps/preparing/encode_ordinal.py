"""Replace categories by their numbers.

The categories are those of the training rows; any other, and a missing one, is -1. That is not said
where there are none.
"""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, Workspace

_Order = Literal["text", "appearance", "frequency"]
_MIN_TEXTS = 4
"""With three, a third of all orders are alike."""
_ORDERS: tuple[_Order, ...] = ("appearance", "frequency", "text")


class EncodeOrdinal(Step):
    """Codes from 0 in place of texts."""

    kind: ClassVar[str] = "encode_ordinal"
    stage: ClassVar[StepStage] = "encode"
    phrase: ClassVar[Phrase] = Phrase(
        "In both tables, replace each text of {columns:columns} by its number: the different texts "
        "of a column in the training rows are numbered from 0 {order:choice}{others:choice}.",
        {
            "others": {
                "minus_one": "; a text that does not occur there, or a missing one, becomes -1",
                "none": "",
            },
            "order": {
                "text": "in code point order",
                "appearance": "in the order in which they first appear",
                "frequency": "from the most to the least frequent, equally frequent ones in code "
                "point order",
            },
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    order: _Order = "text"
    others: Literal["minus_one", "none"] = "minus_one"
    """What becomes of texts that train does not have; `none` where there are none."""

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[EncodeOrdinal, ...]":
        """One step for all text features that are left, by text or frequency in random order.

        None where no column has texts enough that orders differ: the same numbers, or the same the
        other way round, tell a model the same. Appearance is left to careless hands.
        """
        cells = [context.train[column].drop_nulls() for column in context.categories]
        by_text, by_frequency = cls(columns=("",)), cls(columns=("",), order="frequency")
        orders = [(by_text._numbered(c), by_frequency._numbered(c)) for c in cells]
        if not any(
            len(one) >= _MIN_TEXTS and one not in (other, other[::-1]) for one, other in orders
        ):
            return ()
        # A clause on other texts is stated only where some row needs it.
        known = all(
            context.train[c].null_count() + context.val[c].null_count() == 0
            and set(context.val[c]) <= set(context.train[c])
            for c in context.categories
        )
        stated: tuple[_Order, _Order] = ("text", "frequency")
        return tuple(
            cls(columns=context.categories, order=order, others="none" if known else "minus_one")
            for order in rng.sample(stated, len(stated))
        )

    def apply(self, work: Workspace) -> Workspace:
        """Look each text up."""
        codes = []
        for column in work.present(self.columns):
            texts = self._numbered(work.train[column].drop_nulls())
            numbers = {text: number for number, text in enumerate(texts)}
            # Where no text is unknown, a null shows a fault of ours.
            other = -1 if self.others == "minus_one" else None
            looked_up = pl.col(column).replace_strict(numbers, default=other, return_dtype=pl.Int64)
            codes.append(looked_up)
        return work.on_both(lambda frame: frame.with_columns(codes))

    def _numbered(self, values: pl.Series) -> list[str]:
        if self.order == "appearance":
            return values.unique(maintain_order=True).to_list()
        if self.order == "text":
            return sorted(values.unique().to_list())
        counts = values.value_counts(name=" n").rows()
        # Equal counts by code point: the order of a hash table is none.
        return [text for text, count in sorted(counts, key=lambda row: (-row[1], row[0]))]

    def write(self) -> tuple[str, ...]:
        """Look each text up; all others are missing until they are filled."""
        others = ".fillna(-1)" if self.others == "minus_one" else ""
        texts = {
            "text": "sorted(train[column].dropna().unique())",
            "appearance": "list(train[column].dropna().unique())",
            "frequency": "sorted(train[column].dropna().unique(),"
            " key=lambda text: (-(train[column] == text).sum(), text))",
        }[self.order]
        return (
            f"for column in {list(self.columns)!r}:",
            f"    texts = {texts}",
            "    codes = {text: code for code, text in enumerate(texts)}",
            "    for frame in (train, val):",
            f"        frame[column] = frame[column].map(codes){others}",
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Number in another order, or lose the columns by not encoding them."""
        other = next(order for order in _ORDERS if order != self.order)
        return (self.mutated(f"by_{other}", order=other), Mutation("skip", ()))

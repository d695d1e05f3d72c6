"""Keep the training rows whose category is in a stated list.

The list holds the categories of the clean training rows; columns whose rows to predict have others
are not chosen, so that the list gives nothing of them away.
"""

import random
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import (
    Mutation,
    RowRule,
    StepContext,
    StepStage,
    Workspace,
    sampled_rows,
)

_MAX_CATEGORIES = 12
_MAX_LENGTH = 60
"""Longer texts are not categories that a person would list."""
_NEW = ("other", "legacy", "test", "pilot", "unassigned", "temporary", "misc", "retired")
_MAX_NEW = 2


class FilterCategories(RowRule):
    """Drop training rows with a category that is not listed."""

    kind: ClassVar[str] = "filter_categories"
    stage: ClassVar[StepStage] = "categories"
    noise: ClassVar[str] = "unexpected_category"
    phrase: ClassVar[Phrase] = Phrase(
        "From the training table, keep only the rows in which {column:column} is one of "
        "{categories:texts}{missing:choice}.",
        {
            "missing": {
                "keep": ", or is missing",
                "remove": "; remove also the rows in which it is missing",
                "unstated": "",
            }
        },
    )

    column: str
    categories: tuple[str, ...] = Field(min_length=1)
    missing: Literal["keep", "remove", "unstated"] = "keep"
    """Rows with a missing category; `unstated` where there are none, and then like `keep`."""

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[FilterCategories, ...]":
        """One rule for each feature with few printable categories, in random order.

        Columns with missing cells come first: only there can the clause on them be seen.
        """
        rules: list[FilterCategories] = []
        for column in context.categories:
            listed = _listed(context, column)
            if column not in context.taken and listed:
                has_missing = context.train[column].null_count() > 0
                missing: Literal["keep", "unstated"] = "keep" if has_missing else "unstated"
                rules.append(cls(column=column, categories=listed, missing=missing))
        rng.shuffle(rules)
        return tuple(sorted(rules, key=lambda rule: rule.missing == "unstated"))

    def apply(self, work: Workspace) -> Workspace:
        """Remove the rows."""
        if not work.present((self.column,)):
            return work
        listed = pl.col(self.column).is_in(list(self.categories))
        # A comparison with missing is missing, neither true nor false.
        keep = listed.fill_null(self.missing != "remove")
        return work.on_train(lambda frame: frame.filter(keep))

    def write(self) -> tuple[str, ...]:
        """A boolean mask."""
        value = f"train[{self.column!r}]"
        expected = f"expected = {value}.isin({list(self.categories)!r})"
        if self.missing != "remove":
            expected += f" | {value}.isna()"
        return (expected, "train = train[expected].reset_index(drop=True)")

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, or overlook a listed category."""
        wrong = [Mutation("skip", ())]
        if len(self.categories) > 1:
            wrong.append(self.mutated("without_last", categories=self.categories[:-1]))
        return tuple(wrong)

    def noisy_rows(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Copies of clean rows with a few new labels, tidy ones that no other rule changes."""
        # A new label that differs in case alone would be undone by another rule.
        known = {category.casefold() for category in self.categories}
        fresh = [label for label in _NEW if label not in known]
        # Numbers from 90 on look like groups that nobody has had yet.
        fresh += [f"group {number}" for number in range(90, 100) if f"group {number}" not in known]
        labels = rng.sample(fresh[: len(_NEW)], _MAX_NEW)
        cells = pl.Series(self.column, [labels[i % _MAX_NEW] for i in range(n)], pl.String)
        return sampled_rows(clean, rng, n).with_columns(cells)


def _listed(context: StepContext, column: str) -> tuple[str, ...]:
    """The categories of train in text order; empty when they cannot be stated in full."""
    texts = sorted(context.train[column].drop_nulls().unique().to_list())
    # A listed category that only val has would say something of val.
    held_out = set(context.val[column].drop_nulls().to_list())
    printable = all(text.isprintable() and 0 < len(text) <= _MAX_LENGTH for text in texts)
    few = 1 < len(texts) <= _MAX_CATEGORIES
    return tuple(texts) if few and printable and held_out <= set(texts) else ()

"""Bring texts that differ only in case and white space to one form.

White space here is the blank and the tab, so that every library agrees on it. Columns are only
chosen when no letter of theirs changes its nature on the way to upper case and back.
"""

import random
import re
from typing import ClassVar, Literal

import polars as pl
from pydantic import Field

from transform.steps.phrase import Phrase
from transform.steps.step import CellRule, Mutation, StepContext, StepStage, Workspace

_MAX_TOGETHER = 3
"""Columns that one step states."""
_MAX_DISTINCT = 1000
"""More texts than this are not categories."""


class NormaliseText(CellRule):
    """Strip ends, collapse inner white space, lower case."""

    kind: ClassVar[str] = "normalise_text"
    stage: ClassVar[StepStage] = "text"
    noise: ClassVar[str] = "text_variant"
    phrase: ClassVar[Phrase] = Phrase(
        "In {columns:columns} of the training table, {form:choice}.",
        {
            "form": {
                "full": "remove blanks and tabs at both ends of each text, replace each run of "
                "blanks and tabs inside it by one blank, and change all letters to lower case",
                "space": "remove blanks and tabs at both ends of each text, and replace each run "
                "of blanks and tabs inside it by one blank",
                "case": "change all letters to lower case",
            }
        },
    )

    columns: tuple[str, ...] = Field(min_length=1)
    form: Literal["full", "space", "case"] = "full"

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[NormaliseText, ...]":
        """Up to three text columns at a time, in random order."""
        columns = [
            column
            for column in context.categories
            if column not in context.taken and _is_safe(context.values(column).unique())
        ]
        rng.shuffle(columns)
        groups = [columns[i : i + _MAX_TOGETHER] for i in range(0, len(columns), _MAX_TOGETHER)]
        return tuple(cls(columns=tuple(group)) for group in groups)

    def apply(self, work: Workspace) -> Workspace:
        """Polars string functions."""
        text = pl.col(work.present(self.columns))
        if self.form != "case":
            text = text.str.strip_chars(" \t").str.replace_all(r"[ \t]+", " ")
        if self.form != "space":
            text = text.str.to_lowercase()
        return work.on_train(lambda frame: frame.with_columns(text))

    def write(self) -> tuple[str, ...]:
        """Pandas string methods."""
        tidy = "train[column]"
        if self.form != "case":
            tidy += r""".str.strip(" \t").str.replace(r"[ \t]+", " ", regex=True)"""
        if self.form != "space":
            tidy += ".str.lower()"
        return (f"for column in {list(self.columns)!r}:", f"    train[column] = {tidy}")

    def mutations(self) -> tuple[Mutation, ...]:
        """Skip it, leave the case, or overlook the last column."""
        wrong = [Mutation("skip", ())]
        if self.form == "full":
            wrong.append(self.mutated("space_only", form="space"))
        if len(self.columns) > 1:
            wrong.append(self.mutated("miss_last", columns=self.columns[:-1]))
        return tuple(wrong)

    def noisy_cells(self, clean: pl.DataFrame, rng: random.Random, n: int) -> pl.DataFrame:
        """Case and white-space variants of random cells, spread evenly over the columns."""
        changed = clean
        for column in self.columns:
            texts = clean[column].to_list()
            eligible = [i for i, text in enumerate(texts) if text and self._variants(text)]
            # Two at least, one of case and one of white space.
            wanted = max(2, n // len(self.columns))
            for turn, position in enumerate(rng.sample(eligible, min(len(eligible), wanted))):
                variants = self._variants(texts[position])
                texts[position] = variants[turn % len(variants)]
            changed = changed.with_columns(pl.Series(column, texts, pl.String))
        return changed

    def _variants(self, text: str) -> list[str]:
        """What a careless hand makes of a tidy text, case and space by turns."""
        # Two blanks inside: a text without a blank has no such variant.
        wide = text.replace(" ", "  ", 1)
        candidates = (text.upper(), f"{wide} ", text.title(), wide, f"  {text}", wide.capitalize())
        return [v for v in dict.fromkeys(candidates) if v != text and self._tidy(v) == text]

    def _tidy(self, text: str) -> str:
        if self.form != "case":
            text = re.sub(r"[ \t]+", " ", text.strip(" \t"))
        return text if self.form == "space" else text.lower()


def _is_safe(texts: pl.Series) -> bool:
    """No blank or unprintable text, and letters whose upper case comes back as the same letter."""
    values = texts.to_list()
    if not 1 < len(values) <= _MAX_DISTINCT:
        return False
    if not all(text.strip() and text.replace("\t", " ").isprintable() for text in values):
        return False
    # Sigma has two lower cases, by its place in the word.
    letters = set("".join(values).lower())
    return all(len(c.upper()) == 1 and c.upper().lower() == c and c != "σ" for c in letters)

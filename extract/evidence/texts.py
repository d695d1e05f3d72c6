"""The words of a source, sentence by sentence, with the place where they stand.

Takes a dataset, returns its sentences. Title, subtitle, tags and description are texts of
strangers: they are cut, searched with expressions that need linear time, and quoted, never obeyed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from extract.dataset import RawDataset

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
_SENTENCE_CHARS = 600
"""Longest piece that an expression searches, which bounds its time."""
_MARKS = re.compile(r"[*_`#>|]+|&gt;")
_QUOTE_CHARS = 160


@dataclass(frozen=True)
class Sentence:
    """A sentence and its place: `title`, `subtitle`, `tag` or `description`."""

    place: str
    text: str

    def quote(self, start: int, end: int) -> str:
        """The words around a match, cut."""
        half = max(0, (_QUOTE_CHARS - (end - start)) // 2)
        cut = self.text[max(0, start - half) : end + half].strip()
        return f'{self.place}: "{cut[:_QUOTE_CHARS]}"'


def sentences(raw: RawDataset) -> Iterator[Sentence]:
    """All sentences without marks of Markdown; a long one comes in pieces."""
    for place, text in (("title", raw.title), ("subtitle", raw.subtitle)):
        yield Sentence(place, without_markup(text))
    for tag in raw.tags:
        yield Sentence("tag", without_markup(tag))
    # Split before marks go, since a line of a list ends without a full stop.
    for part in _SENTENCE_END.split(raw.description):
        text = without_markup(part)
        for start in range(0, len(text), _SENTENCE_CHARS):
            yield Sentence("description", text[start : start + _SENTENCE_CHARS])


def without_markup(text: str) -> str:
    """One line without emphasis."""
    return " ".join(_MARKS.sub(" ", text).split())

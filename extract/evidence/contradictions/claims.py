"""What the words of a source claim in numbers and names: years, rows, columns, files.

Takes a dataset, returns its claims. Only plain forms are read; what is not understood is not a
claim. All expressions need linear time and the description is bounded by extraction.
"""

import re
from dataclasses import dataclass

from extract.dataset import RawDataset
from extract.evidence.texts import Sentence, sentences

_YEAR = r"(?:1[6-9]|20)\d\d"
# Not within a longer number, a decimal or a version.
_ANY_YEAR = re.compile(rf"(?<![\d.,]){_YEAR}(?![\d,]|\.\d)")
_RANGE = re.compile(
    rf"(?<![\d.,])({_YEAR})(?:[-/.]\d\d?){{0,2}}\s*(?:-|–|—|to|until|till|through|and|bis|a|à|ile)\s*"
    rf"(?:[A-Za-z]{{3,9}}\s+(?:\d\d?,?\s+)?)?(?:\d\d?[-/.]){{0,2}}({_YEAR})(?![\d,])",
    re.IGNORECASE,
)
_SHORT_RANGE = re.compile(r"(?<!\d)(20)(\d\d)\s*[-/–]\s*(\d\d)(?!\d|[-/.]\d)")
_OPEN_RANGE = re.compile(
    rf"(?<![\d.,])({_YEAR})(?:[-/.]\d\d?){{0,2}}\s*(?:-|–|—|to|until|till|through|and)\s*(?:the\s+)?"
    r"(?:present|today|now|date|current)",
    re.IGNORECASE,
)
_ABOUT_DATA = re.compile(
    r"\b(?:data|dataset|records?|rows|observations?|covers?|covering|spans?|spanning|period|range|"
    r"collected|from|between|daily|monthly|weekly|hourly|annual|yearly|prices|sales|timeframe|"
    r"historical|coverage)\b",
    re.IGNORECASE,
)
_LATEST_YEAR = 2100
"""What an open range ends with."""
_ROWS = re.compile(
    r"(?<![\d.,])(\d{1,3}(?:[,. ]\d{3})+|\d{2,9})\s?(k\b)?\+?\s+(?:[a-z-]{3,14}\s+){0,2}?"
    r"(?:rows|records|observations|samples|entries|instances|data points|examples)\b",
    re.IGNORECASE,
)
_PARTS = re.compile(r"\b(?:per|each|every|over|more than|subset|sample of|out of)\b", re.IGNORECASE)
_FILE = re.compile(r"[\w-]{1,80}\.(?:csv|tsv|xlsx?|parquet|jsonl?)\b", re.IGNORECASE)
_LISTED = (
    re.compile(r"^\s*(?:[-*•–]+|\d{1,3}[.)])\s*[*_`]{1,3}([^*_`\n]{2,60}?)[:*_`]{1,4}"),
    re.compile(r"^\s*[*_`]{1,3}([^*_`\n]{2,60}?)[*_`]{1,3}\s*(?:\([^)]{1,40}\))?\s*[:–—-]"),
    re.compile(r"^\s*\|\s*[*_`]{1,3}([^*_`|\n]{2,60}?)[*_`]{1,3}\s*[^|]{0,40}\|"),
    re.compile(r"^\s*(?:[-*•–]+|\d{1,3}[.)])\s*([A-Za-z]\w*(?:_\w+)+|[A-Za-z]\w{1,30})\s*[:–—]\s"),
)


@dataclass(frozen=True)
class Claims:
    """What is claimed; empty where nothing is."""

    years: frozenset[int]
    """Every year that is named anywhere, and those within named ranges."""
    period: str | None
    """The range of years that the data is said to have."""
    period_quote: str
    rows: tuple[int, ...]
    rows_quote: str
    columns: tuple[str, ...]
    files: tuple[str, ...]
    """Lower case, without folders."""


def read_claims(raw: RawDataset) -> Claims:
    """All claims of title, subtitle and description."""
    texts = [sentence for sentence in sentences(raw) if sentence.place != "tag"]
    named = [int(y) for s in texts for y in _ANY_YEAR.findall(s.text)]
    spans = [(s, *span) for s in texts for span in _spans(s.text)]
    within = {year for _, first, last in spans for year in range(first, last + 1)}
    stated = next(((s, a, b) for s, a, b in spans if _is_about_data(s)), None)
    rows = [(s, size) for s in texts for size in _sizes(s.text)]
    # A name stands at the head of a line; the rest would only cost time.
    lines = [line[:300] for line in raw.description.split("\n")]
    columns = dict.fromkeys(name for line in lines if (name := _listed(line)))
    files = dict.fromkeys(name.casefold() for name in _FILE.findall(raw.description))
    return Claims(
        years=frozenset(named) | within,
        period=f"{stated[1]} to {stated[2]}" if stated else None,
        period_quote=stated[0].quote(0, 160) if stated else "",
        rows=tuple(size for _, size in rows),
        rows_quote=rows[0][0].quote(0, 160) if rows else "",
        columns=tuple(columns),
        files=tuple(files),
    )


def _is_about_data(sentence: Sentence) -> bool:
    return sentence.place != "description" or bool(_ABOUT_DATA.search(sentence.text))


def _spans(text: str) -> list[tuple[int, int]]:
    """Ranges of years; `2022-23` too."""
    spans = [(int(a), int(b)) for a, b in _RANGE.findall(text)]
    spans += [(int(c + a), int(c + b)) for c, a, b in _SHORT_RANGE.findall(text)]
    spans += [(int(first), _LATEST_YEAR) for first in _OPEN_RANGE.findall(text)]
    # What spans more than five centuries is a range of something else.
    return [(a, b) for a, b in spans if a <= b <= a + 500]


def _sizes(text: str) -> list[int]:
    """Stated numbers of rows, but not of parts of them."""
    if _PARTS.search(text):
        return []
    return [
        int(re.sub(r"\D", "", number)) * (1000 if thousand else 1)
        for number, thousand in _ROWS.findall(text)
    ]


def _listed(line: str) -> str | None:
    """The name of a column at the head of a line of a list."""
    for pattern in _LISTED:
        if match := pattern.match(line):
            return match.group(1).strip(" :`*_|")
    return None

"""Tells the header of a rectangle of text cells from its data.

A header is assumed unless the data say otherwise: the first row is data when it looks like the rows
below it in every column that holds numbers or dates, or, in a table of words, when its words occur
again below. Rows of units or levels under the header are folded into it, and repeats of the header
further down are dropped.
"""

import re

import polars as pl

from extract.reading.types import MISSING

_DATUM = r"^\s*[-+(−]*\s*[$€£¥₹₺₽₩]?\s*[0-9][0-9\s.,:/%TZeE+)−-]*$"
_DATUM_PYTHON = re.compile(_DATUM)
_DATE_LIKE = re.compile(r"[0-9]+[-/.][0-9]+([-/.][0-9]+)?")
_LEVELS = 3
"""At most so many rows of units or levels under a header."""


def split_header(rows: pl.DataFrame) -> tuple[list[str], pl.DataFrame]:
    """Header texts (empty where there is none) and the rows below, both in source order."""
    if rows.height == 0:
        return [""] * rows.width, rows
    first = [(cell or "").strip() for cell in rows.row(0)]
    body = rows.slice(1)
    datum = _datum_shares(body)
    if body.height and _is_data(first, body, datum):
        return [""] * rows.width, rows
    levels = _levels(body)
    headers = [first, *([(c or "").strip() for c in body.row(n)] for n in range(levels))]
    names = [" ".join(dict.fromkeys(filter(None, parts))) for parts in zip(*headers, strict=True)]
    return names, _without_repeats(body.slice(levels), first)


def _datum_shares(body: pl.DataFrame) -> list[float]:
    """For each column the share of numbers and dates among its filled cells."""
    if body.height == 0:
        return [0.0] * body.width
    cell = pl.all().str.strip_chars().str.to_lowercase()
    filled = body.select((~cell.is_in(MISSING)).sum()).row(0)
    datum = body.select(pl.all().str.contains(_DATUM).sum()).row(0)
    return [d / f if f else 0.0 for d, f in zip(datum, filled, strict=True)]


def _is_data(first: list[str], body: pl.DataFrame, datum: list[float]) -> bool:
    """True when the first row is one of the data."""
    columns = [n for n, share in enumerate(datum) if share >= 0.95]
    cells = [first[n] for n in columns if first[n].lower() not in MISSING]
    if not columns:
        return _words_again(first, body)
    if not cells or not all(_DATUM_PYTHON.match(cell) for cell in cells):
        return False
    return not _are_labels(cells, [body.to_series(n) for n in columns])


def _are_labels(cells: list[str], below: list[pl.Series]) -> bool:
    """True for numbers that count the columns, years, or dates above numbers."""
    if len(cells) >= 2 and all(re.fullmatch(r"\d{1,4}", cell) for cell in cells):
        numbers = [int(cell) for cell in cells]
        counted = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        if counted and (numbers[0] in (0, 1) or 1500 <= numbers[0] <= 2200):
            return True
    dates = [bool(_DATE_LIKE.fullmatch(cell)) and cell.count(".") != 1 for cell in cells]
    if len(cells) < 3 or sum(dates) < 0.8 * len(cells) or len(set(cells)) < len(cells):
        return False
    dated = [column.str.contains(r"\d[-/]\d").mean() for column in below]
    return sum(bool(share) for share in dated) < 0.5 * len(dated)


def _words_again(first: list[str], body: pl.DataFrame) -> bool:
    """True when most words of the first row occur again below them: headers do not."""
    filled = [(n, word) for n, word in enumerate(first) if word]
    again = sum(bool((body.to_series(n).str.strip_chars() == word).any()) for n, word in filled)
    # One repeat of the whole header further down is not data.
    repeats = body.height - _without_repeats(body, first).height
    return bool(filled) and not repeats and again > len(filled) / 2


def _levels(body: pl.DataFrame) -> int:
    """How many rows under the header stop at least half of the columns from being numbers."""
    if body.height < 2 * _LEVELS + 2:
        return 0
    votes = []
    tail = _datum_shares(body.slice(_LEVELS))
    for n, share in enumerate(tail):
        head = [(cell or "").strip() for cell in body.to_series(n).head(_LEVELS)]
        odd = [
            i
            for i, cell in enumerate(head)
            if cell.lower() not in MISSING and not _DATUM_PYTHON.match(cell)
        ]
        if share == 1.0 and odd:
            votes.append(odd[-1] + 1)
    return max(votes) if 2 * len(votes) >= max(2, body.width) else 0


def _without_repeats(body: pl.DataFrame, first: list[str]) -> pl.DataFrame:
    if not any(first):
        return body
    cells = [
        pl.col(name).str.strip_chars().fill_null("") == cell
        for name, cell in zip(body.columns, first, strict=True)
    ]
    return body.filter(~pl.all_horizontal(cells))

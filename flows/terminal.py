"""Prints values that strangers wrote, so that no terminal and no spreadsheet obeys them.

Takes texts and cells of datasets and releases; writes plain columns or CSV to standard output.
Control characters, escape sequences and invisible letters never reach the output. Not guaranteed:
that columns stand straight under letters that are wider than one place.
"""

import csv
import io
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from extract.untrusted_text import one_line

LONGEST_CELL = 100
"""Characters of a cell on a terminal; what is longer is cut."""
LONGEST_CSV = 20_000
"""Characters of a cell in CSV: below the 32,767 that spreadsheets take."""


@contextmanager
def any_reader() -> Iterator[None]:
    """Output for those who lack some letters, and for those who go early, as `head` does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left would be flushed at the end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def printable(text: str) -> str:
    """The text with its lines; characters that are not printed stand as their escape.

    Nothing is dropped or trimmed, because blanks and marks may be what a task is about.
    """
    return "".join(c if c == "\n" or c.isprintable() else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def cell(value: Any, longest: int = LONGEST_CELL) -> str:
    """A value as one line for a terminal; None is empty, and a list is joined."""
    return printable(_text(value)).replace("\n", "\\n")[:longest]


def _text(value: Any) -> str:
    if value is None:
        return ""
    return "; ".join(map(str, value)) if isinstance(value, list) else str(value)


def print_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write all rows as CSV under their header."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([_csv_cell(value) for value in row] for row in rows)


def _csv_cell(value: Any) -> str:
    text = one_line(_text(value), LONGEST_CSV)
    # Spreadsheets take such a text for a formula, and formulas read files; a number is none.
    is_formula = not isinstance(value, int | float) and text[:1] in ("=", "+", "-", "@")
    return f"'{text}" if is_formula else text


def print_columns(
    header: Sequence[str], rows: Iterable[Sequence[Any]], longest: int = LONGEST_CELL
) -> None:
    """Write rows in straight columns under their header, two blanks apart."""
    lines = [[cell(value, longest) for value in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())

"""Shows the catalogue of a cache: what is there, what was refused, and why.

Titles and details come from strangers; they are cleaned of control characters, and CSV is quoted.
Reading waits a moment for a fetch that is writing, and changes nothing.
"""

import csv
import io
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from extract.foreign_text import one_line
from extract.kaggle.catalogue import CATALOGUE, COLUMNS, Catalogue
from extract.outcome import DatasetStatus
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED
from flows.settings import Settings

_SHOWN = ("dataset", "version", "status", "reason", "licence", "bytes", "detail")
_LONGEST = 100
_LONGEST_CSV = 20_000


def show_catalogue(settings: Settings, asked: Mapping[str, str], *, as_csv: bool) -> int:
    """Print the datasets that `status`, `reason` and `match` leave; returns the exit code."""
    if asked["status"] not in ("", *get_args(DatasetStatus)):
        known = ", ".join(get_args(DatasetStatus))
        print(f"--status: expected one of {known}; found {asked['status']}", file=sys.stderr)
        return EXIT_REFUSED
    path = settings.source_folder / CATALOGUE
    if not path.is_file():
        print(
            f"no catalogue in {settings.source_folder}; `opendare fetch` makes one, --mirror DIR "
            "names another folder",
            file=sys.stderr,
        )
        return EXIT_REFUSED
    catalogue = Catalogue(path)
    rows = catalogue.rows(tuple(COLUMNS) if as_csv else _SHOWN, **asked)
    totals = sorted(Counter((row["status"], row["reason"]) for row in rows).items())
    with _any_reader():
        if as_csv:
            _print_csv(rows)
            return EXIT_DONE
        _print_table(_SHOWN, [[_shown(row[name], _LONGEST) for name in _SHOWN] for row in rows])
        counts = [[*(_shown(cell, _LONGEST) for cell in kind), str(n)] for kind, n in totals]
        _print_table(("status", "reason", "datasets"), counts)
    return EXIT_DONE


@contextmanager
def _any_reader() -> Iterator[None]:
    """Output for those who lack some letters, and for those who go early, as `head` does."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # What is left would be flushed at the end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_csv(rows: Sequence[Mapping[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_shown(row[name], _LONGEST_CSV) for name in COLUMNS])


def _shown(value: Any, longest: int) -> str:
    """A value as one line that no terminal and no spreadsheet obeys."""
    if value is None:
        return ""
    text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    text = one_line(text, longest)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    console = Console()
    if console.is_terminal:
        table = Table(*header)
        for row in rows:
            table.add_row(*map(Text, row))
        console.print(table)
        return
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for line in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())

"""Shows the catalogue of a cache: what is there, what was refused, and why.

Titles and details come from strangers; they are cleaned of control characters, and CSV is quoted.
Reading waits a moment for a fetch that is writing, and changes nothing.
"""

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from extract.catalogue import COLUMNS, Catalogue, CatalogueBusyError, CatalogueError
from extract.names import clean
from flows.settings import Settings

_SHOWN = ("dataset", "version", "status", "reason", "licence", "bytes", "detail")
_LONGEST = 100
_LONGEST_CSV = 20_000


def show_catalogue(settings: Settings, asked: Mapping[str, str], *, as_csv: bool) -> int:
    """Print the datasets that `status`, `reason` and `match` leave; returns the exit code."""
    path = settings.cache / "catalog.duckdb"
    if not path.is_file():
        print(
            f"no catalogue in {settings.cache}; `opendare fetch` makes one, --mirror DIR names "
            "another folder",
            file=sys.stderr,
        )
        return 2
    catalogue = Catalogue(path)
    try:
        rows = catalogue.rows(tuple(COLUMNS) if as_csv else _SHOWN, **asked)
        totals = catalogue.totals()
    except CatalogueBusyError as error:
        print(error, file=sys.stderr)
        return 3
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 2
    if as_csv:
        _print_csv(rows)
        return 0
    _print_table(_SHOWN, [[_shown(row[name], _LONGEST) for name in _SHOWN] for row in rows])
    _print_table(("status", "reason", "datasets"), [[s, r, str(n)] for s, r, n in totals])
    return 0


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
    text = clean(text, longest)
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

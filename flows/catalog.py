"""Shows the catalogue of a cache: what is there, what was refused, and why.

Titles and details come from strangers; they are cleaned of control characters, and CSV is quoted.
Reading waits a moment for a fetch that is writing, and changes nothing.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from rich.console import Console
from rich.table import Table
from rich.text import Text

from extract.kaggle.catalogue import CATALOGUE, COLUMNS, Catalogue
from extract.outcome import DatasetStatus
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED
from flows.settings import Settings
from flows.terminal import any_reader, cell, print_columns, print_csv

_SHOWN = ("dataset", "version", "status", "reason", "licence", "bytes", "detail")


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
    with any_reader():
        if as_csv:
            print_csv(tuple(COLUMNS), [[row[name] for name in COLUMNS] for row in rows])
            return EXIT_DONE
        _print_table(_SHOWN, [[row[name] for name in _SHOWN] for row in rows])
        counts = [[*kind, n] for kind, n in totals]
        _print_table(("status", "reason", "datasets"), counts)
    return EXIT_DONE


def _print_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    console = Console()
    if not console.is_terminal:
        print_columns(header, rows)
        return
    table = Table(*header)
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    console.print(table)

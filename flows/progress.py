"""Shows how far a build is and what came of it: bars and tables on a terminal, else plain lines.

`Progress` writes to standard error while a stage runs, from any thread; `print_summary` closes a
build on standard output. Nothing here is a record: what a build did stands in its state.
"""

import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text


class Progress:
    """One stage of `total` units, used as a context manager; `advance` when a unit is finished."""

    def __init__(
        self, stage: str, total: int, *, every_s: float = 5.0, stream: TextIO | None = None
    ) -> None:
        """Nothing is written before the context is entered.

        Plain lines come at most every `every_s` seconds, and always when the stage ends; `stream`
        is standard error unless given.
        """
        self._stage = stage
        self._total = total
        self._every_s = every_s
        self._stream = stream or sys.stderr
        self._done = 0
        self._lock = threading.Lock()
        self._bars: Bars | None = None

    def __enter__(self) -> Self:
        """Start the clock and, on a terminal, the bar."""
        self._started = self._told = time.monotonic()
        console = Console(file=self._stream)
        if console.is_terminal:
            self._bars = Bars(
                TextColumn("{task.description:<10}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[key]}", markup=False),
                console=console,
            )
            self._bars.start()
            # A build that is killed could not show it again.
            console.show_cursor(True)
            self._task = self._bars.add_task(self._stage, total=self._total, key="")
        return self

    def advance(self, key: str) -> None:
        """Count one finished unit, named `key`."""
        with self._lock:
            self._done += 1
            if self._bars is not None:
                self._bars.update(self._task, completed=self._done, key=key)
            # The line that ends the stage says the last one.
            elif self._done < self._total and time.monotonic() - self._told >= self._every_s:
                self._say(key)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the bar where it stands, or write the last line; also when the stage failed."""
        with self._lock:
            if self._bars is None:
                self._say("done" if kind is None else "stopped")
            else:
                self._bars.update(self._task, key="")
                self._bars.stop()

    def _say(self, what: str) -> None:
        self._told = time.monotonic()
        seconds = self._told - self._started
        line = f"{self._stage} {self._done}/{self._total} {seconds:.1f} s {what}"
        print(line, file=self._stream, flush=True)


def tell_line(text: str) -> None:
    """One line beside the progress."""
    print(text, file=sys.stderr, flush=True)


class Counting:
    """How far something is whose end is not known; call it with the count so far."""

    def __init__(self, stage: str, unit: str, *, every_s: float = 5.0) -> None:
        """Lines come at most every `every_s` seconds."""
        self._stage, self._unit, self._every_s = stage, unit, every_s
        self._told = time.monotonic()

    def __call__(self, count: int) -> None:
        """Tell the count, if it is time to."""
        if time.monotonic() - self._told >= self._every_s:
            self._told = time.monotonic()
            print(f"{self._stage} {count} {self._unit}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Summary:
    """What a build closes with; every mapping is shown in its own order."""

    funnel: Mapping[str, int]
    """What was left after each room, from sources to released tasks."""
    yields: Mapping[str, float] = field(default_factory=dict)
    """How much the sources gave."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Refusals by reason."""
    gates: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)
    """By gate: tasks refused at first, mended by a repair, lost."""
    variants: Mapping[str, int] = field(default_factory=dict)
    """Released tasks by variant."""
    configs: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Released tasks by config, for train and eval."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time by stage."""


def print_summary(summary: Summary, stream: TextIO | None = None) -> None:
    """Print the summary, by default to standard output; empty parts are left out."""
    console = Console(file=stream or sys.stdout)
    for title, rows in (
        ("walk", {name: str(count) for name, count in summary.funnel.items()}),
        ("yield", {name: f"{share:.3g}" for name, share in summary.yields.items()}),
        ("refused", {name: str(count) for name, count in summary.refused.items()}),
        (
            "gates: refused at first, mended, lost",
            {name: " ".join(f"{n:>4}" for n in counts) for name, counts in summary.gates.items()},
        ),
        ("tasks", {name: str(count) for name, count in summary.variants.items()}),
        (
            "configs: train, eval",
            {name: " ".join(f"{n:>4}" for n in sides) for name, sides in summary.configs.items()},
        ),
        ("seconds", {name: f"{seconds:.1f}" for name, seconds in summary.seconds.items()}),
    ):
        if rows and console.is_terminal:
            console.print(_table(title, rows))
        elif rows:
            print("\n".join(_lines(title, rows)), file=console.file)


def _table(title: str, rows: Mapping[str, str]) -> Table:
    table = Table(title, "", title_justify="left")
    table.columns[1].justify = "right"
    for name, value in rows.items():
        table.add_row(Text(name), value)
    return table


def _lines(title: str, rows: Mapping[str, str]) -> list[str]:
    """Two aligned columns, so that a log can be read and cut."""
    width = max(map(len, rows))
    return [title, *(f"  {name:<{width}}  {value:>8}" for name, value in rows.items())]

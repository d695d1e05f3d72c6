"""What a check looks at, what it says, and how that is shown.

Enters what a user has set up; leaves one `Diagnosis` a check, and rows of them: a table on a
terminal, else aligned plain lines. Texts come clean (`masking.py`), but they are never read as
markup. A diagnosis that asks for action says which; that the repair works is not guaranteed.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from extract.source import SourceKind
from flows.settings import Settings

Severity = Literal["ok", "warning", "broken", "skipped"]
_STYLES: Mapping[Severity, str] = {
    "ok": "green",
    "warning": "yellow",
    "broken": "bold red",
    "skipped": "dim",
}


@dataclass(frozen=True)
class Setup:
    """What is examined."""

    settings: Settings
    environment: Mapping[str, str]
    """As the user gave it."""
    ask_service: Callable[[], str] | None = None
    """Says in a few words that the service of the source has answered, or raises; None: nobody can
    ask."""

    @property
    def source(self) -> SourceKind:
        """The kind of source that datasets come from, with its settings."""
        return self.settings.source.chosen


@dataclass(frozen=True)
class Diagnosis:
    """What came of one check."""

    severity: Severity
    observed: str
    repair: str = ""
    """A command or a sentence; always there for a warning and for what is broken."""

    def __post_init__(self) -> None:
        assert self.repair or self.severity in ("ok", "skipped"), self.observed


@dataclass(frozen=True)
class HealthCheck:
    """One row of the table; `look` may take long or raise, whoever calls it bounds it."""

    name: str
    look: Callable[[Setup], Diagnosis]


def ok(observed: str) -> Diagnosis:
    """Nothing to do."""
    return Diagnosis("ok", observed)


def warning(observed: str, repair: str) -> Diagnosis:
    """A build works, but worse or not for long."""
    return Diagnosis("warning", observed, repair)


def broken(observed: str, repair: str) -> Diagnosis:
    """A build cannot work."""
    return Diagnosis("broken", observed, repair)


def skipped(observed: str) -> Diagnosis:
    """The settings do not ask for it."""
    return Diagnosis("skipped", observed)


def print_diagnoses(diagnoses: Mapping[str, Diagnosis], stream: TextIO | None = None) -> None:
    """One row a check, by default to standard output, and a line that counts."""
    console = Console(file=stream or sys.stdout)
    if console.is_terminal:
        console.print(_table(diagnoses))
    else:
        print("\n".join(_lines(diagnoses)), file=console.file)
    print(_count(diagnoses), file=console.file)


def _table(diagnoses: Mapping[str, Diagnosis]) -> Table:
    table = Table("check", "severity", "found, and what repairs it")
    for name, diagnosis in diagnoses.items():
        style = _STYLES[diagnosis.severity]
        text = Text(diagnosis.observed)
        if diagnosis.repair:
            text.append(f"\n{diagnosis.repair}", style="bold")
        table.add_row(Text(name), Text(diagnosis.severity, style=style), text)
    return table


def _lines(diagnoses: Mapping[str, Diagnosis]) -> list[str]:
    """Three aligned columns; a repair has a line of its own, so that it can be copied."""
    width = max(map(len, diagnoses), default=0)
    lines = []
    for name, diagnosis in diagnoses.items():
        lines.append(f"{name:<{width}}  {diagnosis.severity:<7}  {diagnosis.observed}")
        if diagnosis.repair:
            lines.append(f"{'':<{width}}  repair:  {diagnosis.repair}")
    return lines


def _count(diagnoses: Mapping[str, Diagnosis]) -> str:
    counts = Counter(diagnosis.severity for diagnosis in diagnoses.values())
    parts = [f"{counts[severity]} {severity}" for severity in _STYLES if counts[severity]]
    return ", ".join(parts)

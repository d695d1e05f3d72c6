"""What a check looks at, what it says, and how that is shown.

Enters what a user has set up; leaves one `Finding` a check, and rows of them: a table on a
terminal, else aligned plain lines. Texts come clean (`masking.py`), but they are never read as
markup. A finding that asks for action says which; that the repair works is not guaranteed.
"""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.settings import Settings

Verdict = Literal["ok", "warning", "broken", "skipped"]
_STYLES: Mapping[Verdict, str] = {
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
    ask_kaggle: Callable[[], str] | None = None
    """Says in a few words that the API has answered, or raises; None: nobody can ask."""

    @property
    def uses_kaggle(self) -> bool:
        """Whether datasets come from Kaggle's API."""
        return self.settings.source.kind == "kaggle"


@dataclass(frozen=True)
class Finding:
    """What came of one check."""

    verdict: Verdict
    found: str
    repair: str = ""
    """A command or a sentence; always there for a warning and for what is broken."""

    def __post_init__(self) -> None:
        assert self.repair or self.verdict in ("ok", "skipped"), self.found


@dataclass(frozen=True)
class Check:
    """One row of the table; `look` may take long or raise, whoever calls it bounds it."""

    name: str
    look: Callable[[Setup], Finding]


def ok(found: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", found)


def warning(found: str, repair: str) -> Finding:
    """A build works, but worse or not for long."""
    return Finding("warning", found, repair)


def broken(found: str, repair: str) -> Finding:
    """A build cannot work."""
    return Finding("broken", found, repair)


def skipped(found: str) -> Finding:
    """The settings do not ask for it."""
    return Finding("skipped", found)


def print_findings(findings: Mapping[str, Finding], stream: TextIO | None = None) -> None:
    """One row a check, by default to standard output, and a line that counts."""
    console = Console(file=stream or sys.stdout)
    if console.is_terminal:
        console.print(_table(findings))
    else:
        print("\n".join(_lines(findings)), file=console.file)
    print(_count(findings), file=console.file)


def _table(findings: Mapping[str, Finding]) -> Table:
    table = Table("check", "verdict", "found, and what repairs it")
    for name, finding in findings.items():
        style = _STYLES[finding.verdict]
        said = Text(finding.found)
        if finding.repair:
            said.append(f"\n{finding.repair}", style="bold")
        table.add_row(Text(name), Text(finding.verdict, style=style), said)
    return table


def _lines(findings: Mapping[str, Finding]) -> list[str]:
    """Three aligned columns; a repair has a line of its own, so that it can be copied."""
    width = max(map(len, findings), default=0)
    lines = []
    for name, finding in findings.items():
        lines.append(f"{name:<{width}}  {finding.verdict:<7}  {finding.found}")
        if finding.repair:
            lines.append(f"{'':<{width}}  repair:  {finding.repair}")
    return lines


def _count(findings: Mapping[str, Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings.values())
    told = [f"{counts[verdict]} {verdict}" for verdict in _STYLES if counts[verdict]]
    return ", ".join(told)

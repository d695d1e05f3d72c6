"""Shows what the doctor found: a table on a terminal, else aligned plain lines.

Texts come clean (`masking.py`), but they are never read as markup.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from flows.doctor.finding import Finding, Verdict

_STYLES: Mapping[Verdict, str] = {
    "ok": "green",
    "warning": "yellow",
    "broken": "bold red",
    "skipped": "dim",
}


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

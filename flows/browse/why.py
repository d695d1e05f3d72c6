"""`opendare why`: what was refused of a dataset or of a task, and why.

Takes an opened release and a name; prints the refusals of `data/rejects` with their evidence, what
each reason means, and what is released nevertheless. Evidence is quoted from strangers and is
printed escaped. Not known here: what was repaired before it could be refused; the ledger in the
state folder has that.
"""

import re
from pathlib import Path

from flows.browse.opened import OpenedRelease, ReleaseRow, resolve_name
from flows.browse.tasks import TASK_COLUMNS
from flows.terminal import any_reader, cell, print_columns, printable

REASONS = Path(__file__).parents[2] / "docs" / "drop-reasons.md"
"""The page of all reasons, one a line; meanings stand there only."""
_REFUSAL = ("key", "variant", "room", "reason", "value", "threshold")


def show_why(release: OpenedRelease, name: str, page: Path = REASONS) -> None:
    """Print what was refused of a task or of a source `owner/slug`, and what is released.

    `page` says what reasons mean; nothing is said of them where an installation has none.
    """
    tasks, rejects = release.tasks, release.rejects
    known = [
        *release.sources,
        *(row["key"] for row in rejects),
        *(row["source_ref"] for row in rejects),
        *(row["task_id"] for row in tasks),
        *(row["source_ref"] for row in tasks),
    ]
    full = resolve_name(name, known, f"task or source in {release.folder}")
    refused = [row for row in rejects if full in (row["key"], row["source_ref"])]
    released = [row for row in tasks if full in (row["task_id"], row["source_ref"])]
    with any_reader():
        print(f"{cell(full)}: {len(refused)} refused, {len(released)} released")
        for row in refused:
            _print_refusal(row)
        if released:
            print("\nreleased")
            print_columns(TASK_COLUMNS, [[row[name] for name in TASK_COLUMNS] for row in released])
        if refused:
            _print_meanings({row["reason"] for row in refused}, page)


def _print_refusal(row: ReleaseRow) -> None:
    print()
    print_columns(_REFUSAL, [[row[name] for name in _REFUSAL]])
    texts = [row["detail"] or "", row["evidence"] or ""]
    # The evidence of most refusals is in their detail already.
    for text in texts[:1] if texts[1] in texts[0] else texts:
        print("  " + printable(text).replace("\n", "\n  "))


def _print_meanings(reasons: set[str], page: Path) -> None:
    """A release of another version may have reasons that the page lacks."""
    if not page.is_file():
        return
    listed = re.findall(r"^\| `(\w+)` \| \w+ \| (.+) \|$", page.read_text("utf-8"), re.M)
    print()
    for reason, meaning in listed:
        if reason in reasons:
            print(f"{reason}: {meaning}")
    print(f"all reasons: {printable(str(page))}")

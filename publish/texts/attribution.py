"""Who made the data of a release, under which licence, and what was changed: `LICENSES.md`.

Enter the shipped tasks with their sources; leaves the attribution that open licences ask for, one
section a source. It repeats what the source says about its licence and does not vouch for it.
"""

from collections.abc import Sequence
from itertools import groupby

from extract.dataset import RawDataset
from publish.data.sources import NOTHING_HERE
from publish.data.tasks import Placed
from publish.texts.markdown import link, markdown

_INTRODUCTION = """\
# Licences and attribution

The tasks (questions, instructions, reference programs, checks) and `score.py` are under Apache-2.0.
The data is under the licence of its source, named in the column `license` of every task and below.
No creator of a source endorses this release.

Changes made to all of them: tables were typed, written again as CSV, Parquet or SQLite, given a
random `row_id`, ordered by it and divided into a training part and a held-out part; the target was
removed from the held-out part. Sources whose licence allows no copy are listed with the note that
nothing of their data is here; what their recipes make from them is for its maker's own use.
"""


def attribution(placed: Sequence[Placed]) -> str:
    """The Markdown text, sources by address."""
    ordered = sorted(placed, key=lambda entry: (str(entry.source.ref), entry.task.spec.task_id))
    sections = [
        _section(tasks[0].source, tasks)
        for tasks in (list(group) for _, group in groupby(ordered, lambda entry: entry.source.ref))
    ]
    return "\n".join([_INTRODUCTION, *sections])


def _section(source: RawDataset, placed: Sequence[Placed]) -> str:
    recipe = placed[0].is_recipe
    changes = "".join(f"  - {change}\n" for change in _changes(source, placed))
    evidence = "".join(f"  - {markdown(text)}\n" for text in source.licence.evidence)
    return (
        f"## {markdown(source.title)}\n\n"
        f"- Creator: {markdown(source.creator)}\n"
        f"- Address: {link(source.url)}\n"
        f"- Version: `{source.ref}`\n"
        f"- Licence: {licence_link(source.licence.spdx)}\n"
        f"- Evidence:\n{evidence}"
        f"- Tasks: {len(placed)}\n"
        + (f"- Note: {NOTHING_HERE}\n" if recipe else f"- Changes:\n{changes}")
    )


def licence_link(spdx: str) -> str:
    """A link to the licence's text; a `LicenseRef-` has none."""
    if spdx.startswith("LicenseRef-"):
        return f"`{spdx}` (the source's own statement, see the evidence)"
    return f"[{spdx}](https://spdx.org/licenses/{spdx}.html)"


def _changes(source: RawDataset, placed: Sequence[Placed]) -> list[str]:
    changes = []
    used = {entry.task.spec.table for entry in placed}
    for table in sorted(source.tables, key=lambda table: table.name):
        if table.name not in used:
            continue
        renamed = [column for column in table.columns if column.name != column.source_name]
        pairs = [f"{markdown(c.source_name)} to {markdown(c.name)}" for c in renamed]
        if pairs:
            changes.append(f"columns of {markdown(table.name)} renamed: {', '.join(pairs)}")
        fewest = min(e.task.spec.n_cols for e in placed if e.task.spec.table == table.name)
        if fewest < len(table.columns):
            changes.append(
                f"tasks on {markdown(table.name)} use from {fewest} of {len(table.columns)} columns"
            )
        fewest = min(e.task.spec.n_rows for e in placed if e.task.spec.table == table.name)
        if fewest < table.n_rows:
            changes.append(
                f"tasks on {markdown(table.name)} use from {fewest} of its {table.n_rows} rows"
            )
    noise = sorted({kind for entry in placed for kind in entry.task.spec.noise})
    if noise:
        changes.append(
            f"errors put into training tables on purpose: {', '.join(map(markdown, noise))}"
        )
    return changes or ["none beside those made to all"]

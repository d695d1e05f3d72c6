"""Who made the data of a release, under which licence, and what was changed: `LICENSES.md`.

Takes the shipped tasks with their sources; writes the attribution that open licences ask for, one
section a source. It repeats what the source says about its licence and does not vouch for it.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from extract.dataset import Table
from publish.data.sources import RECIPE_NOTE
from publish.released_task import ReleasedTask
from publish.writer import ReleaseContents, TextWriter
from transform.files.markdown import escaped, link

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


class Attribution(TextWriter):
    """Writes `LICENSES.md`."""

    name = "LICENSES.md"
    order = 80

    def text(self, contents: ReleaseContents) -> str:
        """The attribution of all shipped tasks."""
        return attribution(contents.tasks)


def attribution(tasks: Sequence[ReleasedTask]) -> str:
    """The Markdown text, sources by address."""
    ordered = sorted(tasks, key=lambda entry: (str(entry.source.ref), entry.task_id))
    groups = groupby(ordered, lambda entry: entry.source.ref)
    sections = [_section(list(group)) for _, group in groups]
    return "\n".join([_INTRODUCTION, *sections])


def _section(tasks: Sequence[ReleasedTask]) -> str:
    source, is_recipe = tasks[0].source, tasks[0].is_recipe
    changes = "".join(f"  - {change}\n" for change in _changes(source.tables, tasks))
    evidence = "".join(f"  - {escaped(text)}\n" for text in source.licence.evidence)
    return (
        f"## {escaped(source.title)}\n\n"
        f"- Creator: {escaped(source.creator)}\n"
        f"- Address: {link(source.url, source.url)}\n"
        f"- Version: `{source.ref}`\n"
        f"- Licence: {licence_link(source.licence.spdx)}\n"
        f"- Evidence:\n{evidence}"
        f"- Tasks: {len(tasks)}\n"
        + (f"- Note: {RECIPE_NOTE}\n" if is_recipe else f"- Changes:\n{changes}")
    )


def licence_link(spdx: str) -> str:
    """A link to the licence's text; a `LicenseRef-` has none."""
    if spdx.startswith("LicenseRef-"):
        return f"`{spdx}` (the source's own statement, see the evidence)"
    return f"[{spdx}](https://spdx.org/licenses/{spdx}.html)"


def _changes(tables: Sequence[Table], tasks: Sequence[ReleasedTask]) -> list[str]:
    """What was changed beside what is done to all sources, one line each."""
    changes: list[str] = []
    for table in sorted(tables, key=lambda table: table.name):
        used = [entry for entry in tasks if entry.task.spec.table == table.name]
        if used:
            changes += _changes_of_table(table, used)
    noise = sorted({kind for entry in tasks for kind in entry.task.spec.noise})
    if noise:
        kinds = ", ".join(map(escaped, noise))
        changes.append(f"errors put into training tables on purpose: {kinds}")
    return changes or ["none beside those made to all"]


def _changes_of_table(table: Table, tasks: Sequence[ReleasedTask]) -> Iterator[str]:
    name = escaped(table.name)
    renamed = [column for column in table.columns if column.name != column.source_name]
    if renamed:
        pairs = [f"{escaped(c.source_name)} to {escaped(c.name)}" for c in renamed]
        yield f"columns of {name} renamed: {', '.join(pairs)}"
    # Tasks differ in what they take; the fewest says the most about what was left out.
    n_cols = min(entry.task.spec.n_cols for entry in tasks)
    if n_cols < len(table.columns):
        yield f"tasks on {name} use from {n_cols} of {len(table.columns)} columns"
    n_rows = min(entry.task.spec.n_rows for entry in tasks)
    if n_rows < table.n_rows:
        yield f"tasks on {name} use from {n_rows} of its {table.n_rows} rows"

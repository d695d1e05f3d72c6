"""The private side of a release: what only a grader may read.

Takes the shipped tasks; writes rows of truth, reference program and proofs; of tasks that ship as a
recipe, the recipe in place of truth and program. Nothing of this may stand in any other file, which
`search/answer_leaks.py` checks on the finished folder.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from extract.store import Store
from publish.data.files import read_verified
from publish.data.parquet import TableRow, write_shards
from publish.release import SplitCount
from publish.released_task import ReleasedTask
from publish.writer import ReleaseContents, ReleaseWriter, unsplit
from transform.task import Truth
from validate.verdict import Proofs

ANSWERS_SCHEMA = pa.schema(
    {
        "task_id": pa.string(),
        "truth": pa.binary(),
        "sha256": pa.string(),
        "solution": pa.string(),
        "certificate": pa.string(),
        "controls": pa.string(),
        "skill": pa.string(),
        "recipe": pa.string(),
    }
)
"""`truth` is a Parquet table of the id and answer columns; the last four are JSON or null."""


class AnswersTable(ReleaseWriter):
    """Writes the config `answers`."""

    name = "data/answers"
    order = 40

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `data/answers/<tier>-*.parquet`, rows by task id."""
        # Shards of one tier each: who may not use a tier deletes its files and nothing else.
        for tier in sorted({entry.tier for entry in contents.tasks}):
            rows = [entry for entry in contents.tasks if entry.tier == tier]
            truths = [contents.store.path(entry.task.truth.sha256) for entry in rows]
            sizes = [path.stat().st_size for path in truths]
            row_of = partial(answer_row, store=contents.store)
            write_shards(folder / "data" / "answers", tier, ANSWERS_SCHEMA, rows, sizes, row_of)
        return unsplit("answers", len(contents.tasks))


def answer_row(entry: ReleasedTask, store: Store) -> TableRow:
    """The row that ships; of a recipe without truth and program."""
    truth, proven = entry.task.truth, entry.proven
    proofs = proven.verdict.proofs
    row = {
        "task_id": entry.task_id,
        "truth": None,
        "sha256": truth.sha256,
        "solution": None,
        "certificate": proofs.certificate and proofs.certificate.model_dump_json(),
        "controls": _controls(proofs),
        "skill": truth.skill,
        "recipe": proven.recipe and proven.recipe.model_dump_json(),
    }
    return row if entry.is_recipe else with_truth(row, truth, store)


def with_truth(row: TableRow, truth: Truth, store: Store) -> TableRow:
    """The row with truth and program. Raises `PublishError` when the truth has another hash."""
    content = read_verified(store.path(truth.sha256), row["sha256"])
    return {**row, "truth": content, "solution": truth.program}


def _controls(proofs: Proofs) -> str | None:
    """Score and reason by control submission."""
    if proofs.controls is None:
        return None
    graded = {
        name: {"score": score, "reason": reason}
        for name, (score, reason) in proofs.controls.items()
    }
    return json.dumps(graded)

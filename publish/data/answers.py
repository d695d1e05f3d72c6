"""The private side of a release: what only a grader may read.

Enter the shipped tasks; leave rows of truth, reference program and proofs; of tasks that ship as a
recipe, the recipe in place of truth and program. Nothing of this may stand in any other file, which
`answers_search.py` checks on the finished folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from publish.data.files import read_verified
from publish.data.parquet import Row, write_shards
from publish.data.tasks import Placed
from transform.task import Truth
from validate.verdict import Proofs

ANSWERS = pa.schema(
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


def write_answers(folder: Path, placed: Sequence[Placed]) -> None:
    """Write `<tier>-*.parquet`, rows by task id."""
    for tier in sorted({entry.tier for entry in placed}):
        rows = [entry for entry in placed if entry.tier == tier]
        sizes = [entry.task.truth.path.stat().st_size for entry in rows]
        write_shards(folder, tier, ANSWERS, rows, sizes, answer_row)


def answer_row(entry: Placed) -> Row:
    """The row that ships; of a recipe without truth and program."""
    truth, item = entry.task.truth, entry.item
    row = {
        "task_id": entry.task.spec.task_id,
        "truth": None,
        "sha256": truth.sha256,
        "solution": None,
        "certificate": item.verdict.proofs.certificate
        and item.verdict.proofs.certificate.model_dump_json(),
        "controls": _controls(item.verdict.proofs),
        "skill": truth.skill,
        "recipe": item.recipe and item.recipe.model_dump_json(),
    }
    return row if entry.is_recipe else with_truth(row, truth)


def with_truth(row: Row, truth: Truth) -> Row:
    """The row with truth and program. Raises `PublishError` when the truth has another hash."""
    content = read_verified(truth.path, row["sha256"])
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

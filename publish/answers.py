"""The private side of a release: what only a grader may read.

Enter the shipped tasks; leave rows of truth, reference program and proofs. Nothing of this may
stand in any other file, which `answers_search.py` checks on the finished folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from publish.files import read_verified
from publish.parquet import Row, write_shards
from publish.tasks import Placed
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
    }
)
"""`truth` is a Parquet table of the id and answer columns; the last three are JSON or null."""


def write_answers(folder: Path, placed: Sequence[Placed]) -> None:
    """Write `<lane>-*.parquet`, rows by task id."""
    for lane in sorted({entry.lane for entry in placed}):
        rows = [entry for entry in placed if entry.lane == lane]
        sizes = [entry.task.truth.path.stat().st_size for entry in rows]
        write_shards(folder, lane, ANSWERS, rows, sizes, _row)


def _row(entry: Placed) -> Row:
    truth, proofs = entry.task.truth, entry.item.verdict.proofs
    return {
        "task_id": entry.task.spec.task_id,
        "truth": read_verified(truth.path, truth.sha256),
        "sha256": truth.sha256,
        "solution": truth.program,
        "certificate": proofs.certificate and proofs.certificate.model_dump_json(),
        "controls": _controls(proofs),
        "skill": truth.skill,
    }


def _controls(proofs: Proofs) -> str | None:
    """Score and reason by control submission."""
    if proofs.controls is None:
        return None
    graded = {
        name: {"score": score, "reason": reason}
        for name, (score, reason) in proofs.controls.items()
    }
    return json.dumps(graded)

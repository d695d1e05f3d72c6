"""Everything that was refused, with its reason: a product too.

Takes the refusals of all rooms; writes rows sorted by key, and prints the same rows where no
release goes out. `evidence` is quoted from outside: in the Parquet file it stands as it is, and
whoever shows it must escape it; the printed table is safe for a terminal.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from extract.drop import Drop
from extract.untrusted_text import one_line
from publish.data.parquet import TableRow, write_rows
from publish.release import SplitCount
from publish.writer import ReleaseContents, ReleaseWriter, unsplit

REJECTS_SCHEMA = pa.schema(
    {
        "key": pa.string(),
        "source_ref": pa.string(),
        "variant": pa.string(),
        "room": pa.string(),
        "reason": pa.string(),
        "value": pa.float64(),
        "threshold": pa.float64(),
        "evidence": pa.string(),
        "detail": pa.string(),
    }
)


_MAX_PRINTED = 160
"""Characters of an explanation on a screen; a table of more than two lines a row is not read."""


class RejectsTable(ReleaseWriter):
    """Writes the config `rejects`."""

    name = "data/rejects"
    order = 60

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `data/rejects/rejects-*.parquet`; none at all gives an empty table."""
        rows = reject_rows(contents.rejects)
        write_rows(folder / "data" / "rejects", "rejects", REJECTS_SCHEMA, rows)
        return unsplit("rejects", len(rows))


def reject_rows(rejects: Sequence[Drop]) -> list[TableRow]:
    """One row for each refusal, by key."""
    # Whole drops decide between equal keys, so that no order of what comes in shows.
    ordered = sorted(rejects, key=lambda drop: (drop.key, drop.model_dump_json()))
    return [
        {
            "key": drop.key,
            "source_ref": drop.source,
            "variant": drop.variant,
            "room": drop.room,
            "reason": drop.reason,
            "value": drop.value,
            "threshold": drop.threshold,
            "evidence": drop.evidence or drop.detail,
            "detail": drop.detail,
        }
        for drop in ordered
    ]


def rejects_lines(rejects: Sequence[Drop]) -> list[str]:
    """The same rows for a person at a terminal: what, by whom, why, and the proof."""
    return [_printed(row) for row in reject_rows(rejects)]


def _printed(row: TableRow) -> str:
    measured = ""
    if row["value"] is not None and row["threshold"] is not None:
        measured = f" ({row['value']:.4g}, threshold {row['threshold']:.4g})"
    texts = dict.fromkeys(one_line(row[name], _MAX_PRINTED) for name in ("detail", "evidence"))
    why = "; ".join(text for text in texts if text)
    return f"{one_line(row['key'], _MAX_PRINTED)}: {row['room']}: {row['reason']}{measured}: {why}"

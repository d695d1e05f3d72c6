"""Everything that was refused, with its reason: a product too.

Enter the refusals of all rooms; leave rows sorted by key. `evidence` is quoted from outside and
must be escaped by whoever shows it.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from extract.drop import Drop
from publish.data.parquet import write_rows

REJECTS = pa.schema(
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


def write_rejects(folder: Path, rejects: Sequence[Drop]) -> None:
    """Write all refusals; none at all gives an empty table."""
    rows = [
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
        for drop in sorted(rejects, key=lambda drop: (drop.key, drop.model_dump_json()))
    ]
    write_rows(folder, "rejects", REJECTS, rows)

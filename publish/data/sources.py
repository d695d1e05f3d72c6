"""One row for each dataset that was read: where it came from and what it may be used for.

Enter the datasets of a build, also those that gave no task; leave rows without any of their data.
Those whose licence allows no copy say so in `note`.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from extract.dataset import RawDataset
from publish.data.parquet import write_rows
from publish.selecting.split import SplitEvidence

SOURCES = pa.schema(
    {
        "ref": pa.string(),
        "version": pa.int64(),
        "updated_at": pa.string(),
        "sha256": pa.string(),
        "license": pa.string(),
        "evidence": pa.list_(pa.string()),
        "license_tier": pa.string(),
        "creator": pa.string(),
        "title": pa.string(),
        "url": pa.string(),
        "cluster": pa.string(),
        "freshness": pa.string(),
        "tags": pa.list_(pa.string()),
        "note": pa.string(),
    }
)
NOTHING_HERE = "nothing of its data is in this release: tasks ship as recipes"
"""Said of sources whose licence allows no copy."""


def write_sources(folder: Path, sources: Sequence[RawDataset], evidence: SplitEvidence) -> None:
    """Write all sources by ref; `cluster` and `freshness` are null where they are not known."""
    rows = [
        {
            "ref": source.ref.key,
            "version": source.ref.version,
            "updated_at": source.updated_at,
            "sha256": source.sha256,
            "license": source.licence.spdx,
            "evidence": list(source.licence.evidence),
            "license_tier": source.licence.tier,
            "creator": source.creator,
            "title": source.title,
            "url": source.url,
            "cluster": evidence.clusters.get(source.ref.key),
            "freshness": evidence.freshness.get(source.ref.key),
            "tags": list(evidence.tags.get(source.ref.key, ())),
            "note": NOTHING_HERE if source.licence.tier == "recipe-only" else None,
        }
        for source in sorted(sources, key=lambda source: (source.ref.key, source.ref.version))
    ]
    write_rows(folder, "sources", SOURCES, rows)

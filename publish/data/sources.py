"""One row for each dataset that was read: where it came from and what it may be used for.

Takes the datasets of a build, also those that gave no task; writes rows without any of their data.
Those whose licence allows no copy say so in `note`.
"""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from extract.dataset import RawDataset
from publish.data.parquet import TableRow, write_rows
from publish.release import SplitCount
from publish.selecting.split import SplitEvidence
from publish.writer import ReleaseContents, ReleaseWriter, unsplit

SOURCES_SCHEMA = pa.schema(
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
RECIPE_NOTE = "nothing of its data is in this release: tasks ship as recipes"
"""Said of sources whose licence allows no copy."""


class SourcesTable(ReleaseWriter):
    """Writes the config `sources`."""

    name = "data/sources"
    order = 50

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `data/sources/sources-*.parquet`, rows by ref."""
        ordered = sorted(contents.sources, key=lambda source: (source.ref.key, source.ref.version))
        rows = [source_row(source, contents.evidence) for source in ordered]
        write_rows(folder / "data" / "sources", "sources", SOURCES_SCHEMA, rows)
        return unsplit("sources", len(rows))


def source_row(source: RawDataset, evidence: SplitEvidence) -> TableRow:
    """The row of one source; `cluster` and `freshness` are null where they are not known."""
    key = source.ref.key
    return {
        "ref": key,
        "version": source.ref.version,
        "updated_at": source.updated_at,
        "sha256": source.sha256,
        "license": source.licence.spdx,
        "evidence": list(source.licence.evidence),
        "license_tier": source.licence.tier,
        "creator": source.creator,
        "title": source.title,
        "url": source.url,
        "cluster": evidence.clusters.get(key),
        "freshness": evidence.freshness.get(key),
        "tags": list(evidence.tags.get(key, ())),
        "note": RECIPE_NOTE if source.licence.tier == "recipe-only" else None,
    }

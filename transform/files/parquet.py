"""Writes tables as Parquet with pinned options: same table, same bytes.

Takes a frame, writes one file. `ZSTD_WITH_INDEX` is what every Parquet file of the project shares;
the rows of a release have a schema, row groups and shards of their own (`publish/data/parquet.py`).
Not guaranteed: the same bytes under another version of pyarrow.
"""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from extract.store import sha256_of
from transform.task import ID_COLUMN

ZSTD_WITH_INDEX: dict[str, str | bool] = {"compression": "zstd", "write_page_index": True}
"""Options of pyarrow's writer: small files that a viewer can page through without reading all."""


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write with zstd and no metadata but the schema; strings as plain Arrow strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, **ZSTD_WITH_INDEX)


def write_truth(answer: pl.DataFrame, path: Path) -> str:
    """Write the id and the answer columns by ascending id; returns the SHA-256 of the file."""
    write_parquet(answer.sort(ID_COLUMN), path)
    return sha256_of(path)

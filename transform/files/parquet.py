"""The one way in which transform writes a Parquet file: pinned options, same table, same bytes."""

from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from extract.store import sha256_of
from transform.task import ID_COLUMN


def write_parquet(frame: pl.DataFrame, path: Path) -> None:
    """Write with zstd and no metadata but the schema; strings as plain Arrow strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(table, path, compression="zstd", write_page_index=True)


def write_truth(answer: pl.DataFrame, path: Path) -> str:
    """Write the id and the answer columns by ascending id; returns the SHA-256 of the file."""
    write_parquet(answer.sort(ID_COLUMN), path)
    return sha256_of(path)

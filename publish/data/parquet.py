"""Writes every table of a release with the same, pinned Parquet options.

Takes an explicit schema and rows; writes shards named `<stem>-00000-of-000NN.parquet`. Equal rows
give equal bytes under one version of pyarrow; another version may lay the same values out
differently. Rows are fetched one group at a time, so that contents need not fit in memory.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from publish.release import PublishError

TableRow = Mapping[str, Any]
_Item = TypeVar("_Item")

_GROUP_ROWS = 100
"""A reader fetches whole row groups: small ones let it take one file out of thousands."""
_GROUP_BYTES = 64 * 2**20
"""A group is held in memory while it is written, and while it is searched for answers."""
_SHARD_BYTES = 300 * 10**6
"""A broken transfer costs one shard."""
_ROW_BYTES = 280 * 2**20
"""Readers refuse row groups of 286 MiB; one row is at least a row group."""


def write_rows(folder: Path, stem: str, schema: pa.Schema, rows: Sequence[TableRow]) -> None:
    """Write rows that are in memory; no rows give one empty shard."""
    write_shards(folder, stem, schema, rows, [_size(row) for row in rows], _same)


def write_shards(
    folder: Path,
    stem: str,
    schema: pa.Schema,
    items: Sequence[_Item],
    sizes: Sequence[int],
    row_of: Callable[[_Item], TableRow],
) -> None:
    """Write the row of each item, of about `sizes[i]` bytes, into as few shards as fit.

    Raises `PublishError` when one row is larger than readers accept.
    """
    if max(sizes, default=0) > _ROW_BYTES:
        raise PublishError(
            f"a row of {stem!r} in {folder.name!r} has {max(sizes)} bytes; readers accept at most "
            f"{_ROW_BYTES}. Lower the limit on the size of a task's files."
        )
    folder.mkdir(parents=True, exist_ok=True)
    groups = _packed(sizes, _GROUP_BYTES, _GROUP_ROWS)
    shards = _packed([sum(sizes[place] for place in group) for group in groups], _SHARD_BYTES)
    for number, shard in enumerate(shards or [[]]):
        path = folder / f"{stem}-{number:05d}-of-{len(shards) or 1:05d}.parquet"
        with _writer(path, schema) as writer:
            for group in shard:
                rows = [_complete(row_of(items[place]), schema) for place in groups[group]]
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _same(row: TableRow) -> TableRow:
    return row


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    # Content-defined chunks let the Hub store only what differs between two releases. No Arrow
    # schema in the metadata, so that old and new `datasets` both load it.
    return pq.ParquetWriter(
        path,
        schema,
        version="2.6",
        compression="zstd",
        compression_level=3,
        write_page_index=True,
        use_content_defined_chunking=True,
        store_schema=False,
    )


def _complete(row: TableRow, schema: pa.Schema) -> TableRow:
    assert list(row) == schema.names, f"columns {list(row)} instead of {schema.names}"
    return row


def _packed(sizes: Sequence[int], max_bytes: int, max_items: int = 10_000) -> list[list[int]]:
    """Places in order, cut where a bundle would grow beyond a limit; never an empty bundle."""
    bundles: list[list[int]] = []
    total = 0
    for place, size in enumerate(sizes):
        if not bundles or total + size > max_bytes or len(bundles[-1]) == max_items:
            bundles.append([])
            total = 0
        bundles[-1].append(place)
        total += size
    return bundles


def _size(value: object) -> int:
    """Bytes that a value takes, roughly: text and binary by length, everything else 8."""
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    if isinstance(value, str):
        return len(value.encode())
    return len(value) if isinstance(value, bytes) else 8

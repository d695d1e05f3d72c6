"""Pinned Parquet: limits of groups and shards, and metadata that every loader accepts."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from publish.data import parquet
from publish.release import PublishError

SCHEMA = pa.schema({"n": pa.int64(), "content": pa.binary()})


def _row(n: int) -> dict[str, object]:
    return {"n": n, "content": bytes([n % 251]) * n}


def test_row_groups_are_bounded_by_rows(tmp_path: Path) -> None:
    parquet.write_rows(tmp_path, "x", SCHEMA, [_row(n) for n in range(250)])
    (path,) = tmp_path.iterdir()
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [
        100,
        100,
        50,
    ]
    assert file.read().to_pylist() == [_row(n) for n in range(250)]


def test_shards_and_groups_are_bounded_by_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "_GROUP_BYTES", 1000)
    monkeypatch.setattr(parquet, "_SHARD_BYTES", 2000)
    parquet.write_shards(tmp_path, "x", SCHEMA, [600] * 5, [600] * 5, _row)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"x-{i:05d}-of-00002.parquet" for i in range(2)]
    groups = [pq.ParquetFile(tmp_path / name).num_row_groups for name in names]
    assert groups == [3, 2]


def test_metadata_names_no_library_and_pages_are_indexed(tmp_path: Path) -> None:
    parquet.write_rows(tmp_path, "x", SCHEMA, [_row(3)])
    file = pq.ParquetFile(tmp_path / "x-00000-of-00001.parquet")
    assert not file.metadata.metadata
    column = file.metadata.row_group(0).column(0)
    assert column.has_offset_index
    assert column.has_column_index
    assert column.compression == "ZSTD"


def test_no_rows_give_an_empty_table_with_the_schema(tmp_path: Path) -> None:
    parquet.write_rows(tmp_path, "x", SCHEMA, [])
    table = pq.ParquetFile(tmp_path / "x-00000-of-00001.parquet").read()
    assert table.num_rows == 0
    assert table.schema.equals(SCHEMA)


def test_a_row_that_no_reader_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="readers accept at most"):
        parquet.write_shards(tmp_path, "x", SCHEMA, [1], [300 * 2**20], _row)


def test_a_row_of_other_columns_is_our_own_mistake(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="instead of"):
        parquet.write_rows(tmp_path, "x", SCHEMA, [{"n": 1}])

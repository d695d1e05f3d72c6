"""Datasets made of frames, as extraction hands them over."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from extract.dataset import Column, ColumnType, DatasetRef, Licence, RawDataset, Table

MakeRaw = Callable[..., RawDataset]

_TYPES: dict[type[pl.DataType], ColumnType] = {
    pl.Int64: "integer",
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Date: "date",
    pl.Datetime: "datetime",
}


@pytest.fixture
def make_raw(tmp_path: Path) -> MakeRaw:
    """`make_raw(title="", **frames)`: a dataset with one stored table for each frame."""

    def make(title: str = "A dataset", **frames: pl.DataFrame) -> RawDataset:
        tables = tuple(_table(tmp_path, name, frame) for name, frame in frames.items())
        return RawDataset(
            ref=DatasetRef(owner="owner", slug="slug"),
            title=title,
            subtitle="",
            description="",
            tags=(),
            creator="somebody",
            url="https://example.org",
            updated_at=None,
            licence=Licence(spdx="CC0-1.0", lane="open", evidence=()),
            tables=tables,
            skipped=(),
            sha256="0" * 64,
        )

    return make


def _table(folder: Path, name: str, frame: pl.DataFrame) -> Table:
    path = folder / f"{name}.parquet"
    # By series, because some names that tests use are patterns to frames.
    frame = pl.DataFrame([_stored(column) for column in frame])
    frame.write_parquet(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Table(
        name=name,
        source_file=f"{name}.csv",
        source_sha256=sha256,
        path=path,
        sha256=sha256,
        n_rows=frame.height,
        columns=tuple(
            Column(
                name=column.name,
                source_name=column.name,
                type=_TYPES[type(column.dtype)],
                n_missing=column.null_count(),
            )
            for column in frame
        ),
    )


def _stored(column: pl.Series) -> pl.Series:
    if column.dtype.is_integer():
        return column.cast(pl.Int64)
    return column.cast(pl.Float64) if column.dtype.is_float() else column

"""Datasets made of frames, as extraction would hand them over, and invented tables."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import Column, ColumnType, DatasetRef, Licence, RawDataset, Table
from extract.stored_table import LocatedTable

Make = Callable[..., RawDataset]
_TYPES: dict[Any, ColumnType] = {
    pl.Int64: "integer",
    pl.Float64: "number",
    pl.Boolean: "boolean",
    pl.String: "text",
    pl.Date: "date",
    pl.Datetime: "datetime",
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A dataset `owner/<slug>` of the given frames, with any field replaced."""

    def made(slug: str, *frames: pl.DataFrame, **fields: Any) -> RawDataset:
        tables = tuple(store(tmp_path, f"{slug}-{i}", frame) for i, frame in enumerate(frames))
        values: dict[str, Any] = {
            "ref": DatasetRef(owner="ann", slug=slug),
            "title": slug,
            "subtitle": "",
            "description": "",
            "tags": (),
            "creator": "Ann",
            "url": "https://example.org",
            "updated_at": "2025-06-01T00:00:00Z",
            "licence": Licence(spdx="CC0-1.0", tier="open", evidence=()),
            "tables": tables,
            "skipped": (),
            "sha256": "0" * 64,
        }
        return RawDataset(**{**values, **fields})

    return made


def store(folder: Path, name: str, frame: pl.DataFrame) -> Table:
    path = folder / f"{name}.parquet"
    frame.write_parquet(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    columns = tuple(
        Column(
            name=column,
            source_name=column,
            type=_TYPES[kind.base_type()],
            n_missing=frame[column].null_count(),
        )
        for column, kind in frame.schema.items()
    )
    return LocatedTable(
        name=name,
        source_file=f"{name}.csv",
        source_sha256=digest,
        path=path,
        sha256=digest,
        n_rows=frame.height,
        columns=columns,
    )


def houses(seed: int, n: int = 1500) -> pl.DataFrame:
    """Sales of houses: dates, words, whole numbers and measures."""
    rng = np.random.default_rng(seed)
    area = np.round(rng.lognormal(4.5, 0.4, n), 1)
    days = pl.date(2021, 1, 1) + pl.duration(days=pl.Series(rng.integers(0, 1400, n)))
    return pl.select(
        sale_date=days,
        town=pl.Series(rng.choice(["Ulm", "Hof", "Jena", "Gera", "Bonn"], n)),
        rooms=pl.Series(rng.integers(1, 8, n)),
        area=pl.Series(area),
        distance_km=pl.Series(np.round(rng.exponential(5, n), 2)),
        price=pl.Series(np.round(2500 * area * rng.lognormal(0, 0.2, n), 2)),
        sold=pl.Series(rng.integers(0, 2, n)),
    )


def shop(seed: int) -> pl.DataFrame:
    """Daily sales of three shops over the same days, whatever the seed."""
    rng = np.random.default_rng(seed)
    days = pl.date_range(pl.date(2022, 1, 1), pl.date(2023, 12, 31), eager=True)
    frame = pl.DataFrame({"date": days}).join(
        pl.DataFrame({"shop": ["north", "south", "west"]}), how="cross"
    )
    n = frame.height
    return frame.with_columns(
        year=pl.col("date").dt.year().cast(pl.Int64),
        month=pl.col("date").dt.month().cast(pl.Int64),
        holiday=(pl.col("date").dt.ordinal_day() % 60 == 0).cast(pl.Int64),
        promo=pl.Series(rng.integers(0, 2, n)),
        revenue=pl.Series(np.round(rng.normal(500 + 60 * rng.random(n), 80, n), 2)),
    )


def countries(seed: int, name: str) -> pl.DataFrame:
    """One measure for each country and year: entity, code and year are everybody's."""
    rng = np.random.default_rng(seed)
    letters = [chr(65 + i) + chr(97 + j) for i in range(26) for j in range(6)]
    nations = pl.DataFrame(
        {"Entity": [f"{a}land" for a in letters], "Code": [a.upper() + "X" for a in letters]}
    )
    grid = nations.join(pl.DataFrame({"Year": list(range(1990, 2021))}), how="cross")
    return grid.with_columns(pl.Series(name, np.round(rng.gamma(2, 30, grid.height), 3)))


def survey(seed: int, n: int = 400) -> pl.DataFrame:
    """Answers on small scales only."""
    rng = np.random.default_rng(seed)
    answers = {f"question {i}": rng.integers(1, 6, n) for i in range(9)}
    return pl.DataFrame({"gender": rng.choice(["m", "f"], n), **answers})

"""A release folder as its users read it, with code that shares nothing with what wrote it."""

import io
import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class OpenedTask:
    """One task with its answer beside it."""

    row: Mapping[str, Any]
    contents: Mapping[str, bytes]
    """Public files by name."""
    truth: pa.Table
    answer: Mapping[str, Any]
    """Row of `data/answers`."""

    @property
    def task_id(self) -> str:
        return str(self.row["task_id"])

    @cached_property
    def grading(self) -> dict[str, Any]:
        """What `reward_model` says."""
        return dict(json.loads(self.row["reward_model"]["ground_truth"]))

    @property
    def executed(self) -> bool:
        return str(self.row["variant"]).endswith("-if")

    @cached_property
    def tables(self) -> dict[str, pd.DataFrame]:
        """`train` and `val` with cells as text or numbers; missing is NaN or None."""
        if "data.sqlite" in self.contents:
            return _from_sqlite(self.contents["data.sqlite"])
        tables = {}
        for side in ("train", "val"):
            if f"{side}.csv" in self.contents:
                text = io.BytesIO(self.contents[f"{side}.csv"])
                tables[side] = pd.read_csv(text, dtype=str, keep_default_na=False, na_values=[""])
                tables[side]["row_id"] = tables[side]["row_id"].astype("int64")
            else:
                content = pa.BufferReader(self.contents[f"{side}.parquet"])
                tables[side] = pq.read_table(content).to_pandas()
        return tables

    def render_task(self, folder: Path) -> Path:
        """A folder with the public files and nothing else."""
        folder.mkdir(parents=True)
        for name, content in self.contents.items():
            (folder / name).write_bytes(content)
        return folder


@dataclass(frozen=True)
class OpenedRelease:
    """All of a release."""

    folder: Path

    def shards(self, config: str) -> list[Path]:
        """Parquet files of a config."""
        return sorted(self.folder.glob(f"data/{config}/*.parquet"))

    def rows(self, config: str) -> list[dict[str, Any]]:
        """All rows of a config, or of several by a pattern."""
        return [
            row for path in self.shards(config) for row in pq.ParquetFile(path).read().to_pylist()
        ]

    @cached_property
    def tasks(self) -> Sequence[OpenedTask]:
        """The tasks of all tiers, by id."""
        contents = {row["sha256"]: row["content"] for row in self.rows("files")}
        answers = {row["task_id"]: row for row in self.rows("answers")}
        rows = self.rows("tasks") + self.rows("tasks_*")
        return [
            OpenedTask(
                row=row,
                contents={file["name"]: contents[file["sha256"]] for file in row["files"]},
                truth=pq.read_table(pa.BufferReader(answers[row["task_id"]]["truth"])),
                answer=answers[row["task_id"]],
            )
            for row in sorted(rows, key=lambda row: str(row["task_id"]))
        ]


def _from_sqlite(content: bytes) -> dict[str, pd.DataFrame]:
    with closing(sqlite3.connect(":memory:")) as database:
        database.deserialize(content)
        names = [row[0] for row in database.execute("SELECT name FROM sqlite_schema ORDER BY name")]
        tables: dict[str, pd.DataFrame] = {}
        for name in names:
            side, _, _ = name.partition("_")
            part = pd.read_sql_query(f'SELECT * FROM "{name}"', database)
            tables[side] = tables[side].merge(part, on="row_id") if side in tables else part
    return tables

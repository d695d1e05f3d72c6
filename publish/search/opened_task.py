"""A released task as a solver and a grader see it together, read back from the release.

Takes the row of a task, the stored files and the truth; returns its tables in comparable types.
Nothing of the build is used, only what a user of the release has. Not guaranteed: that the tables
hold what the row says.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from publish.data.parquet import TableRow
from publish.search.answer_leak import AnswerLeak
from publish.search.contents import Contents, comparable_types, released_tables
from publish.search.siblings import RowKeys, row_keys
from transform.task import ID_COLUMN, VARIANTS


@dataclass(frozen=True)
class OpenedTask:
    """A task as a solver and a grader see it together."""

    row: TableRow
    tables: Mapping[str, pl.DataFrame]
    held_out: pl.DataFrame
    """Val joined with truth, without the id."""
    targets: tuple[str, ...]
    ids: tuple[str, ...]
    """Of the held-out rows, as text."""
    executed: bool
    """Truth was computed by a program rather than held out from the source."""
    keys: RowKeys | None
    """Forecasts: where their rows lie in time."""

    @property
    def task_id(self) -> str:
        """The task's durable name."""
        return str(self.row["task_id"])

    @property
    def train(self) -> pl.DataFrame:
        """The training table without the id."""
        return self.tables["train"].drop(ID_COLUMN)


def open_task(row: TableRow, contents: Contents, truth: bytes) -> OpenedTask:
    """Join the held-out rows with their truth."""
    tables = released_tables(row["files"], contents)
    grading = json.loads(row["reward_model"]["ground_truth"])
    targets, executed = tuple(grading["targets"]), VARIANTS[row["variant"]].executed
    answer = comparable_types(pl.read_parquet(io.BytesIO(truth))).select(ID_COLUMN, *targets)
    features = tables["val"].drop(targets, strict=False)
    held_out = features.join(answer, on=ID_COLUMN)
    ids = tuple(held_out[ID_COLUMN].cast(pl.String))
    keys = row_keys(features.drop(ID_COLUMN)) if row["family"] == "forecasting" else None
    return OpenedTask(row, tables, held_out.drop(ID_COLUMN), targets, ids, executed, keys)


def leak(task: OpenedTask, holder: OpenedTask, table: str, detail: str) -> AnswerLeak:
    """An answer of `task` in a table or text of `holder`."""
    place = f"{table} of {holder.task_id}"
    return AnswerLeak(task_id=task.task_id, holder=holder.task_id, place=place, detail=detail)


def shards(release: Path, config: str) -> list[Path]:
    """The Parquet files of a config, by name; `*` stands for any."""
    return sorted(release.glob(f"data/{config}/*.parquet"))


def rows_of(path: Path) -> list[TableRow]:
    """All rows of one Parquet file."""
    # `ParquetFile`, since `read_table` would take a folder called `a=b` above it for a column.
    rows: list[TableRow] = pq.ParquetFile(path).read().to_pylist()
    return rows

"""The rows of a task with their answers, as whoever cheats would like to have them.

Takes a task, returns its training rows and, where they are known, its held-out rows, both with the
target as the source has it. Of instruction tasks the clean rows are taken, because noise hides what
leaks; their truth is computed, so the source's own answer is a private file, and without it a part
of train stands in. Nothing here is ever shipped.
"""

from dataclasses import dataclass

import polars as pl

from transform.files.task_folder import TaskFolder
from transform.profile.matrix import seeded
from transform.run.execute import load_tables
from transform.task import ID_COLUMN

_HELD_OUT_SHARE = 0.3
"""Share of train that stands in for held-out rows whose answers are not there."""
_MOST = 1_000_000
"""Rows of a side where a caller names no fewer; tasks are smaller, so this only bounds memory."""


@dataclass(frozen=True)
class RowsWithAnswers:
    """Rows with all targets, ids included."""

    train: pl.DataFrame
    held_out: pl.DataFrame
    """Its columns stand in train as well, which may have more."""

    @property
    def rows(self) -> pl.DataFrame:
        """Both sides, train first, in the columns that both have."""
        train = self.train.select(self.held_out.columns)
        return pl.concat([train, self.held_out], how="vertical_relaxed")


def rows_with_answers(task: TaskFolder, most: int = _MOST) -> RowsWithAnswers:
    """Rows of a task with the targets that its source gives, at most `most` on a side.

    More are sampled; which ones depends on the task's id alone. Raises `OSError` for a forecast
    whose true values are not there.
    """
    instructions = task.spec.instructions
    train, val = load_tables(instructions, task.public)
    if instructions.is_executed:
        train = _cleaned(task, train)
        truth = task.held_out_file
    else:
        truth = task.truth_file
    train = train.drop_nulls(instructions.targets)
    sampled = _sample(train, most, f"{task.spec.task_id} train")
    # A random part of a series is no future, so a forecast needs its own.
    if instructions.grid is None and not truth.exists():
        return _divided(sampled, task.spec.task_id)
    answers = pl.read_parquet(truth).select(ID_COLUMN, *instructions.targets)
    held_out = val.drop(instructions.targets, strict=False).join(answers, on=ID_COLUMN)
    # Columns that only train has are compared with nothing on the other side.
    shared = [name for name in train.columns if name in held_out.columns]
    held_out = held_out.select(shared).drop_nulls(instructions.targets)
    return RowsWithAnswers(sampled, _sample(held_out, most, f"{task.spec.task_id} val"))


def _cleaned(task: TaskFolder, train: pl.DataFrame) -> pl.DataFrame:
    """Training rows as they were before the noise, with whatever else stands in the files."""
    if not task.clean_file.exists():
        return train
    clean = pl.read_parquet(task.clean_file)
    others = [name for name in train.columns if name not in clean.columns]
    return clean.join(train.select(ID_COLUMN, *others), on=ID_COLUMN, maintain_order="left")


def _sample(rows: pl.DataFrame, most: int, key: str) -> pl.DataFrame:
    if rows.height <= most:
        return rows
    chosen = seeded(key).choice(rows.height, most, replace=False)
    return rows[sorted(chosen.tolist())]


def _divided(rows: pl.DataFrame, key: str) -> RowsWithAnswers:
    aside = pl.Series(seeded(key).random(rows.height) < _HELD_OUT_SHARE)
    return RowsWithAnswers(rows.filter(~aside), rows.filter(aside))

"""Changes finished tasks the way a bug would: their files, their text, their steps, their answer.

A proven task enters; a changed copy in a folder of its own leaves, consistent in everything but the
one thing that was changed, so that no gate can refuse it for clumsiness. Originals stay as they
are.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from extract.noun import Noun
from transform import wording
from transform.files.parquet import write_parquet, write_truth
from transform.files.tables import cell_types, shipped, task_file, write_tables
from transform.files.task_folder import Draft, TaskFolder
from transform.run.execute import execute, load_tables
from transform.run.grading import grading_of
from transform.task import ID_COLUMN, Grid, Instructions, StepSpec

Change = Callable[[pl.DataFrame], pl.DataFrame]
N = TypeVar("N", bound=Noun)
HELD_OUT = " held out"
"""Scratch column that tells the side of a row; shipped names never begin with a space."""


def same(table: pl.DataFrame) -> pl.DataFrame:
    """No change."""
    return table


def replaced(noun: N, **fields: Any) -> N:
    """The noun with other fields."""
    return noun.model_copy(update=fields)


def copied(task: TaskFolder, folder: Path) -> TaskFolder:
    """The task in `folder`, which must not exist."""
    shutil.copytree(task.folder, folder)
    path = folder / task.truth_file.relative_to(task.folder)
    return replaced(task, folder=folder, truth=replaced(task.truth, path=path))


def tables(task: TaskFolder) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train and val as a solver reads them."""
    return load_tables(task.spec.instructions, task.public)


def truth_of(task: TaskFolder) -> pl.DataFrame:
    """The answer."""
    return pl.read_parquet(task.truth_file)


def with_tables(
    task: TaskFolder, train: pl.DataFrame, val: pl.DataFrame, **changes: Any
) -> TaskFolder:
    """Other public tables, and other fields of the instructions; the text says what they are."""
    before = task.spec.instructions
    columns = before.columns
    # The cells of a noisy table are read by its steps; their types are what the steps make them.
    if not before.is_executed:
        columns = cell_types(train.drop(ID_COLUMN), val.drop(ID_COLUMN))
    instructions = replaced(before, columns=columns, **changes)
    for name in before.data.names:
        (task.public / name).unlink()
    sides = shipped(train, val).sort(ID_COLUMN), shipped(val, train).sort(ID_COLUMN)
    files = write_tables(task.public, before.data, *sides)
    page = task.public / "metadata.md"
    text = wording.say(instructions)
    spec = replaced(
        task.spec,
        instructions=instructions,
        literal_text=text,
        question=text,
        files=(*files, task_file(page, "markdown", "metadata")),
        n_rows=train.height + val.height,
        n_cols=len(columns),
    )
    return replaced(task, spec=spec)


def with_truth(task: TaskFolder, answer: pl.DataFrame) -> TaskFolder:
    """Another answer; its hash is right."""
    sha256 = write_truth(answer, task.truth_file)
    return replaced(task, truth=replaced(task.truth, sha256=sha256))


def with_question(task: TaskFolder, question: str) -> TaskFolder:
    """Another text."""
    return replaced(task, spec=replaced(task.spec, literal_text=question, question=question))


def with_page(task: TaskFolder, more: str) -> TaskFolder:
    """More words in `metadata.md`."""
    page = task.public / "metadata.md"
    page.write_text(f"{page.read_text(encoding='utf-8')}\n{more}\n", encoding="utf-8")
    kept = (file for file in task.spec.files if file.role != "metadata")
    files = (*kept, task_file(page, "markdown", "metadata"))
    return replaced(task, spec=replaced(task.spec, files=files))


def with_clean(task: TaskFolder, change: Change) -> TaskFolder:
    """Another table that the cleaning is held against."""
    path = task.private / "clean.parquet"
    write_parquet(change(pl.read_parquet(path)), path)
    return task


def with_steps(task: TaskFolder, steps: tuple[StepSpec, ...], **changes: Any) -> TaskFolder:
    """Other steps, said in the text, with the truth and the program that follow from them.

    Raises what the reference raises.
    """
    instructions: Instructions = replaced(task.spec.instructions, steps=steps, **changes)
    text = wording.say(instructions)
    spec = replaced(task.spec, instructions=instructions, literal_text=text, question=text)
    draft = Draft(spec=spec, folder=task.folder, truth=None)
    return TaskFolder(spec=spec, folder=task.folder, truth=execute(draft))


def whole(task: TaskFolder) -> pl.DataFrame:
    """Both tables of an open task with all answers; of a forecast by series and time."""
    train, val = tables(task)
    solved = val.join(truth_of(task), on=ID_COLUMN)
    sides = (
        train.with_columns(pl.lit(False).alias(HELD_OUT)),
        solved.with_columns(pl.lit(True).alias(HELD_OUT)),
    )
    rows = pl.concat(sides, how="diagonal_relaxed")
    grid = task.spec.instructions.grid
    return rows.sort(*grid.entities, grid.column) if grid else rows.sort(ID_COLUMN)


def with_whole(task: TaskFolder, rows: pl.DataFrame, ahead: tuple[str, ...] = ()) -> TaskFolder:
    """The open task with both tables and the answer taken from such rows.

    `ahead` are new columns that the future rows of a forecast carry.
    """
    instructions = task.spec.instructions
    train, val = (rows.filter(pl.col(HELD_OUT) == side).drop(HELD_OUT) for side in (False, True))
    grid: Grid | None = instructions.grid
    if grid is not None:
        grid = replaced(grid, known_covariates=(*grid.known_covariates, *ahead))
        val_columns = [ID_COLUMN, grid.column, *grid.entities, *grid.known_covariates]
    else:
        val_columns = [name for name in val.columns if name not in instructions.targets]
    truth = shipped(val.select(ID_COLUMN, *instructions.targets)).sort(ID_COLUMN)
    changed = with_truth(with_tables(task, train, val.select(val_columns), grid=grid), truth)
    grading = grading_of(changed.spec.instructions, shipped(train, val), truth)
    return replaced(changed, truth=replaced(changed.truth, grading=grading))


def with_column(
    task: TaskFolder, name: str, make: Callable[[pl.DataFrame], pl.Series], *, ahead: bool = True
) -> TaskFolder:
    """The open task with one more column, made from both tables with all answers.

    Of a forecast the future rows carry it too, unless it is not known `ahead`.
    """
    rows = whole(task)
    rows = rows.with_columns(make(rows).alias(name))
    is_series = task.spec.instructions.grid is not None
    return with_whole(task, rows, (name,) if is_series and ahead else ())

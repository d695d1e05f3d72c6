"""Renders a task on disk: public files and private answer apart, and the spec that names them.

Takes frames with their final ids and the instructions, returns a `Draft` whose `public/` holds
exactly the files of its spec and whose `private/` nothing a solver may see. Same frames, same
bytes. Not guaranteed: that the task is any good, or that the frames agree with what
the instructions promise.
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from transform import wording
from transform.files.metadata import describe
from transform.files.parquet import write_parquet, write_truth
from transform.files.tables import shipped, task_file, write_tables
from transform.files.task_folder import TRUTH_FILE, Draft
from transform.proposal import Proposal
from transform.run.grading import grading_of
from transform.task import ID_COLUMN, Instructions, TaskSpec, Truth, Variant


@dataclass(frozen=True)
class RenderedTask:
    """What a family hands over: one task as frames. It does not leave the room."""

    task_id: str
    instructions: Instructions
    train: pl.DataFrame
    """`row_id` and the columns of the instructions."""
    val: pl.DataFrame
    """`row_id` and the columns of train that are known for the rows to predict."""
    truth: pl.DataFrame | None = None
    """`row_id` and the answer columns; None where truth is executed later."""
    clean: pl.DataFrame | None = None
    """The training table that the stated cleaning must restore, with ids."""
    noise: tuple[str, ...] = ()
    injected: pl.DataFrame | None = None
    """What noise was injected where; see `Draft.noise_file`."""
    skill: str | None = None
    notes: tuple[str, ...] = ()
    """Our own sentences for `metadata.md`."""


def assign_ids(
    train: pl.DataFrame, val: pl.DataFrame, seed: int
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Both frames with `row_id` in front, ascending: one permutation over all their rows."""
    ids = np.random.default_rng(seed).permutation(train.height + val.height)
    return _with_ids(train, ids[: train.height]), _with_ids(val, ids[train.height :])


def _with_ids(frame: pl.DataFrame, ids: Sequence[int] | np.ndarray) -> pl.DataFrame:
    column = pl.Series(ID_COLUMN, ids, dtype=pl.Int64)
    return frame.with_columns(column).select(ID_COLUMN, *frame.columns).sort(ID_COLUMN)


def too_small(
    proposal: Proposal, task_id: str, variant: Variant, what: str, value: float, needed: float
) -> Drop:
    """The refusal of a proposal that has too little of something for one variant."""
    return Drop(
        key=task_id,
        source=proposal.dataset.key,
        room="transform",
        reason=Reason.TOO_SMALL,
        detail=f"table {proposal.table!r}: expected at least {needed:g} {what}, found {value:g}",
        variant=variant,
        value=value,
        threshold=needed,
    )


def render_task(raw: RawDataset, proposal: Proposal, task: RenderedTask, folder: Path) -> Draft:
    """Write `<folder>/<task_id>/` anew and describe it.

    Frames may be typed or already shipped; they are written by ascending id.
    """
    instructions = task.instructions
    place = folder / task.task_id
    # What an earlier draft of the task left behind would ship with this one.
    shutil.rmtree(place, ignore_errors=True)
    train = shipped(task.train, task.val).sort(ID_COLUMN)
    val = shipped(task.val, task.train).sort(ID_COLUMN)
    assert train.columns == [ID_COLUMN, *(column.name for column in instructions.columns)]
    assert not set(instructions.targets) & set(val.columns), "val never holds a target"
    files = write_tables(place / "public", instructions.data, train, val)
    page = place / "public" / "metadata.md"
    description = describe(raw, instructions.columns, train, instructions.data, task.notes)
    page.write_text(description, encoding="utf-8", newline="\n")
    text = wording.say(instructions)
    spec = TaskSpec(
        task_id=task.task_id,
        source=raw.ref,
        source_sha256=raw.sha256,
        table=proposal.table,
        instructions=instructions,
        literal_text=text,
        # Rewording may come between the two; until then what is asked is the literal text.
        question=text,
        files=(*files, task_file(page, "markdown", "metadata")),
        noise=task.noise,
        n_rows=train.height + val.height,
        n_cols=len(instructions.columns),
        proposer=proposal.proposer,
    )
    draft = Draft(spec=spec, folder=place, truth=_truth(task, train, place))
    _write_private(task, draft)
    return draft


def _write_private(task: RenderedTask, draft: Draft) -> None:
    """What gates and reports read of an instruction task beside its truth."""
    if task.clean is not None:
        write_parquet(task.clean.sort(ID_COLUMN), draft.clean_file)
    if task.injected is not None:
        write_parquet(task.injected, draft.noise_file)
    if task.instructions.steps:
        spans = [span.model_dump() for span in wording.step_spans(task.instructions)]
        draft.private.mkdir(exist_ok=True)
        draft.phrases_file.write_text(json.dumps(spans) + "\n", encoding="utf-8")


def _truth(task: RenderedTask, train: pl.DataFrame, place: Path) -> Truth | None:
    if task.truth is None:
        return None
    path = place / "private" / TRUTH_FILE
    names = (ID_COLUMN, *task.instructions.answer_columns)
    answer = shipped(task.truth).select(names)
    assert not any(answer.null_count().row(0)), "truth is complete"
    return Truth(
        sha256=write_truth(answer, path),
        grading=grading_of(task.instructions, train, answer),
        skill=task.skill,
    )

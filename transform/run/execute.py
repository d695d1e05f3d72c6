"""Truth by execution: the steps of an instruction task, applied to its public files.

Runs inside long-lived workers: takes a draft, returns the answer as a file with its
hash; or a task, and its answers under perturbations that must not matter. The reference program is
not run here; it is the second, independent way to the same answer (`program.py`, `fork_server.py`).
Nothing here decides whether the answer is any good.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path

import polars as pl

from transform.files.parquet import write_parquet, write_truth
from transform.files.tables import read_task_tables
from transform.files.task_folder import Draft
from transform.rows.shuffle import shuffle_files
from transform.run.grading import grading_of
from transform.run.perturbation import Perturbation
from transform.run.program import write_program
from transform.steps import registry
from transform.steps.step import CleaningStep, Step, Workspace
from transform.task import ID_COLUMN, Instructions, Truth

_DIGITS = 8
"""Significant digits of shipped numbers. Two processors that follow one program differ in the last
few of the sixteen digits of a double; shipped as they are, these would give each machine its own
truth and its own hashes. Eight digits are two thousand times finer than the tolerance that ships. A
number may still lie so close to the middle between two neighbours that it is rounded either way: of
53 whole answers 3 differed on an emulated older processor, 37 without rounding."""


def load_workspace(instructions: Instructions, public: Path) -> Workspace:
    """The workspace before the first step: the public files, typed, ascending id."""
    text_columns = frozenset(
        name for spec in instructions.steps for name in registry.resolve(spec).text_columns
    )
    parts = read_task_tables(public, instructions, text_columns)
    train, val = parts[0]
    # One part is the table itself and needs no join.
    unjoined = parts if len(parts) > 1 else ()
    return Workspace(train=train, val=val, targets=instructions.targets, parts=unjoined)


def load_tables(instructions: Instructions, public: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train and val as a solver sees them, parts joined, ascending id."""
    work = load_workspace(instructions, public)
    parts = work.parts or ((work.train, work.val),)
    train, val = parts[0]
    for more_train, more_val in parts[1:]:
        train = train.join(more_train, on=ID_COLUMN, maintain_order="left")
        val = val.join(more_val, on=ID_COLUMN, maintain_order="left")
    return train, val


def apply_steps(steps: tuple[Step, ...], work: Workspace) -> Workspace:
    """The workspace after all steps, in order."""
    return reduce(lambda done, step: step.apply(done), steps, work)


def cleaned(instructions: Instructions, public: Path) -> pl.DataFrame:
    """The training table after the join and the stated cleaning, before any other step."""
    cleaning, _ = _divided(instructions)
    return apply_steps(cleaning, load_workspace(instructions, public)).train


def compute_answer(instructions: Instructions, public: Path) -> pl.DataFrame:
    """Id, targets and scores of the reference, ascending id.

    Raises whatever an estimator raises on data that it cannot fit.
    """
    steps = tuple(registry.resolve(spec) for spec in instructions.steps)
    return _answer(instructions, apply_steps(steps, load_workspace(instructions, public)))


def execute(draft: Draft) -> Truth:
    """Truth of an instruction draft; the answer is written to its `truth_file`."""
    instructions = draft.spec.instructions
    # Stopped between the two, because tolerances are measured on the clean table.
    cleaning, others = _divided(instructions)
    clean = apply_steps(cleaning, load_workspace(instructions, draft.public))
    answer = _rounded(_answer(instructions, apply_steps(others, clean)))
    return Truth(
        sha256=write_truth(answer, draft.truth_file),
        grading=grading_of(instructions, clean.train, answer),
        program=write_program(instructions),
    )


def execute_perturbed(
    draft: Draft, perturbations: Sequence[Perturbation], folder: Path
) -> dict[Perturbation, Path | str]:
    """Answers of an instruction draft under perturbations, as Parquet files in `folder`.

    What comes before the last step is computed once for all that disturb only that. A perturbation
    under which the steps raise gets the message in place of a file.
    """
    instructions = draft.spec.instructions
    folder.mkdir(parents=True, exist_ok=True)
    *before, last = (registry.resolve(spec) for spec in instructions.steps)
    prepared = apply_steps(tuple(before), load_workspace(instructions, draft.public))
    answers: dict[Perturbation, Path | str] = {}
    for how in perturbations:
        try:
            work = prepared
            if how == "file_order":
                shuffle_files(draft.public, folder / "shuffled", instructions.data, seed=0)
                work = apply_steps(tuple(before), load_workspace(instructions, folder / "shuffled"))
            answer = _answer(instructions, last.apply(replace(work, perturbation=how)))
        # A lack of memory says nothing about the task; it is tried again elsewhere.
        except MemoryError:
            raise
        except Exception as error:
            answers[how] = f"{type(error).__name__}: {error}"
        else:
            write_parquet(answer, folder / f"{how}.parquet")
            answers[how] = folder / f"{how}.parquet"
    return answers


def _divided(instructions: Instructions) -> tuple[tuple[Step, ...], tuple[Step, ...]]:
    """The steps up to the last that cleans, and those after it."""
    steps = tuple(registry.resolve(spec) for spec in instructions.steps)
    end = max((i for i, step in enumerate(steps, 1) if isinstance(step, CleaningStep)), default=0)
    return steps[:end], steps[end:]


def _answer(instructions: Instructions, work: Workspace) -> pl.DataFrame:
    assert work.answer is not None, "the last step must set the answer"
    return work.answer.select(ID_COLUMN, *instructions.answer_columns).sort(ID_COLUMN)


def _rounded(answer: pl.DataFrame) -> pl.DataFrame:
    """Through text, which rounds right everywhere; arithmetic on powers of ten does not."""
    return answer.with_columns(
        pl.Series(column.name, [float(f"{cell:.{_DIGITS}g}") for cell in column], pl.Float64)
        for column in answer
        if column.dtype == pl.Float64
    )

"""Truth by execution: the steps of an instruction task, applied to its public files.

Runs inside long-lived workers: what enters is a draft, what leaves is the answer as a file with its
hash. The reference program is not run here; it is the second, independent way to the same answer
(`program.py`, `warm.py`). Nothing here decides whether the answer is any good.
"""

from functools import reduce
from pathlib import Path

import polars as pl

from transform.grading import grading_of
from transform.parquet import write_truth
from transform.program import write_program
from transform.render import read_tables
from transform.steps import registry
from transform.steps.step import CleaningStep, Step, Workspace
from transform.task import ID_COLUMN, Draft, Instructions, Truth


def load(instructions: Instructions, public: Path) -> Workspace:
    """The workspace before the first step: the public files, typed, ascending id."""
    text_columns = frozenset(
        name for spec in instructions.steps for name in registry.resolve(spec).text_columns
    )
    parts = read_tables(public, instructions, text_columns)
    train, val = parts[0]
    unjoined = parts if len(parts) > 1 else ()
    return Workspace(train=train, val=val, targets=instructions.targets, parts=unjoined)


def load_tables(instructions: Instructions, public: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Train and val as a solver sees them, parts joined, ascending id."""
    work = load(instructions, public)
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
    steps = tuple(registry.resolve(spec) for spec in instructions.steps)
    last = max(i for i, step in enumerate(steps) if isinstance(step, CleaningStep))
    return apply_steps(steps[: last + 1], load(instructions, public)).train


def compute_answer(instructions: Instructions, public: Path) -> pl.DataFrame:
    """Id, targets and scores of the reference, ascending id.

    Raises whatever an estimator raises on data that it cannot fit.
    """
    steps = tuple(registry.resolve(spec) for spec in instructions.steps)
    answer = apply_steps(steps, load(instructions, public)).answer
    assert answer is not None, "the last step must set the answer"
    return answer.select(ID_COLUMN, *instructions.answer_columns).sort(ID_COLUMN)


def execute(draft: Draft, answer_path: Path) -> Truth:
    """Truth of an instruction draft; the answer is written to `answer_path`."""
    told = draft.spec.instructions
    answer = compute_answer(told, draft.public)
    return Truth(
        path=answer_path,
        sha256=write_truth(answer, answer_path),
        grading=grading_of(told, cleaned(told, draft.public), answer),
        program=write_program(told),
    )

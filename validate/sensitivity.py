"""Whether the grade sees that a stated step was done wrong.

Enters an executed task; leaves, for each of its steps, what each mutation does to the answer. A
mutation is seen when labels of at least `labels_share` of the rows change (one row at least), or
when scores or numbers of at least `rows_share` of the rows leave the tolerance that ships. An
answer of other rows or columns is wrong in all of them.

A mutation that ends in an error says little about the grade: whoever makes it is told so. It is
left out, unless all mutations of the step end so; then nobody reaches any answer without the step.
That a seen mutation loses all its score is for the grader: it is stricter than what is seen here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from transform.files.task_folder import TaskFolder
from transform.run.pipeline import Pipeline
from transform.task import ID_COLUMN, Grading, Instructions
from validate.verdict import MutationResult, StepMutations


class Visibility(NamedTuple):
    """How much of an answer must change; shares of its rows."""

    labels_share: float = 0.003
    rows_share: float = 0.01


def measure(task: TaskFolder, visibility: Visibility) -> tuple[StepMutations, ...]:
    """Exposure of every step of a task, in order."""
    truth = pl.read_parquet(task.truth_file)
    reference = Reference(task.spec.instructions, truth, task.truth.grading, visibility)
    return reference.exposures(task.public)


@dataclass(frozen=True)
class Reference:
    """The answer that mutations are held against."""

    told: Instructions
    truth: pl.DataFrame
    """Ascending id."""
    grading: Grading
    visibility: Visibility

    def exposures(self, public: Path) -> tuple[StepMutations, ...]:
        """What every mutation of every step does."""
        pipeline = Pipeline(self.told, public)
        return tuple(
            StepMutations(
                position=position + 1,
                kind=step.kind,
                mutations=self._tried(pipeline, position),
            )
            for position, step in enumerate(pipeline.steps)
        )

    def _tried(self, pipeline: Pipeline, position: int) -> tuple[MutationResult, ...]:
        answered, failed = [], []
        for mutation in pipeline.steps[position].mutations():
            try:
                consequence = pipeline.mutated(position, mutation)
            except (AssertionError, MemoryError):
                raise
            except Exception:
                # The task itself has run; on tables that a mistake left unfit, anything may fail.
                failed.append(MutationResult(name=mutation.name, seen=True, moved=1.0))
                continue
            if consequence.answer is not None:
                seen, moved = self.sees(consequence.answer)
                answered.append(MutationResult(name=mutation.name, seen=seen, moved=moved))
            else:
                answered.append(MutationResult(name=mutation.name, seen=False, moved=0.0))
        return tuple(answered or failed)

    def sees(self, answer: pl.DataFrame) -> tuple[bool, float]:
        """Whether enough of an answer (ascending id) is wrong, and the share of rows that are."""
        truth, grading = self.truth, self.grading
        if set(answer.columns) != set(truth.columns):
            return True, 1.0
        if not answer[ID_COLUMN].equals(truth[ID_COLUMN]):
            return True, 1.0
        relabelled = moved = np.zeros(truth.height, dtype=bool)
        for name in grading.targets if grading.label_type is not None else ():
            labels = (frame[name].cast(pl.String).to_numpy() for frame in (answer, truth))
            relabelled = relabelled | np.not_equal(*labels)
        for name, atol in grading.atol.items():
            found, right = (f[name].cast(pl.Float64).to_numpy() for f in (answer, truth))
            # Written so that what is no number counts as moved.
            moved = moved | ~(np.abs(found - right) <= atol + grading.rtol * np.abs(right))
        seen = (
            relabelled.sum() >= max(1.0, self.visibility.labels_share * truth.height)
            or moved.sum() >= self.visibility.rows_share * truth.height
        )
        return bool(seen), float(np.mean(relabelled | moved))

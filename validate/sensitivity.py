"""Whether the grade kills mutations: whether it fails an answer whose maker got a step wrong.

Takes an executed task, returns for each of its steps what each mutation does to the answer. A
mutation is killed when labels of at least `labels_share` of the rows change (one row at least), or
when scores or numbers of at least `rows_share` of the rows leave the tolerance that ships. An
answer of other rows or columns is wrong in all of them.

A mutation that ends in an error says little about the grade, because whoever makes it notices. It
is left out, unless all mutations of the step end so; then nobody reaches any answer without the
step. Not guaranteed: that a killed mutation loses all its score; the grader is stricter than this.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.files.task_folder import TaskFolder
from transform.run.pipeline import Pipeline
from transform.task import ID_COLUMN, Grading, Instructions
from validate.verdict import MutationResult, StepMutations


class KillThresholds(NamedTuple):
    """How much of an answer must change; shares of its rows."""

    labels_share: float = 0.003
    rows_share: float = 0.01


def measure(task: TaskFolder, thresholds: KillThresholds) -> tuple[StepMutations, ...]:
    """What the mutations of every step of a task do, in the order of the steps."""
    truth = pl.read_parquet(task.truth_file)
    reference = ReferenceAnswer(task.spec.instructions, truth, task.truth.grading, thresholds)
    return reference.step_mutations(task.public)


@dataclass(frozen=True)
class ReferenceAnswer:
    """The answer that those of mutations are compared with."""

    instructions: Instructions
    truth: pl.DataFrame
    """Ascending id."""
    grading: Grading
    thresholds: KillThresholds

    def step_mutations(self, public: Path) -> tuple[StepMutations, ...]:
        """What every mutation of every step does."""
        pipeline = Pipeline(self.instructions, public)
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
                failed.append(MutationResult(name=mutation.name, killed=True, changed_share=1.0))
                continue
            if consequence.answer is not None:
                killed, share = self.kills(consequence.answer)
                answered.append(
                    MutationResult(name=mutation.name, killed=killed, changed_share=share)
                )
            else:
                answered.append(MutationResult(name=mutation.name, killed=False, changed_share=0.0))
        return tuple(answered or failed)

    def kills(self, answer: pl.DataFrame) -> tuple[bool, float]:
        """Whether enough of an answer (ascending id) is wrong, and the share of rows that are."""
        truth, thresholds = self.truth, self.thresholds
        if set(answer.columns) != set(truth.columns):
            return True, 1.0
        if not answer[ID_COLUMN].equals(truth[ID_COLUMN]):
            return True, 1.0
        relabelled, moved = self._relabelled(answer), self._moved(answer)
        killed = (
            relabelled.sum() >= max(1.0, thresholds.labels_share * truth.height)
            or moved.sum() >= thresholds.rows_share * truth.height
        )
        return bool(killed), float(np.mean(relabelled | moved))

    def _relabelled(self, answer: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Rows of which some label differs."""
        rows = np.zeros(self.truth.height, dtype=np.bool_)
        for name in self.grading.targets if self.grading.label_type is not None else ():
            labels = (frame[name].cast(pl.String).to_numpy() for frame in (answer, self.truth))
            rows = rows | np.not_equal(*labels)
        return rows

    def _moved(self, answer: pl.DataFrame) -> npt.NDArray[np.bool_]:
        """Rows of which some number leaves the tolerance."""
        rows = np.zeros(self.truth.height, dtype=np.bool_)
        for name, atol in self.grading.atol.items():
            values, right = (f[name].cast(pl.Float64).to_numpy() for f in (answer, self.truth))
            # Written so that what is no number counts as moved.
            rows |= ~(np.abs(values - right) <= atol + self.grading.rtol * np.abs(right))
        return rows

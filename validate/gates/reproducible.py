"""Truth computed again in every environment of the matrix is the same truth, and by a margin.

Labels must be equal, numbers and scores within a part of the tolerance that ships. What makes an
answer fragile is not mended here: a refusal asks for another estimator, or where only the margin is
small, for another sample of rows.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from extract.noun import Noun
from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from transform.task import Task
from validate.controls import answer_of
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.score import Answer, score
from validate.verdict import Certificate, EnvironmentResult, Finding, Proofs

SHARE_OF_TOLERANCE = 0.1
"""Part of the shipped tolerance that environments may use up, so that a solver whose machine
differs as much again is still far from its border."""


class _Comparison(Noun):
    """What became of truth in the environment matrix."""

    apart: tuple[str, ...]
    """Environments that disagree. By how much may differ from run to run, so nobody asks."""
    margin: float | None


class Reproducible(Gate):
    """Refuses truth that some environment does not reach, or reaches by a hair."""

    name: ClassVar[str] = "reproducible"
    order: ClassVar[int] = 60

    min_margin: float = Field(default=1e-4, ge=0)
    """Least difference between the best and the second best score of any row: of probabilities as
    they are, of decision values in standard deviations of all scores of the answer."""

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks; held-out truth is not computed."""
        return task.spec.instructions.is_executed

    def reads(self, executor: Executor) -> tuple[object, ...]:
        """The environments: another matrix gives another certificate."""
        return tuple((environment, environment.versions) for environment in executor.matrix)

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The share of environments that agree, with the certificate."""
        comparison = executor.compute(_compare, task, executor.run_matrix(task))
        certificate = Certificate(
            environments=tuple(
                EnvironmentResult(
                    name=environment.name,
                    differs=environment.differs,
                    versions=environment.versions,
                    agrees=environment.name not in comparison.apart,
                )
                for environment in executor.matrix
            ),
            share_of_tolerance=SHARE_OF_TOLERANCE,
            margin=comparison.margin,
        )
        return self._finding(task, comparison, Proofs(certificate=certificate))

    def _finding(self, task: TaskFolder, comparison: _Comparison, proofs: Proofs) -> Finding:
        assert proofs.certificate is not None
        n_environments = len(proofs.certificate.environments)
        apart = comparison.apart
        if apart:
            return self.refused(
                1 - len(apart) / n_environments,
                1.0,
                f"{len(apart)} of {n_environments} environments disagree: {', '.join(apart)}",
                repair=Repair(salt=1, avoid_models=_estimators(task)),
                proofs=proofs,
            )
        if comparison.margin is not None and comparison.margin < self.min_margin:
            evidence = "the best two scores of some row are too close"
            repair = Repair(salt=1)
            return self.refused(
                comparison.margin, self.min_margin, evidence, repair=repair, proofs=proofs
            )
        evidence = f"{n_environments} environments agree"
        return self.passed(1.0, 1.0, evidence, proofs=proofs)


def _estimators(task: TaskFolder) -> tuple[str, ...]:
    """What the last step fits, where it names it."""
    named = task.spec.instructions.steps[-1].parameters.get("estimator")
    return (named,) if isinstance(named, str) else ()


def _compare(task: TaskFolder, answers: Mapping[str, Path | str]) -> _Comparison:
    """Grade every environment's answer with the shipped grader under the tighter tolerance."""
    graded = answer_of(task, SHARE_OF_TOLERANCE)
    truth = pl.read_parquet(task.truth_file)
    apart = tuple(name for name, answer in answers.items() if not _agrees(graded, answer))
    return _Comparison(apart=apart, margin=_margin(task, truth))


def _agrees(graded: Answer, answer: Path | str) -> bool:
    """A text is the error message in place of an answer."""
    if isinstance(answer, str):
        return False
    # A file of our own making needs no process of its own to be decoded in.
    prediction = answer if answer.suffix == ".csv" else pl.read_parquet(answer)
    return score(graded, prediction).score == 1.0


def _margin(task: TaskFolder, truth: pl.DataFrame) -> float | None:
    """Least distance of a row's best score from its second best; None without scores."""
    columns = task.truth.grading.scores
    if not columns:
        return None
    scores = truth.select(columns).to_numpy()
    best = np.sort(scores, axis=1)
    least = float((best[:, -1] - best[:, -2]).min())
    if task.spec.instructions.steps[-1].parameters.get("scores") == "decision":
        return least / float(scores.std())
    return least

"""Truth computed again in every environment of the matrix is the same truth, and by a margin.

Labels must be equal, numbers and scores within a part of the tolerance that ships, so that a solver
whose machine differs from ours is not refused. What makes an answer fragile is not mended here: a
refusal asks for another estimator, or where only the margin is small, for another draw of rows.
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
from validate.verdict import Certificate, Finding, Member, Proofs


class _Comparison(Noun):
    """What became of truth in the environment matrix."""

    apart: tuple[str, ...]
    """Members that disagree. By how much may differ from run to run, so nobody asks."""
    margin: float | None


class Reproducible(Gate):
    """Refuses truth that some environment does not reach, or reaches by a hair."""

    name: ClassVar[str] = "reproducible"
    order: ClassVar[int] = 60

    share_of_tolerance: float = Field(default=0.1, gt=0, le=1)
    """Part of the shipped tolerance that members may use up."""
    min_margin: float = Field(default=1e-4, ge=0)
    """Least difference between the best and the second best score of any row: of probabilities as
    they are, of decision values in standard deviations of all scores of the answer."""

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks; held-out truth is not computed."""
        return task.spec.instructions.is_executed

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The share of members that agree, with the certificate."""
        found = executor.compute(_compare, task, executor.run_matrix(task), self.share_of_tolerance)
        certificate = Certificate(
            members=tuple(
                Member(
                    name=member.name,
                    differs=member.differs,
                    versions=member.versions,
                    agrees=member.name not in found.apart,
                )
                for member in executor.members
            ),
            share_of_tolerance=self.share_of_tolerance,
            margin=found.margin,
        )
        return self._judged(task, found, Proofs(certificate=certificate))

    def _judged(self, task: TaskFolder, found: _Comparison, proofs: Proofs) -> Finding:
        assert proofs.certificate is not None
        n_members = len(proofs.certificate.members)
        if found.apart:
            return self.refused(
                1 - len(found.apart) / n_members,
                1.0,
                f"{len(found.apart)} of {n_members} members disagree: {', '.join(found.apart)}",
                repair=Repair(salt=1, avoid_models=_estimators(task)),
                proofs=proofs,
            )
        if found.margin is not None and found.margin < self.min_margin:
            said = "the best two scores of some row are too close"
            repair = Repair(salt=1)
            return self.refused(found.margin, self.min_margin, said, repair=repair, proofs=proofs)
        said = f"{n_members} members agree"
        return self.passed(1.0, 1.0, said, proofs=proofs)


def _estimators(task: TaskFolder) -> tuple[str, ...]:
    """What the last step fits, where it names it."""
    named = task.spec.instructions.steps[-1].parameters.get("estimator")
    return (named,) if isinstance(named, str) else ()


def _compare(task: TaskFolder, answers: Mapping[str, Path | str], share: float) -> _Comparison:
    """Grade every member's answer with the shipped grader under the tighter tolerance."""
    graded = answer_of(task, share)
    truth = pl.read_parquet(task.truth_file)
    apart = tuple(name for name, answer in answers.items() if not _agrees(graded, answer))
    return _Comparison(apart=apart, margin=_margin(task, truth))


def _agrees(graded: Answer, answer: Path | str) -> bool:
    """A text is what a member said in place of an answer."""
    if isinstance(answer, str):
        return False
    # A file of our own making needs no process of its own to be decoded in.
    found = answer if answer.suffix == ".csv" else pl.read_parquet(answer)
    return score(graded, found).score == 1.0


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

"""Truth computed again in every environment of the panel is the same truth, and by a margin.

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
from transform.plan import Amendment
from transform.task import ID_COLUMN, Task
from validate.controls import answer_of
from validate.gate import Gate
from validate.lab import Laboratory
from validate.score import score
from validate.verdict import Certificate, Finding, Member, Proofs


class _Comparison(Noun):
    """What became of truth in the panel."""

    apart: dict[str, str]
    """What members that disagree say, in a few words."""
    margin: float | None


class Reproducible(Gate):
    """Refuses truth that some member of the panel does not reach, or reaches by a hair."""

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

    def check(self, task: Task, lab: Laboratory) -> Finding:
        """The share of members that agree, with the certificate."""
        found = lab.compute(_compare, task, lab.run_panel(task), self.share_of_tolerance)
        certificate = Certificate(
            members=tuple(
                Member(
                    name=member.name,
                    differs=member.differs,
                    versions=member.versions,
                    agrees=member.name not in found.apart,
                )
                for member in lab.members
            ),
            share_of_tolerance=self.share_of_tolerance,
            margin=found.margin,
        )
        return self._judged(task, found, Proofs(certificate=certificate))

    def _judged(self, task: Task, found: _Comparison, proofs: Proofs) -> Finding:
        assert proofs.certificate is not None
        n_members = len(proofs.certificate.members)
        if found.apart:
            said = "; ".join(f"{name}: {what}" for name, what in found.apart.items())
            return self.refused(
                1 - len(found.apart) / n_members,
                1.0,
                f"{len(found.apart)} of {n_members} members disagree: {said}",
                repair=Amendment(draw=1, avoid_models=_estimators(task)),
                proofs=proofs,
            )
        if found.margin is not None and found.margin < self.min_margin:
            said = "the best two scores of some row are too close"
            repair = Amendment(draw=1)
            return self.refused(found.margin, self.min_margin, said, repair=repair, proofs=proofs)
        said = f"{n_members} members agree"
        return self.passed(1.0, 1.0, said, proofs=proofs)


def _estimators(task: Task) -> tuple[str, ...]:
    """What the last step fits, where it names it."""
    named = task.spec.instructions.steps[-1].parameters.get("estimator")
    return (named,) if isinstance(named, str) else ()


def _compare(task: Task, answers: Mapping[str, Path | str], share: float) -> _Comparison:
    """Grade every member's answer with the shipped grader under the tighter tolerance."""
    graded = answer_of(task, share)
    truth = pl.read_parquet(task.truth.path)
    apart: dict[str, str] = {}
    for name, answer in answers.items():
        if isinstance(answer, str):
            apart[name] = answer.strip().splitlines()[-1][-200:]
        # A file of our own making needs no process of its own to be decoded in.
        elif (
            score(graded, answer if answer.suffix == ".csv" else pl.read_parquet(answer)).score < 1
        ):
            apart[name] = f"{_rows_apart(task, truth, answer, share)} rows"
    return _Comparison(apart=apart, margin=_margin(task, truth))


def _rows_apart(task: Task, truth: pl.DataFrame, answer: Path, share: float) -> int:
    """Rows in which some answer column differs from truth by more than the tolerance."""
    grading = task.truth.grading
    schema = truth.schema
    if answer.suffix == ".csv":
        found = pl.read_csv(answer, schema_overrides=schema, columns=truth.columns)
    else:
        found = pl.read_parquet(answer).cast(pl.Schema(schema))
    both = truth.join(found, on=ID_COLUMN, how="full", suffix=" found")
    apart = pl.lit(value=False)
    for name in truth.columns[1:]:
        right, seen = pl.col(name), pl.col(f"{name} found")
        equal = right == seen
        if schema[name].is_float():
            within = grading.atol.get(name, 0.0) + grading.rtol * right.abs()
            equal = (right - seen).abs() <= share * within
        apart |= ~equal.fill_null(value=False)
    return int(both.select(apart.sum()).item())


def _margin(task: Task, truth: pl.DataFrame) -> float | None:
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

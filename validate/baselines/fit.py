"""Fits all baselines to a task and measures what each scores.

Takes a task, returns a `BaselineFits`: the scores of the baselines, each target's signal under the
permutation null, and the single columns that answer best. Every answer is graded by `score.py`.
Where truth is executed, the reference is the one solver, and its answer is compared with the true
targets of val, which only we have: whether the instructions lead to something that has to do with
the world.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
from threadpoolctl import threadpool_limits

from extract.noun import Noun
from transform.files.task_folder import TaskFolder
from transform.task import ID_COLUMN, Metric
from validate.baselines import forecasting, tabular
from validate.baselines.null import TargetValues, null_scores, scores
from validate.baselines.solver import (
    ONE_FEATURE,
    REFERENCE_SOLVER,
    BaselineAnswer,
    baseline_seed,
    case_of,
)
from validate.controls import answer_of
from validate.environments.executor import Executor
from validate.score import Answer, score
from validate.verdict import Baseline, BaselineScores, Measured


class TargetSignal(Noun):
    """What the baselines learnt about one target."""

    target: str
    score: Measured
    """Of the best attempt, in the task's metric."""
    chance: Measured
    """Mean score of the best attempt when truth is paired with rows at random."""
    p_value: Measured
    """Share of the pairings that score as well as the best attempt."""

    @property
    def gap(self) -> float:
        """Score above chance."""
        return round(self.score - self.chance, 6)


class BaselineFits(Noun):
    """What the solvers reached."""

    baseline_scores: BaselineScores
    signals: tuple[TargetSignal, ...]
    """One for each target."""
    single_features: tuple[str, ...] = ()
    """Columns that `one_feature` chose, at most one for each target."""

    def score_of(self, solver: str) -> float | None:
        """Score of a baseline; None where there is no such solver."""
        baselines = self.baseline_scores.baselines
        return next((baseline.score for baseline in baselines if baseline.solver == solver), None)


def fitted_baselines(task: TaskFolder, executor: Executor) -> BaselineFits:
    """The fits of a task, computed once however many gates ask.

    Known by the content of every file that enters, so that a task that was drafted again, or
    touched, is never taken for the one before.
    """
    inputs = (task.spec, task.truth, _digest(task))
    return executor.once(fit_baselines, BaselineFits, inputs, task)


def _digest(task: TaskFolder) -> str:
    paths = [*sorted(task.public.iterdir()), task.truth_file, task.held_out_file]
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()]
    return " ".join(hashes)


def fit_baselines(task: TaskFolder) -> BaselineFits:
    """Let every solver try; deterministic, one thread, some seconds."""
    executed = task.spec.instructions.is_executed
    answer = _held_out_answer(task) if executed else answer_of(task)
    # More threads would cost more than they save, and round otherwise from machine to machine.
    with threadpool_limits(1):
        answers = list(_around_reference(task) if executed else _scripted(task))
    baselines = [_baseline(task, answer, given) for given in answers]
    tried = list(zip(answers, baselines, strict=True))
    ceiling = max(baseline.score for given, baseline in tried if not given.is_trivial)
    signals = _signals(
        answer, [given for given in answers if not given.is_trivial], baseline_seed(task)
    )
    baseline_scores = BaselineScores(
        baselines=tuple(baselines),
        floor=max(baseline.score for given, baseline in tried if given.is_trivial),
        ceiling=ceiling,
        p_value=max(signal.p_value for signal in signals),
    )
    single_features = next((given.columns for given in answers if given.solver == ONE_FEATURE), ())
    return BaselineFits(
        baseline_scores=baseline_scores, signals=signals, single_features=single_features
    )


def _scripted(task: TaskFolder) -> Iterator[BaselineAnswer]:
    case = case_of(task)
    return (
        tabular.tabular_answers(case)
        if case.instructions.grid is None
        else forecasting.forecasting_answers(case)
    )


def _around_reference(task: TaskFolder) -> Iterator[BaselineAnswer]:
    """The reference between chance and the mean or majority of the clean training table."""
    case = replace(case_of(task), train=pl.read_parquet(task.clean_file))
    yield from tabular.trivial_answers(case)
    answer = pl.read_parquet(task.truth_file).select(ID_COLUMN, *case.instructions.targets)
    yield BaselineAnswer(REFERENCE_SOLVER, False, (answer,))


def _held_out_answer(task: TaskFolder) -> Answer:
    """The true targets of val, graded as an open task; rows that lack one are left out."""
    instructions = task.spec.instructions
    metric: Metric = "macro_f1" if instructions.problem == "classification" else "clipped_r2"
    grading = task.truth.grading.model_copy(update={"metric": metric, "scores": ()})
    # The answer to grade is the world's; the spec's truth is what the steps lead to.
    known = (
        pl.read_parquet(task.held_out_file).select(ID_COLUMN, *instructions.targets).drop_nulls()
    )
    return Answer.parse(
        task_id=task.spec.task_id,
        variant=instructions.variant,
        ground_truth=grading.model_dump_json(),
        truth=known.to_arrow(),
        skill=task.truth.skill,
    )


def _baseline(task: TaskFolder, answer: Answer, given: BaselineAnswer) -> Baseline:
    results = [score(answer, _ordered(answer, table)) for table in given.predictions]
    # Several predictions are draws of one solver, whose score is their mean.
    skills = [result.skill for result in results if result.skill is not None]
    assert {result.reason for result in results} == {"ok"}, (given.solver, results[0].message)
    is_forecast = task.spec.instructions.problem == "forecasting"
    return Baseline(
        solver=given.solver,
        score=float(np.mean([result.score for result in results])),
        skill=float(np.mean(skills)) if is_forecast and skills else None,
    )


def _ordered(answer: Answer, prediction: pl.DataFrame) -> pa.Table:
    """A prediction in the order of truth's rows."""
    ids = pl.DataFrame({ID_COLUMN: answer.truth.column(ID_COLUMN).to_pylist()})
    return ids.join(prediction, on=ID_COLUMN, how="left", maintain_order="left").to_arrow()


def _signals(
    answer: Answer, answers: Sequence[BaselineAnswer], seed: int
) -> tuple[TargetSignal, ...]:
    """Each target by itself; a prediction's cells are read as truth's are."""
    tables = [_ordered(answer, table) for given in answers for table in given.predictions]
    truth, *predictions = [answer.right, *(replace(answer, truth=table).right for table in tables)]
    return tuple(
        _signal(
            name, answer.rules.metric, truth[name], [right[name] for right in predictions], seed
        )
        for name in answer.rules.targets
    )


def _signal(
    name: str, metric: Metric, truth: TargetValues, attempts: Sequence[TargetValues], seed: int
) -> TargetSignal:
    as_it_is = np.arange(len(truth))[None]
    reached = max(float(scores(metric, truth, a, as_it_is)[0]) for a in attempts)
    null = null_scores(metric, truth, attempts, seed)
    return TargetSignal(
        target=name,
        score=reached,
        chance=float(null.mean()),
        # The observed pairing is one of those that chance may bring, so p is never 0.
        p_value=(1 + int((null >= reached).sum())) / (1 + len(null)),
    )

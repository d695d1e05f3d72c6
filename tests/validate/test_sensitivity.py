"""What counts as killed, and what the mutations of every step of a real task do."""

from collections.abc import Mapping
from contextlib import suppress

import polars as pl
import pytest

from tests.bench.held_out_set import held_out_mutations
from transform.files.task_folder import TaskFolder
from transform.run.pipeline import Pipeline
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.registry import resolve
from transform.steps.step import Mutation, UnstatedChange, Workspace
from transform.task import Grading, Instructions
from validate.sensitivity import KillThresholds, ReferenceAnswer, measure

INSTRUCTED = ["class-if", "reg-if"]
N = 500


def reference(grading: Grading, truth: pl.DataFrame, instructions: Instructions) -> ReferenceAnswer:
    return ReferenceAnswer(
        instructions, truth, grading, KillThresholds(labels_share=0.003, rows_share=0.01)
    )


@pytest.fixture
def numbers(tasks: Mapping[str, TaskFolder]) -> ReferenceAnswer:
    """Truth of numbers from 0 on, with a tolerance of 0.001."""
    truth = pl.DataFrame({"row_id": range(N), "y": [float(i) for i in range(N)]})
    grading = Grading(metric="allclose", targets=("y",), rtol=0.0, atol={"y": 1e-3}, n_rows=N)
    return reference(grading, truth, tasks["reg-if"].spec.instructions)


@pytest.fixture
def labels(tasks: Mapping[str, TaskFolder]) -> ReferenceAnswer:
    """Truth of labels, without scores."""
    truth = pl.DataFrame({"row_id": range(N), "y": [i % 3 for i in range(N)]})
    grading = Grading(metric="exact", targets=("y",), label_type="integer", n_rows=N)
    return reference(grading, truth, tasks["class-if"].spec.instructions)


def moved(frame: pl.DataFrame, n: int, by: float) -> pl.DataFrame:
    """The answer with its first rows changed."""
    changed = pl.when(pl.col("row_id") < n).then(pl.col("y") + by).otherwise(pl.col("y"))
    return frame.with_columns(changed.cast(frame.schema["y"]).alias("y"))


def test_numbers_of_one_row_in_a_hundred_are_killed(numbers: ReferenceAnswer) -> None:
    assert numbers.kills(numbers.truth) == (False, 0.0)
    assert numbers.kills(moved(numbers.truth, 4, 0.01)) == (False, 4 / N)
    assert numbers.kills(moved(numbers.truth, 5, 0.01)) == (True, 5 / N)
    assert numbers.kills(moved(numbers.truth, N, 0.0005)) == (False, 0.0)
    lost = numbers.truth.with_columns(pl.lit(float("nan")).alias("y"))
    assert numbers.kills(lost) == (True, 1.0)


def test_labels_of_three_rows_in_a_thousand_are_killed(labels: ReferenceAnswer) -> None:
    assert labels.kills(labels.truth) == (False, 0.0)
    assert labels.kills(moved(labels.truth, 1, 1)) == (False, 1 / N)
    assert labels.kills(moved(labels.truth, 2, 1)) == (True, 2 / N)


def test_one_label_of_few_is_killed(labels: ReferenceAnswer) -> None:
    few = reference(labels.grading, labels.truth.head(100), labels.instructions)
    assert few.kills(moved(few.truth, 1, 1)) == (True, 0.01)


def test_other_rows_or_columns_are_wrong_throughout(numbers: ReferenceAnswer) -> None:
    truth = numbers.truth
    assert numbers.kills(truth.tail(-1)) == (True, 1.0)
    assert numbers.kills(truth.with_columns(pl.col("row_id") + 1)) == (True, 1.0)
    assert numbers.kills(truth.rename({"y": "z"})) == (True, 1.0)


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_measures_every_step_in_its_place(tasks: Mapping[str, TaskFolder], variant: str) -> None:
    task = tasks[variant]
    measured = measure(task, KillThresholds())
    steps = task.spec.instructions.steps
    assert [(e.position, e.kind) for e in measured] == [
        (position, step.kind) for position, step in enumerate(steps, start=1)
    ]
    assert all(step.mutations for step in measured)
    assert measured == measure(task, KillThresholds())


def test_a_truth_of_something_else_shows_everything(tasks: Mapping[str, TaskFolder]) -> None:
    """Nothing but truth itself leads to truth."""
    task = tasks["reg-if"]
    truth = pl.read_parquet(task.truth_file).with_columns(pl.col(task.truth.grading.targets) + 1e9)
    instructions = task.spec.instructions
    stranger = ReferenceAnswer(instructions, truth, task.truth.grading, KillThresholds())
    acting = [
        v for e in stranger.step_mutations(task.public) for v in e.mutations if v.changed_share
    ]
    assert all(mutation.changed_share == 1.0 for mutation in acting)


@pytest.mark.parametrize("variant", INSTRUCTED)
def test_kills_mistakes_that_it_was_not_built_by(
    tasks: Mapping[str, TaskFolder], variant: str
) -> None:
    task = tasks[variant]
    truth = pl.read_parquet(task.truth_file)
    instructions = task.spec.instructions
    reference = ReferenceAnswer(instructions, truth, task.truth.grading, KillThresholds())
    pipeline = Pipeline(instructions, task.public)
    killed = []
    for position in range(len(pipeline.steps)):
        for mutation in held_out_mutations(pipeline.steps, position):
            with suppress(Exception):
                answer = pipeline.mutated(position, mutation, mutation.n_replaced).answer
                if answer is not None:
                    killed.append(reference.kills(answer)[0])
                elif not mutation.if_it_acts:
                    killed.append(False)
    assert len(killed) >= 2 * len(pipeline.steps)
    assert sum(killed) >= 0.85 * len(killed)


def test_a_mistake_without_an_answer_says_little(
    tasks: Mapping[str, TaskFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left out, unless the step has no others: nobody gets anywhere without the step."""

    def nothing_left(work: Workspace) -> Workspace:
        raise IndexError("index -1 is out of bounds")

    fit = resolve(tasks["reg-if"].spec.instructions.steps[-1])
    ends, goes_on = Mutation("ends", (UnstatedChange(nothing_left),)), Mutation("goes_on", (fit,))
    for wrong, left in (((ends, goes_on), ["goes_on"]), ((ends,), ["ends"])):
        monkeypatch.setattr(FitPredict, "mutations", lambda _, wrong=wrong: wrong)
        *_, last = measure(tasks["reg-if"], KillThresholds())
        assert [mutation.name for mutation in last.mutations] == left

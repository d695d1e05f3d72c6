"""What the last step promises beyond agreeing with its program."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from transform.steps import registry
from transform.steps.fitting.fit_predict import FitPredict, score_columns
from transform.steps.step import StepContext, Workspace
from transform.task import StepSpec


def _task(labels: list[Any]) -> Workspace:
    numbers = [float(i) for i in range(len(labels))]
    train = pl.DataFrame({"row_id": range(len(labels)), "x": numbers, "y": labels})
    val = pl.DataFrame({"row_id": [90, 91], "x": [0.5, len(labels) - 1.5]})
    return Workspace(train, val, ("y",))


def _step(estimator: str, module: str, **fields: Any) -> FitPredict:
    return FitPredict(estimator=estimator, module=module, arguments={}, **fields)


def test_two_classes_get_opposite_decisions(run_lines: Callable[..., dict[str, Any]]) -> None:
    step = _step("RidgeClassifier", "sklearn.linear_model", scores="decision")
    work = _task(["no"] * 5 + ["yes"] * 5)
    answer = step.apply(work).answer
    assert answer is not None
    assert answer.columns == ["row_id", "y", "score_no", "score_yes"]
    assert answer["y"].to_list() == ["no", "yes"]
    assert answer["score_no"].equals(-answer["score_yes"])
    assert answer["score_yes"][1] > 0
    prediction = run_lines([step], work)["prediction"]
    np.testing.assert_allclose(prediction["score_no"], answer["score_no"], rtol=1e-12)


@pytest.mark.parametrize("labels", [[1] * 5 + [2] * 5, [1.0] * 5 + [2.0] * 5])
def test_labels_keep_their_type_and_scores_their_names(
    labels: list[float], run_lines: Callable[..., dict[str, Any]]
) -> None:
    """A column of whole labels turns into floats when a target is missing; the names stay."""
    step = _step("GaussianNB", "sklearn.naive_bayes", scores="probability")
    work = _task(labels)
    answer = step.apply(work).answer
    assert answer is not None
    assert answer.schema["y"] == work.train.schema["y"]
    assert answer.columns == ["row_id", "y", "score_1", "score_2"]
    assert list(run_lines([step], work)["prediction"].columns) == answer.columns
    assert score_columns(pl.Series(labels)) == ("score_1", "score_2")


def test_nothing_else_can_be_imported_or_called() -> None:
    good = _step("GaussianNB", "sklearn.naive_bayes").spec().parameters
    for wrong in (
        {"estimator": "system", "module": "os"},
        {"module": "os"},
        {"scores": "decision"},
        {"arguments": {"a=1)\nimport os\n(b": 1}},
        {"arguments": {"lambda": 1}},
    ):
        with pytest.raises(ValueError, match=r"table|scores|identifiers"):
            registry.resolve(StepSpec(kind="fit_predict", parameters=good | wrong))


def test_proposes_itself_only_for_a_full_matrix(make_sketch: Callable[..., StepContext]) -> None:

    assert FitPredict.choose(make_sketch(1), random.Random(1)) == ()


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3])
def test_least_squares_is_left_alone_where_versions_differ(spread: float) -> None:
    """Columns of one scale are proposed, nearly collinear ones are not."""
    rng = np.random.default_rng(1)
    x = rng.normal(0, spread, 80)
    frame = pl.DataFrame({"row_id": range(80), "a": x, "b": rng.normal(0, spread, 80), "y": x})
    for near, proposed in ((False, True), (True, False)):
        train = frame.with_columns(c=pl.col("a") + (1e-8 if near else 1) * pl.col("b").reverse())
        work = Workspace(train, train.drop("y"), ("y",))
        blank = StepContext(train, work.val, "regression", ("y",), (), (), (), "LinearRegression")
        assert bool(FitPredict.choose(blank.after(work), random.Random(1))) is proposed

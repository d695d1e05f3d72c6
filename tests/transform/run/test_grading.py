"""What ships with truth for the grader: tolerances, label types and known classes."""

from typing import Any

import polars as pl
import pytest

from transform.run.grading import grading_of
from transform.task import RTOL, ColumnSpec, DataFiles, Instructions
from validate.score import Rules


def instructions_of(
    problem: str, targets: tuple[str, ...], scores: tuple[str, ...] = ()
) -> Instructions:
    is_class = problem == "classification"
    return Instructions(
        variant="class-if" if is_class else "reg-if",
        problem=problem,  # type: ignore[arg-type]
        data=DataFiles(format="csv"),
        columns=tuple(ColumnSpec(name=name, type="number") for name in targets),
        targets=targets,
        scores=scores,
        metric="exact" if is_class else "allclose",
    )


def frame(**columns: list[Any]) -> pl.DataFrame:
    ids = range(len(next(iter(columns.values()))))
    return pl.DataFrame({"row_id": list(ids), **columns})


def test_numbers_get_a_tolerance_from_the_spread_of_train() -> None:
    train, answer = frame(y=[0.0, 1000.0], z=[1, 3]), frame(y=[5.0, 6.0, 7.0], z=[1.0, 1.0, 1.0])
    grading = grading_of(instructions_of("regression", ("y", "z")), train, answer)
    assert grading.atol == {
        "y": pytest.approx(1e-8 * 1000 / 2**0.5),
        "z": pytest.approx(1e-8 * 2**0.5),
    }
    assert (grading.rtol, grading.n_rows, grading.metric) == (1e-5, 3, "allclose")
    assert grading.label_type is None
    assert grading.classes == ()


def test_the_tolerance_that_is_told_is_the_one_that_ships() -> None:
    loose = instructions_of("regression", ("y",)).model_copy(update={"rtol": 0.25})
    assert grading_of(loose, frame(y=[0.0, 1.0]), frame(y=[5.0])).rtol == 0.25


def test_the_grader_alone_has_the_same_tolerance() -> None:
    rules = Rules.parse('{"metric": "allclose", "id_column": "row_id", "targets": ["y"]}')
    assert rules.rtol == Rules("allclose", "row_id", ("y",)).rtol == RTOL


def test_scores_get_a_tolerance_from_their_own_spread() -> None:
    answer = frame(kind=["a", "b"], score_a=[0.0, 1.0], score_b=[0.5, 0.5])
    scores = ("score_a", "score_b")
    grading = grading_of(
        instructions_of("classification", ("kind",), scores), frame(kind=["b", "a"]), answer
    )
    assert grading.atol == {"score_a": pytest.approx(1e-8 * 0.5**0.5), "score_b": 0.0}
    assert grading.scores == scores


@pytest.mark.parametrize(
    ("train", "answer", "label_type", "classes"),
    [
        ({"k": ["b", "a", "c"]}, {"k": ["a"]}, "text", ("a", "b", "c")),
        ({"k": [10, 9, 2]}, {"k": [9]}, "integer", ("10", "2", "9")),
        ({"k": ["1", "2"]}, {"k": ["2"]}, "text", ("1", "2")),
        ({"k": [1, 2], "m": [5, 2]}, {"k": [1], "m": [2]}, "integer", ("1", "2", "5")),
        ({"k": ["a", "b"], "m": [5, 2]}, {"k": ["a"], "m": [2]}, "text", ("2", "5", "a", "b")),
    ],
)
def test_labels_ship_their_type_and_the_classes_of_train(
    train: dict[str, list[Any]],
    answer: dict[str, list[Any]],
    label_type: str,
    classes: tuple[str, ...],
) -> None:
    instructions = instructions_of("classification", tuple(train))
    grading = grading_of(instructions, frame(**train), frame(**answer))
    assert grading.label_type == label_type
    assert grading.classes == classes
    assert grading.atol == {}
    assert grading.id_column == "row_id"


def test_one_row_has_no_spread() -> None:
    grading = grading_of(instructions_of("regression", ("y",)), frame(y=[3.0]), frame(y=[3.0]))
    assert grading.atol == {"y": 0.0}


def test_the_stated_relative_tolerance_ships() -> None:
    instructions = instructions_of("regression", ("y",)).model_copy(update={"rtol": 0.01})
    assert grading_of(instructions, frame(y=[1.0, 3.0]), frame(y=[3.0])).rtol == 0.01

"""Rows of tabular tasks: what a label is, which rows go, and what is too little."""

from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extract.dataset import DatasetRef
from transform.proposal import Feature, Proposal
from transform.rows.divide import (
    Rows,
    capped,
    divide,
    too_few_rows,
    without_rare_classes,
    without_repeats,
)
from transform.rows.size import SizeConfig
from transform.rows.split import Split


def propose(problem: str, *targets: str, features: tuple[str, ...] = ("x",)) -> Proposal:
    return Proposal(
        dataset=DatasetRef(owner="o", slug="s"),
        table="t",
        problem=problem,  # type: ignore[arg-type]
        targets=targets,
        features=tuple(Feature(name=name, type="number") for name in features),
        reasons=(),
        proposer="test-1",
    )


def split(*sides: bool | None) -> Split:
    return Split("random", None, pl.Series(list(sides), dtype=pl.Boolean), "by hand")


def halves(frame: pl.DataFrame) -> Split:
    return split(*(i >= frame.height // 2 for i in range(frame.height)))


# --- dividing ----------------------------------------------------------------------------------


def test_sides_columns_and_order_are_those_of_the_table() -> None:
    frame = pl.DataFrame({"z": [1, 2, 3, 4], "y": [5.0, 6, 7, 8], "other": 0, "x": [9, 8, 7, 6]})
    sides = split(False, True, None, False)
    rows = divide(frame, propose("regression", "y", features=("x", "z")), sides)
    assert_frame_equal(rows.train, pl.DataFrame({"z": [1, 4], "y": [5.0, 8.0], "x": [9, 6]}))
    assert_frame_equal(rows.val, pl.DataFrame({"z": [2], "y": [6.0], "x": [8]}))
    assert rows.notes == ()


def test_rows_without_any_of_their_targets_go() -> None:
    nan, inf = float("nan"), float("inf")
    frame = pl.DataFrame(
        {
            "x": list(range(8)),
            "y": [1.0, None, nan, 4.0, inf, 6.0, -inf, 8.0],
            "z": [1.0, 2.0, 3.0, None, 5.0, 6.0, 7.0, nan],
        }
    )
    rows = divide(frame, propose("regression", "y", "z"), halves(frame))
    assert rows.train.rows() == [(0, 1.0, 1.0)]
    assert rows.val.rows() == [(5, 6.0, 6.0)]


def test_features_without_a_value_in_train_go() -> None:
    frame = pl.DataFrame({"x": [1, 2, 3, 4], "w": [None, None, 3.0, 4.0], "y": [1.0, 2, 3, 4]})
    rows = divide(frame, propose("regression", "y", features=("x", "w")), halves(frame))
    assert rows.train.columns == rows.val.columns == ["x", "y"]


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["  a", "b\t", "", " ", None, "a"], ["a", "b", "a"]),
        ([1.0, 2.0, None, float("nan"), -3.0, 1.0], [1, 2, -3, 1]),
        ([0.5, 2.0, None, None, 2.0, 0.5], ["0.5", "2.0", "2.0", "0.5"]),
        ([2.0**60, 1.0, None, None, 2.0, 2.0], ["1.152921504606847e+18", "1.0", "2.0", "2.0"]),
        ([True, False, None, True, False, True], [1, 0, 1, 0, 1]),
        ([date(2020, 1, 2), None, date(2021, 1, 1)] * 2, ["2020-01-02", "2021-01-01"] * 2),
        (
            [datetime(2020, 1, 2), datetime(2020, 1, 2, 3)] * 3,
            ["2020-01-02T00:00:00", "2020-01-02T03:00:00"] * 3,
        ),
    ],
)
def test_labels_are_whole_numbers_or_tidy_text(cells: list[Any], labels: list[Any]) -> None:
    frame = pl.DataFrame({"x": list(range(6)), "y": cells})
    rows = divide(frame, propose("classification", "y"), split(*[False] * 6))
    assert rows.train["y"].to_list() == labels
    assert rows.train["y"].dtype == (pl.String if isinstance(labels[0], str) else pl.Int64)


def test_targets_of_a_regression_are_floats() -> None:
    frame = pl.DataFrame({"x": [1, 2], "y": [3, 4]})
    rows = divide(frame, propose("regression", "y"), split(False, True))
    assert rows.train.schema == rows.val.schema == {"x": pl.Int64, "y": pl.Float64}


# --- leaving rows out --------------------------------------------------------------------------


def test_repeats_go_from_val_alone_and_missing_equals_missing() -> None:
    train = pl.DataFrame({"x": [1, 1, None, 3], "y": ["a", "a", "b", "c"]})
    val = pl.DataFrame({"x": [3, None, 1, 1, None], "y": ["c", "b", "b", "a", "a"]})
    rows = without_repeats(Rows(train, val, ("noted",)))
    assert_frame_equal(rows.train, train)
    assert rows.val.rows() == [(1, "b"), (None, "a")]
    assert rows.notes == ("noted",)


def test_a_few_rows_that_nearly_stand_in_train_go_and_many_are_its_nature() -> None:
    train = pl.DataFrame({"x": np.linspace(1, 2, 50), "y": ["a", "b"] * 25})
    fresh = pl.DataFrame({"x": np.linspace(5, 6, 50), "y": ["a", "b"] * 25})
    near = train.with_columns(pl.col("x") * (1 + 1e-6))
    assert_frame_equal(without_repeats(Rows(train, pl.concat([near[:5], fresh]))).val, fresh)
    assert without_repeats(Rows(train, pl.concat([near, fresh]))).val.height == 100


def test_a_row_of_nothing_is_a_repeat_as_well() -> None:
    empty = pl.DataFrame({"x": [None], "y": ["a"]}, schema={"x": pl.Int64, "y": pl.String})
    assert without_repeats(Rows(empty, empty)).val.is_empty()


def test_capping_keeps_order_and_depends_on_the_key_alone() -> None:
    train, val = pl.DataFrame({"x": range(1000)}), pl.DataFrame({"x": range(1000, 1100)})
    rows = capped(Rows(train, val), 300, 100, "key")
    assert rows.train.height == 300
    assert rows.train["x"].is_sorted()
    assert set(rows.train["x"]) < set(train["x"])
    assert_frame_equal(rows.val, val)
    assert_frame_equal(capped(Rows(train, val), 300, 50, "key").train, rows.train)
    assert not capped(Rows(train, val), 300, 100, "other").train.equals(rows.train)
    # Neither the head nor the tail of the table.
    assert 300 < rows.train["x"].mean() < 700  # type: ignore[operator]


def test_both_sides_are_sampled_apart() -> None:
    same = pl.DataFrame({"x": range(1000)})
    rows = capped(Rows(same, same), 200, 200, "key")
    assert not rows.train.equals(rows.val)


def test_rare_classes_go_from_both_sides_with_a_note() -> None:
    train = pl.DataFrame({"y": ["a"] * 5 + ["b"] * 5 + ["c"] * 9})
    val = pl.DataFrame({"y": ["a"] * 3 + ["b"] * 2 + ["d"]})
    rows = without_rare_classes(Rows(train, val), ["y"], 3)
    assert set(rows.train["y"]) == set(rows.val["y"]) == {"a"}
    assert len(rows.notes) == 1
    untouched = Rows(train.head(5), val.head(3))
    assert without_rare_classes(untouched, ["y"], 3) is untouched


def test_a_class_that_becomes_rare_goes_as_well() -> None:
    """Without the rows of "q" there are too few of "b"."""
    pairs = [("a", "p")] * 6 + [("b", "p")] * 2 + [("b", "q")] * 2
    side = pl.DataFrame(pairs, schema=["y", "z"], orient="row")
    rows = without_rare_classes(Rows(side, side), ["y", "z"], 3)
    assert rows.train.rows() == [("a", "p")] * 6
    none = without_rare_classes(Rows(side, side), ["y", "z"], 7)
    assert none.train.is_empty()


# --- what is too little ------------------------------------------------------------------------

SIZE = SizeConfig(min_train_rows=4, min_val_rows=2)


def rows_of(n_train: int, n_val: int, labels: tuple[object, ...] = ("a", "b")) -> Rows:
    cells = [labels[i % len(labels)] for i in range(n_train + n_val)]
    frame = pl.DataFrame({"x": range(n_train + n_val), "y": cells})
    return Rows(frame.head(n_train), frame.tail(n_val))


@pytest.mark.parametrize(
    ("rows", "value", "threshold", "what"),
    [
        (rows_of(3, 2), 3, 4, "training rows"),
        (rows_of(4, 1), 1, 2, "rows to predict"),
        (rows_of(4, 2, ("a",)), 1, 2, "classes"),
    ],
)
def test_too_little_is_refused_with_numbers(
    rows: Rows, value: float, threshold: float, what: str
) -> None:
    drop = too_few_rows(rows, propose("classification", "y"), SIZE, "the-task", "class-mm")
    assert drop is not None
    assert (drop.reason, drop.value, drop.threshold) == ("too_small", value, threshold)
    assert (drop.key, drop.source, drop.variant) == ("the-task", "o/s", "class-mm")
    assert what in drop.detail


def test_enough_is_enough() -> None:
    assert (
        too_few_rows(rows_of(4, 2), propose("classification", "y"), SIZE, "t", "class-mm") is None
    )
    numbers = rows_of(4, 2, (1.0,))
    assert too_few_rows(numbers, propose("regression", "y"), SIZE, "t", "reg-mm") is None


def test_a_table_without_features_is_refused() -> None:
    rows = Rows(*(side.select("y") for side in (rows_of(4, 2).train, rows_of(4, 2).val)))
    drop = too_few_rows(rows, propose("classification", "y"), SIZE, "t", "class-mm")
    assert drop is not None
    assert drop.reason == "no_feature"

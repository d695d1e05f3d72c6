"""An answer tells something when it varies, beats chance, and no row is on the fence."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from transform.families.answer_quality import is_telling, sure_rows


def _told(
    answer: Sequence[object], truth: Sequence[object], problem: str = "classification"
) -> bool:
    said, known = (pl.DataFrame({"y": cells}, strict=False) for cells in (answer, truth))
    return is_telling(said, known, ["y"], problem)  # type: ignore[arg-type]


def test_the_majority_class_is_chance() -> None:
    truth = ["a"] * 80 + ["b"] * 20
    assert _told(["a"] * 70 + ["b"] * 30, truth)
    assert not _told(["a"] * 99 + ["b"], truth)
    assert not _told(["b"] * 80 + ["a"] * 20, truth)


def test_classes_that_nobody_predicts_count() -> None:
    truth = ["a"] * 40 + ["b"] * 30 + ["c"] * 30
    assert not _told(["b"] * 40 + ["a"] * 30 + ["d"] * 30, truth)


def test_numbers_must_explain_something() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(5, 2, 300)
    assert _told((truth + rng.normal(0, 1, 300)).tolist(), truth.tolist(), "regression")
    assert not _told(rng.permutation(truth).tolist(), truth.tolist(), "regression")
    assert not _told([5.0] * 300, truth.tolist(), "regression")


def test_all_targets_must_tell() -> None:
    good, bad = ["a", "b"] * 50, ["b", "a"] * 50
    truth = pl.DataFrame({"y": good, "z": good})
    for second, expected in ((good, True), (bad, False)):
        answer = pl.DataFrame({"y": good, "z": second})
        assert is_telling(answer, truth, ["y", "z"], "classification") == expected


def test_rows_on_the_fence_are_not_sure() -> None:
    scores = {"score_a": [0.5, 0.2, 0.4995, 0.34], "score_b": [0.5, 0.8, 0.5005, 0.33]}
    answer = pl.DataFrame({"row_id": [3, 5, 7, 9], "y": list("abba"), **scores})
    assert sure_rows(answer, list(scores), "probability", 0.002) == [5, 9]
    assert sure_rows(answer, list(scores), "probability", 0.0) == [3, 5, 7, 9]
    assert sure_rows(answer, [], "none", 0.5) == [3, 5, 7, 9]


def test_decision_values_are_measured_by_their_spread() -> None:
    values = [-3.0, 2.0, 0.01, 5.0]
    names = ["score_a", "score_b"]
    for factor in (1.0, 1e6):
        cells = [value * factor for value in values]
        table = {"score_a": [-v for v in cells], "score_b": cells}
        answer = pl.DataFrame({"row_id": range(4), "y": list("abbb"), **table})
        assert sure_rows(answer, names, "decision", 0.1) == [0, 1, 3]

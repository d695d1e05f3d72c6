import numpy as np
import pytest

from transform.profile.profile import TargetKind
from transform.profile.single_feature import chance, single_feature_score

N = 400
RNG = np.random.default_rng(8)
A = RNG.normal(size=N)
HALF = N // 2


def score(column: np.ndarray, target: np.ndarray, kind: TargetKind) -> float:
    return single_feature_score(column[:HALF], target[:HALF], column[HALF:], target[HALF:], kind)


def test_what_tells_the_target_scores_high_and_noise_does_not() -> None:
    assert score(A, 3 * A, "regression") > 0.99
    assert score(A, (A > 0).astype(float), "classification") > 0.99
    assert score(RNG.normal(size=N), A, "regression") < 0.1
    assert score(RNG.normal(size=N), (A > 0).astype(float), "classification") < 0.65


def test_a_wrong_cell_and_missing_ones_hide_nothing() -> None:
    with_error, gaps = A.copy(), A.copy()
    with_error[-1], gaps[::9] = 99.0, np.nan
    assert score(with_error, A, "regression") > 0.99
    assert score(gaps, np.isnan(gaps).astype(float), "classification") == 1.0


def test_too_little_says_nothing() -> None:
    assert score(np.ones(N), np.ones(N), "regression") == 0.0
    assert single_feature_score(A, A, A[:5], A[:5], "regression") == 0.0


@pytest.mark.parametrize(
    ("truth", "kind", "expected"),
    [
        ([1.0, 2.0, 3.0], "regression", 0.0),
        ([0.0, 1.0, 0.0, 1.0], "classification", 0.5),
        ([0.0] * 9 + [1.0], "classification", 0.5),
        ([0.0, 1.0, 2.0, 3.0], "classification", 0.25),
    ],
)
def test_chance(truth: list[float], kind: TargetKind, expected: float) -> None:
    assert chance(np.array(truth), kind) == pytest.approx(expected)

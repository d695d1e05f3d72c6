import numpy as np
import polars as pl
import pytest

from transform.profile.identities import copies, identities
from transform.profile.matrix import SampledMatrix, encode

N = 600
RNG = np.random.default_rng(1)
A, B, C = (RNG.gamma(3.0, 20.0, N).round(2) + 1 for _ in range(3))
CLASS = RNG.integers(0, 4, N)


def matrix(**columns: object) -> SampledMatrix:
    frame = pl.DataFrame(columns)
    return encode(frame, frame.columns, 10_000, "key")


@pytest.mark.parametrize(
    "copy",
    [
        A * 1.8 + 32,
        -A,
        A.round(1),
        np.exp(A / 20),
        A + RNG.normal(scale=0.01, size=N),
        np.where(np.arange(N) % 50 == 0, np.nan, A),
    ],
    ids=["scaled", "negative", "rounded", "monotone", "noisy", "with gaps"],
)
def test_copies_of_a_number(copy: np.ndarray) -> None:
    copied = copies(matrix(t=A, copy=copy, other=B), "t")
    assert set(copied) == {"copy"}


def test_recoded_and_finer_classes_are_copies_and_coarser_ones_are_not() -> None:
    fine = CLASS * 10 + RNG.integers(0, 5, N)
    names = np.array(["d", "a", "c", "b"])[CLASS]
    table = matrix(t=CLASS, names=names, fine=fine, coarse=CLASS // 2, other=B > 50)
    assert set(copies(table, "t")) == {"names", "fine"}


def test_correlated_is_not_copied() -> None:
    near = A + RNG.normal(scale=A.std() / 5, size=N)
    assert copies(matrix(t=A, near=near), "t") == {}


@pytest.mark.parametrize(
    ("target", "related"),
    [
        (A + B, {"a", "b"}),
        (A - B, {"a", "b"}),
        (A + B + C, {"a", "b", "c"}),
        (2 * A - 0.5 * C + 7, {"a", "c"}),
        ((A * B).round(2), {"a", "b"}),
        (A / B, {"a", "b"}),
        (100 * B / A, {"a", "b"}),
        (A * B * C, {"a", "b", "c"}),
        (A * (1 - C / 1_000), {"a", "share"}),
    ],
    ids=["sum", "difference", "sum of 3", "weighted", "product", "ratio", "%", "product of 3", "-"],
)
def test_one_term_of_an_identity_is_left_out(target: np.ndarray, related: set[str]) -> None:
    table = matrix(t=target, a=A, b=B, c=C, share=C / 1_000)
    features = ("a", "b", "c") if "share" not in related else ("a", "b", "share")
    left_out = identities(table, "t", features)
    assert len(left_out) == 1
    assert set(left_out) <= related
    left = tuple(name for name in features if name not in left_out)
    assert identities(table, "t", left) == {}


def test_days_between_two_dates() -> None:
    start = pl.Series([18_000 + int(v) for v in A]).cast(pl.Date)
    end = pl.Series([18_000 + int(a) + int(b) for a, b in zip(A, B, strict=True)]).cast(pl.Date)
    days = B.astype(int)
    table = matrix(days=days, start=start, end=end, other=C)
    left_out = identities(table, "days", ("start", "end", "other"))
    assert set(left_out) <= {"start", "end"}
    assert left_out


def test_honest_features_stay() -> None:
    target = A + B + RNG.normal(scale=10, size=N)
    assert identities(matrix(t=target, a=A, b=B, c=C), "t", ("a", "b", "c")) == {}
    assert identities(matrix(t=target), "t", ()) == {}
    words = matrix(t=np.array(["x", "y"])[CLASS % 2], a=A)
    assert identities(words, "t", ("a",)) == {}

"""Perturbations leave the meaning of a matrix alone and change how it is computed with."""

import numpy as np

from extract.workers import Workers
from transform.run.perturbation import JITTER, FeatureMatrix, disturbed


def sides() -> tuple[FeatureMatrix, FeatureMatrix]:
    rng = np.random.default_rng(5)
    numbers: FeatureMatrix = rng.integers(-3, 4, size=(60, 4)).astype(np.float64) * 0.37
    return numbers[:40].copy(), numbers[40:].copy()


def test_none_gives_the_very_matrices() -> None:
    train, val = sides()
    same = disturbed(train, val, "none")
    assert same[0] is train
    assert same[1] is val


def test_fortran_changes_the_layout_alone() -> None:
    train, val = sides()
    for before, after in zip((train, val), disturbed(train, val, "fortran"), strict=True):
        assert before.flags.c_contiguous
        assert after.flags.f_contiguous
        assert not after.flags.c_contiguous
        np.testing.assert_array_equal(after, before)


def test_jitter_is_small_and_moves_nearly_every_value() -> None:
    train, val = sides()
    before = train.copy()
    for side, after in zip((train, val), disturbed(train, val, "jitter"), strict=True):
        np.testing.assert_allclose(after, side, rtol=1.01 * JITTER, atol=0)
        assert np.mean(after[side != 0] != side[side != 0]) > 0.9
        assert (after[side == 0] == 0).all()
    np.testing.assert_array_equal(train, before)


def test_jitter_keeps_ties_between_rows_columns_and_sides() -> None:
    train, val = sides()
    after = [side.ravel() for side in disturbed(train, val, "jitter")]
    pairs = zip((train.ravel(), val.ravel()), after, strict=True)
    seen: dict[float, float] = {}
    for before, moved in pairs:
        for old, new in zip(before, moved, strict=True):
            assert seen.setdefault(old, new) == new
    assert len({*seen.values()}) == len(seen)


def test_jitter_is_the_same_in_every_process() -> None:
    train, _ = disturbed(*sides(), "jitter")
    with Workers(1, environment={"PYTHONHASHSEED": "77"}) as workers:
        there, _ = workers.run(disturbed, *sides(), "jitter", timeout_s=300)
    np.testing.assert_array_equal(train, there)


def test_a_side_without_rows_is_no_trouble() -> None:
    train, _ = sides()
    after, empty = disturbed(train, np.empty((0, 4)), "jitter")
    assert after.shape == train.shape
    assert empty.shape == (0, 4)

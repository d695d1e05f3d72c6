"""Series of like level are kept, whole."""

import numpy as np

from transform.series.comparable import BETWEEN, comparable_series

RNG = np.random.default_rng(5)


def series(*levels: float) -> list[np.ndarray]:
    return [level + RNG.normal(size=240) for level in levels]


def test_like_series_are_all_kept() -> None:
    assert comparable_series(series(1.0, 1.2, 0.9, 1.1), 24) == [0, 1, 2, 3]


def test_the_largest_group_of_a_level_is_kept() -> None:
    assert comparable_series(series(100, 5.1, 50, 5.0, 4.9, 99.8), 24) == [1, 3, 4]


def test_a_trend_within_a_horizon_counts_as_its_spread() -> None:
    steps = np.arange(240).astype(np.float64)
    rising = [level + 2 * steps for level in (0.0, 10.0)]
    assert comparable_series(rising, 24) == [0, 1]
    # Slow against the distance of the levels: whoever knows the last value knows nearly all.
    slow = [level + 0.01 * steps for level in (0.0, 10.0)]
    assert len(comparable_series(slow, 24)) == 1


def test_levels_that_are_kept_explain_little() -> None:
    shifted = series(*RNG.normal(scale=3, size=40))
    kept = [shifted[place] for place in comparable_series(shifted, 24)]
    levels = [values[-48:].mean() for values in kept]
    assert len(kept) > 2
    assert np.var(levels) / (np.var(levels) + 1) < BETWEEN + 0.1


def test_still_series_are_of_one_level() -> None:
    assert comparable_series([np.zeros(240), np.zeros(240)], 24) == [0, 1]

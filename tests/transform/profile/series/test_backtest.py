"""Forecasts of the past say where effort pays."""

from dataclasses import replace

import numpy as np

from transform.profile.series.backtest import NOTHING, Outlook, Past, outlook

N = 500
SEASON = np.array([5.0, 1, 2, 9, 4, 8, 3])[np.arange(N) % 7]


def past(*series: np.ndarray, season: int = 7) -> Past:
    values = np.column_stack(series)
    nothing = np.empty((*values.shape, 0))
    return Past(values, np.empty((len(values), 0)), nothing, season)


def fared(*series: np.ndarray) -> Outlook:
    return outlook(past(*series), 28)


def test_a_noisy_season_pays_and_an_exact_one_does_not() -> None:
    rng = np.random.default_rng(1)
    noisy = fared(*(SEASON + 2 * rng.normal(size=N) for _ in range(3)))
    exact = fared(*(SEASON + 0.01 * rng.normal(size=N) for _ in range(3)))
    assert noisy.likely == 1
    assert noisy.room > 0.1
    assert exact.likely == 0
    assert abs(exact.room) < 0.01


def test_noise_and_random_walks_do_not_pay() -> None:
    rng = np.random.default_rng(2)
    steps = rng.normal(size=(N, 3))
    assert fared(*steps.T).likely == 0
    assert fared(*steps.cumsum(axis=0).T).likely < 0.5


def test_levels_far_apart_leave_no_room() -> None:
    rng = np.random.default_rng(3)
    noisy = SEASON + 2 * rng.normal(size=N)
    apart = fared(noisy, noisy + 1_000)
    assert apart.likely == 0
    assert apart.room < 0.01


def test_known_covariates_are_used() -> None:
    rng = np.random.default_rng(4)
    promo = rng.integers(0, 2, (N, 1)).astype(float)
    blind = past(4 * promo[:, 0] + rng.normal(size=N))
    informed = replace(blind, known=promo[:, :, None])
    assert outlook(blind, 28).likely == 0
    assert outlook(informed, 28).likely == 1


def test_gaps_short_pasts_and_still_series() -> None:
    rng = np.random.default_rng(5)
    gaps = SEASON + 2 * rng.normal(size=N)
    gaps[rng.random(N) < 0.1] = np.nan
    late = np.where(np.arange(N) < 200, np.nan, SEASON + 2 * rng.normal(size=N))
    assert fared(gaps, late).likely > 0.5
    assert fared(np.ones(N)) == NOTHING
    assert fared(gaps[:100]) == NOTHING
    assert fared(gaps) == fared(gaps)

"""Columns made of a target's other instants are found, honest covariates are not."""

from collections.abc import Callable

import numpy as np
import pytest

from transform.series.shifts import foretells, repeats

Floats = np.ndarray
N = 600


def noise(rng: np.random.Generator) -> Floats:
    return rng.gamma(2.0, 10.0, N)


def walk(rng: np.random.Generator) -> Floats:
    return 200 + np.cumsum(rng.standard_t(4, N))


def smooth(rng: np.random.Generator) -> Floats:
    t = np.arange(N)
    return 50 + 10 * np.sin(t / 15) + 4 * np.sin(t / 4) + np.cumsum(rng.normal(0, 0.1, N))


def weekly(rng: np.random.Generator) -> Floats:
    return np.array([9, 2, 3, 5, 4, 30, 21])[np.arange(N) % 7] * rng.lognormal(0, 0.1, N)


KINDS = [noise, walk, smooth, weekly]
MakeSeries = Callable[[np.random.Generator], Floats]


def shifted(y: Floats, lead: int) -> Floats:
    """The value `lead` rows later, missing at the end."""
    moved = np.full(len(y), np.nan)
    if lead > 0:
        moved[:-lead] = y[lead:]
    elif lead < 0:
        moved[-lead:] = y[:lead]
    else:
        moved[:] = y
    return moved


def averaged(y: Floats, before: int, after: int) -> Floats:
    return np.mean([shifted(y, k) for k in range(-before, after + 1)], axis=0)


LEAKS: dict[str, Callable[[Floats], Floats]] = {
    "lead": lambda y: shifted(y, 1),
    "far lead": lambda y: shifted(y, 90),
    "lead in another unit": lambda y: 1.8 * shifted(y, 3) + 32,
    "negative lead": lambda y: -shifted(y, 2),
    "log of a lead": lambda y: np.log(shifted(y, 2) + 60),
    "rounded lead": lambda y: np.round(shifted(y, 1), 1),
    "centred average": lambda y: averaged(y, 3, 3),
    "wide average": lambda y: averaged(y, 10, 10),
    "forward average": lambda y: averaged(y, 0, 6),
    "step to come": lambda y: shifted(y, 1) - y,
    "a lead with holes": lambda y: np.where(np.arange(N) % 37 == 0, np.nan, shifted(y, 2)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("leak", LEAKS)
def test_the_future_is_found(kind: MakeSeries, leak: str) -> None:
    rng = np.random.default_rng(1)
    target = [kind(rng), kind(rng)]
    leaking = [LEAKS[leak](y) for y in target]
    assert foretells(leaking, target), leak
    assert foretells(leaking[:1], target[:1]), leak


HONEST: dict[str, Callable[[Floats, np.random.Generator], Floats]] = {
    "the target": lambda y, rng: y,
    "another unit": lambda y, rng: 1.8 * y + 32,
    "yesterday": lambda y, rng: shifted(y, -1),
    "last week": lambda y, rng: shifted(y, -7),
    "trailing average": lambda y, rng: averaged(y, 6, 0),
    "running total": lambda y, rng: np.cumsum(y),
    "with noise": lambda y, rng: y + rng.normal(0, y.std(), N),
    "a hint of tomorrow": lambda y, rng: shifted(y, 1) + rng.normal(0, y.std(), N),
    "another series": lambda y, rng: rng.permutation(y),
    "another walk": lambda y, rng: np.cumsum(rng.normal(size=N)),
    "the clock": lambda y, rng: np.arange(N, dtype=float),
    "a flag": lambda y, rng: (rng.random(N) < 0.3).astype(float),
    "a flag of today": lambda y, rng: (y > np.median(y)).astype(float),
    "a constant": lambda y, rng: np.ones(N),
    "nothing": lambda y, rng: np.full(N, np.nan),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", HONEST)
def test_past_and_present_are_no_future(kind: MakeSeries, form: str) -> None:
    rng = np.random.default_rng(2)
    target = [kind(rng), kind(rng)]
    assert not foretells([HONEST[form](y, rng) for y in target], target)


def test_a_flag_of_tomorrow_is_found() -> None:
    rng = np.random.default_rng(3)
    target = [noise(rng)]
    flag = [(shifted(target[0], 1) > 25).astype(float)]
    assert "later" in foretells(flag, target)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "form", ["the target", "another unit", "yesterday", "trailing average", "running total"]
)
def test_what_future_rows_must_not_carry(kind: MakeSeries, form: str) -> None:
    rng = np.random.default_rng(4)
    target = [kind(rng), kind(rng)]
    assert repeats([HONEST[form](y, rng) for y in target], target)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["another series", "another walk", "a flag", "a constant"])
def test_what_future_rows_may_carry(kind: MakeSeries, form: str) -> None:
    rng = np.random.default_rng(5)
    target = [kind(rng), kind(rng)]
    assert not repeats([HONEST[form](y, rng) for y in target], target)


def test_short_series_say_nothing() -> None:
    y = [np.arange(20.0)]
    assert not foretells(y, y)
    assert not repeats([], [])

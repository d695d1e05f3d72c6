from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from extract.evidence.vocabulary import PLANNED, mentions
from transform.profile import profile
from transform.propose.known_covariates import known_covariates
from transform.propose.roles import RoleConfig, judge
from transform.propose.series import aggregation

MakeRaw = Callable[..., RawDataset]
N = 800
RNG = np.random.default_rng(5)
DAYS = [date(2020, 1, 1) + timedelta(days=i) for i in range(N)]
FLAG = RNG.integers(0, 2, N).tolist()


def ahead(make_raw: MakeRaw, **columns: Any) -> set[str]:
    frame = pl.DataFrame({"date": DAYS, **columns})
    judged = judge(profile(make_raw(t=frame)).table("t"), RoleConfig())
    return set(known_covariates(frame, judged, "date", frozenset({"date"})))


@pytest.mark.parametrize(
    "name",
    ["holiday", "IsHoliday", "Promo2", "onpromotion", "feriado", "Feiertag", "schoolHoliday"],
)
def test_planned_flags(make_raw: MakeRaw, name: str) -> None:
    assert ahead(make_raw, **{name: FLAG}) == {name}


def test_occasions_are_believed_of_flags_only(make_raw: MakeRaw) -> None:
    many = RNG.integers(0, 9, N).tolist()
    assert ahead(make_raw, IsSpecialDay=FLAG, event_type=many) == {"IsSpecialDay"}
    assert ahead(make_raw, Specialty=FLAG) == set()


def test_prices_need_a_seller(make_raw: MakeRaw) -> None:
    price, units = RNG.gamma(3, 4, N).tolist(), RNG.integers(0, 90, N).tolist()
    assert ahead(make_raw, price=price, Discount=price, units_sold=units) == {"price", "Discount"}
    assert ahead(make_raw, price=price, bedrooms=units) == set()
    market = {"open": price, "high": price, "low": price, "volume": price}
    assert ahead(make_raw, price=price, sales=units, **market) == set()


def test_weather_and_the_calendar_never_are(make_raw: MakeRaw) -> None:
    weekend = [day.weekday() >= 5 for day in DAYS]
    weather = RNG.normal(size=N).tolist()
    assert ahead(make_raw, temperature=weather, rain=FLAG, weekend_event=weekend) == set()


def test_gaps_are_not_known_ahead(make_raw: MakeRaw) -> None:
    gaps = [flag if i % 4 else None for i, flag in enumerate(FLAG)]
    assert ahead(make_raw, holiday=gaps) == set()


def test_amounts_add_up_and_rates_do_not(make_raw: MakeRaw) -> None:
    values = RNG.gamma(3, 4, N).tolist()
    names = {"sales": "sum", "Total Revenue": "sum", "unit price": "mean", "temperature": "mean"}
    frame = pl.DataFrame(dict.fromkeys(names, values) | {"promo": FLAG})
    judged = judge(profile(make_raw(t=frame)).table("t"), RoleConfig())
    assert {name: aggregation(judged[name]) for name in names} == names
    assert aggregation(judged["promo"]) == "max"


def test_long_words_count_at_the_end_only() -> None:
    assert mentions("OnPromotion", PLANNED)
    assert mentions("isholiday", PLANNED)
    assert not mentions("promotional text", PLANNED)
    assert not mentions("", PLANNED)

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from extract.evidence.vocabulary import PLANNED, mentions
from transform.profile.columns import profile_columns
from transform.profile.series.known_covariates import known_covariates

MakeRaw = Callable[..., RawDataset]
N = 800
RNG = np.random.default_rng(5)
DAYS = [date(2020, 1, 1) + timedelta(days=i) for i in range(N)]
FLAG = RNG.integers(0, 2, N).tolist()


def known(make_raw: MakeRaw, **columns: Any) -> set[str]:
    frame = pl.DataFrame({"date": DAYS, **columns})
    (table,) = make_raw(t=frame).tables
    by_name = profile_columns(table, frame).by_name
    return {note.name for note in known_covariates(frame, by_name, "date", frozenset({"date"}))}


@pytest.mark.parametrize(
    "name",
    ["holiday", "IsHoliday", "Promo2", "onpromotion", "feriado", "Feiertag", "schoolHoliday"],
)
def test_planned_flags(make_raw: MakeRaw, name: str) -> None:
    assert known(make_raw, **{name: FLAG}) == {name}


def test_occasions_are_believed_of_flags_only(make_raw: MakeRaw) -> None:
    many = RNG.integers(0, 9, N).tolist()
    assert known(make_raw, IsSpecialDay=FLAG, event_type=many) == {"IsSpecialDay"}
    assert known(make_raw, Specialty=FLAG) == set()


def test_prices_need_a_seller(make_raw: MakeRaw) -> None:
    price, units = RNG.gamma(3, 4, N).tolist(), RNG.integers(0, 90, N).tolist()
    assert known(make_raw, price=price, Discount=price, units_sold=units) == {"price", "Discount"}
    assert known(make_raw, price=price, bedrooms=units) == set()
    market = {"open": price, "high": price, "low": price, "volume": price}
    assert known(make_raw, price=price, sales=units, **market) == set()


def test_weather_and_the_calendar_never_are(make_raw: MakeRaw) -> None:
    weekend = [day.weekday() >= 5 for day in DAYS]
    weather = RNG.normal(size=N).tolist()
    assert known(make_raw, temperature=weather, rain=FLAG, weekend_event=weekend) == set()


def test_gaps_are_not_known_in_advance(make_raw: MakeRaw) -> None:
    gaps = [flag if i % 4 else None for i, flag in enumerate(FLAG)]
    assert known(make_raw, holiday=gaps) == set()


def test_amounts_add_up_and_rates_do_not(make_raw: MakeRaw) -> None:
    values = RNG.gamma(3, 4, N).tolist()
    names = {"sales": "sum", "Total Revenue": "sum", "unit price": "mean", "temperature": "mean"}
    frame = pl.DataFrame(dict.fromkeys(names, values) | {"promo": FLAG})
    (table,) = make_raw(t=frame).tables
    by_name = profile_columns(table, frame).by_name
    assert {name: by_name[name].aggregation for name in names} == names
    assert by_name["promo"].aggregation == "max"


def test_long_words_count_at_the_end_only() -> None:
    assert mentions("OnPromotion", PLANNED)
    assert mentions("isholiday", PLANNED)
    assert not mentions("promotional text", PLANNED)
    assert not mentions("", PLANNED)

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from transform.profile.series.calendar_columns import is_calendar

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("part", ["month", "weekday", "weekend", "year", "season"])
def test_calendar_columns(part: str) -> None:
    when = pl.Series([date(2018, 1, 1) + timedelta(days=i // 3) for i in range(3_000)])
    values = {
        "month": when.dt.month(),
        "weekday": when.dt.strftime("%A"),
        "weekend": when.dt.weekday() >= 6,
        "year": when.dt.year(),
        "season": when.dt.month() // 3,
    }[part]
    assert is_calendar(values, when)


def test_holidays_and_measurements_are_no_calendar() -> None:
    when = pl.Series([date(2018, 1, 1) + timedelta(days=i) for i in range(1_000)])
    holidays = RNG.choice(1_000, 30, replace=False).tolist()
    assert not is_calendar(pl.Series([i in holidays for i in range(1_000)]), when)
    assert not is_calendar(pl.Series(RNG.normal(size=1_000)), when)
    # A promotion that fills weeks: one year of data cannot tell it from the week's number.
    promotion = pl.Series([i // 7 % 5 == 0 for i in range(360)])
    assert not is_calendar(promotion, when.head(360))
    assert not is_calendar(pl.Series([1] * 1_000), when)

from datetime import datetime
from typing import get_args

import polars as pl
import pytest

from transform.series.calendar import CalendarPart, calendar_part

SUNDAY = datetime(2023, 12, 31, 23, 59)
PARTS = {
    "year": 2023,
    "quarter": 4,
    "month": 12,
    "week": 52,
    "day": 31,
    "dayofweek": 7,
    "hour": 23,
    "minute": 59,
}


@pytest.mark.parametrize("part", get_args(CalendarPart))
def test_fields_of_an_instant(part: CalendarPart) -> None:
    values = calendar_part(pl.Series([SUNDAY, None]), part)
    assert values.to_list() == [PARTS[part], None]
    assert values.dtype == pl.Int64

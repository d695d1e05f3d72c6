"""The fields of the calendar, by one name each, wherever instants become numbers.

Takes a column of instants as polars' Datetime; returns one whole number a row, null where there is
no instant. Weekdays count as polars does, from 1 on Monday; weeks are those of ISO 8601. It knows
no holidays and no time zones.
"""

from typing import Literal

import polars as pl

CalendarPart = Literal["year", "quarter", "month", "week", "day", "dayofweek", "hour", "minute"]

_ACCESSORS: dict[CalendarPart, str] = {"dayofweek": "weekday"}
"""Names of polars where they are not ours."""


def calendar_part(instants: pl.Series, part: CalendarPart) -> pl.Series:
    """One field of the calendar as Int64."""
    number: pl.Series = getattr(instants.dt, _ACCESSORS.get(part, part))()
    return number.cast(pl.Int64)

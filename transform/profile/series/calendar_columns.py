"""Whether a column only repeats the calendar: weekday, month, `is_weekend`, season.

Takes the column and the instants of its rows. Such a column is no series, no target and no event
that somebody planned. Not guaranteed: to find fields of other calendars, or of the fiscal year.
"""

import numpy as np
import polars as pl

from transform.profile.dependence import codes_of
from transform.profile.matrix import Ints
from transform.rows.split import as_instants
from transform.series.calendar import CalendarPart, calendar_part

_PARTS: tuple[CalendarPart, ...] = ("year", "quarter", "month", "day", "dayofweek", "hour")
_REPEATED = 3
"""Instants at which a field must have a value on average; once says nothing."""


def is_calendar(values: pl.Series, when: pl.Series) -> bool:
    """Whether a field of the calendar decides the values."""
    table = pl.DataFrame({"v": values, "t": as_instants(when)}).drop_nulls().unique()
    if table["v"].n_unique() < 2:
        return False
    distinct = table["t"].unique()
    parts = list(_PARTS)
    # A promotion may fill a week; only where years repeat the week does its number say something.
    weeks = distinct.dt.truncate("1w").n_unique()
    if weeks >= 2 * calendar_part(distinct, "week").n_unique():
        parts.append("week")
    codes = codes_of(table["v"])
    fields = (calendar_part(table["t"], part).to_numpy() for part in parts)
    return any(_decides(codes, field, len(distinct)) for field in fields)


def _decides(codes: Ints, field: Ints, n_instants: int) -> bool:
    groups = len(np.unique(field))
    if groups < 2 or n_instants < _REPEATED * groups or codes.max() > groups:
        return False
    # Dense codes start at 1.
    return len(np.unique(field * (groups + 1) + codes)) == groups

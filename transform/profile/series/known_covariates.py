"""Covariates of the source whose future values are known when a forecast is made.

Takes a table's columns and the one that orders it; returns those that somebody planned, each with
why: holidays, promotions, planned events, and the prices and discounts of a seller. A name proposes
and the data must agree: flags and labels have few values, prices stand beside quantities sold, the
calendar alone does not decide them. Weather and whatever else is measured at the same instant never
is a known covariate. Not guaranteed: that a flag was not written down afterwards.
"""

from collections.abc import Mapping

import polars as pl

from extract.evidence.vocabulary import MARKET, OCCASION, PLANNED, PRICED, SOLD, mentions
from transform.profile.profile import ColumnNote, ColumnProfile
from transform.profile.series.calendar_columns import is_calendar

_FEW = 20
"""Most distinct values of a planned label."""
_MARKET_COLUMNS = 3
"""Columns such as open, high and low from which prices are those of a market."""
_MAX_MISSING = 0.05
"""A plan is known for every instant; what has gaps was noted when it happened."""


def known_covariates(
    frame: pl.DataFrame,
    columns: Mapping[str, ColumnProfile],
    time: str,
    others: frozenset[str],
) -> tuple[ColumnNote, ...]:
    """Columns known in advance, with why, in table order; `others` are not asked."""
    sells = any(_is_quantity(column) for column in columns.values())
    market = sum(mentions(name, MARKET) for name in columns) >= _MARKET_COLUMNS
    notes = []
    for name, column in columns.items():
        if name in others or not column.usable or column.role == "time":
            continue
        why = _planned(column) or (_priced(column) if sells and not market else "")
        known = why and column.missing_share <= _MAX_MISSING
        if known and not is_calendar(frame[name], frame[time]):
            notes.append(ColumnNote(name=name, why=f"`{name}` {why}"))
    return tuple(notes)


def _is_quantity(column: ColumnProfile) -> bool:
    return column.role == "number" and mentions(column.name, SOLD)


def _planned(column: ColumnProfile) -> str:
    if mentions(column.name, PLANNED) and column.n_unique <= _FEW:
        return f"is planned by its name and has {column.n_unique} values"
    # A strike is an occasion too, but one that is described has more than two values.
    if mentions(column.name, OCCASION) and column.n_unique == 2:
        return "is an occasion by its name and a flag"
    return ""


def _priced(column: ColumnProfile) -> str:
    if column.role == "number" and mentions(column.name, PRICED):
        return "is set by the seller of what is counted beside it"
    return ""

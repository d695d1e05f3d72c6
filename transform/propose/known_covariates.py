"""Covariates of the source whose future values are known when a forecast is made.

Judged columns enter; those that somebody planned leave, each with why: holidays, promotions,
planned events, and the prices and discounts of a seller. A name proposes and the data must agree:
flags and labels have few values, prices stand beside quantities sold, the calendar alone does not
decide them. Weather and whatever else is measured at the same instant never is known ahead. Not
guaranteed: that a flag was not written down afterwards.
"""

from collections.abc import Mapping

import polars as pl

from extract.evidence.vocabulary import MARKET, OCCASION, PLANNED, PRICED, SOLD, mentions
from transform.propose.roles import Judged
from transform.propose.time_axis import is_calendar

_FEW = 20
"""Most distinct values of a planned label."""
_MARKET_COLUMNS = 3
"""Columns such as open, high and low from which prices are those of a market."""


def known_covariates(
    frame: pl.DataFrame, judged: Mapping[str, Judged], time: str, taken: frozenset[str]
) -> dict[str, str]:
    """Columns known in advance, with why, in table order; `taken` ones are not asked."""
    found = {}
    sells = any(_is_quantity(judged[name]) for name in judged)
    market = sum(mentions(name, MARKET) for name in judged) >= _MARKET_COLUMNS
    for name, column in judged.items():
        if name in taken or not column.usable or column.role == "time":
            continue
        why = _planned(column) or (_priced(column) if sells and not market else "")
        if (
            why
            and column.column.missing_share <= 0.05
            and not is_calendar(frame[name], frame[time])
        ):
            found[name] = f"`{name}` {why}"
    return found


def _is_quantity(column: Judged) -> bool:
    return column.role == "number" and mentions(column.column.name, SOLD)


def _planned(column: Judged) -> str:
    name, n_unique = column.column.name, column.column.n_unique
    if mentions(name, PLANNED) and n_unique <= _FEW:
        return f"is planned by its name and has {n_unique} values"
    if mentions(name, OCCASION) and n_unique == 2:
        return "is an occasion by its name and a flag"
    return ""


def _priced(column: Judged) -> str:
    if column.role == "number" and mentions(column.column.name, PRICED):
        return "is set by the seller of what is counted beside it"
    return ""

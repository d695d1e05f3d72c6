"""How new the data of a source is: the newest past instant that the data itself speaks of.

Takes tables and the last update at the source, returns an ISO 8601 instant, or None where nothing
in the data tells a time. Past is what is not later than the last update; a plan, a forecast or a
typing error is none. There is no clock here: where a source has no believable update, the newest
update of all others stands in for today (`freshness`).

A date in the data proves that the data is not older; that it is new to a reader it does not prove.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from extract.dataset import Column, RawDataset, Table
from extract.evidence.near_duplicates.columns import read_columns, share_of
from extract.evidence.vocabulary import YEAR, words

OLDEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""No source was updated before there were such places, nor can a program know the next century."""
_SLIPS, _FAR = 0.005, 0.3
"""Share of the instants that may be slips, and how far beyond the span of all others these lie."""
_FEWEST_INSTANTS = 10
"""Different ones that stay whatever is a slip; fewer have no span to lie far from."""
_ODD_YEARS = 0.005
"""Share of cells that are no year in a column of years."""
_ISOLATED_YEARS = 5
"""After the last but one update from which the last one is not believed."""
_BEFORE_ALL = 0.01
"""Share of instants before an update below which the update is absurd."""
_YEAR_HEADER = re.compile(r"(1[5-9]|20)\d\d")
_FEWEST_YEAR_HEADERS = 3
"""Two numbers above columns may be anything."""


def column_instants(table: Table) -> dict[str, npt.NDArray[np.float64]]:
    """Seconds since 1970 of all cells of each column of times or years, by column.

    A year begins with its first day. Years above a table with one column for each count too.
    """
    by_column = {}
    for column in table.columns:
        if column.type in ("date", "datetime"):
            values = read_columns(table, [column.name]).to_series().drop_nulls()
            if len(values):
                by_column[column.name] = values.to_numpy()
        elif _is_year(column):
            years = read_columns(table, [column.name]).to_series().drop_nulls()
            if len(years) and share_of(years.is_between(1500, 2200)) > 1 - _ODD_YEARS:
                by_column[column.name] = _first_days(years.filter(years.is_between(1500, 2200)))
    names = [c.source_name for c in table.columns if _YEAR_HEADER.fullmatch(c.source_name)]
    if len(names) >= _FEWEST_YEAR_HEADERS:
        by_column["headers"] = _first_days(pl.Series(map(float, names)))
    return by_column


def _is_year(column: Column) -> bool:
    """Whether a number is called a year."""
    return column.type in ("integer", "number") and bool(YEAR & set(words(column.name)))


def _first_days(years: pl.Series) -> npt.NDArray[np.float64]:
    since = years.to_numpy().astype(np.int64) - 1970
    return since.astype("datetime64[Y]").astype("datetime64[s]").astype(np.float64)


def last_update(raw: RawDataset, tables: Sequence[Table]) -> str | None:
    """The last update where it can be true: in this century, and not before all the data."""
    stated = parsed(raw.updated_at)
    if stated is None or not OLDEST <= stated < LATEST:
        return None
    columns = [values for table in tables for values in column_instants(table).values()]
    # Plans may lie ahead of an update, but not everything.
    if columns and all((v <= stated.timestamp()).mean() < _BEFORE_ALL for v in columns):
        return None
    return _written(stated)


def newest_instant(tables: Sequence[Table], update: str | None) -> str | None:
    """The newest instant of the data, not later than the last `update`, apart from slips."""
    cap = (parsed(update) or LATEST).timestamp()
    newest = [
        instant
        for table in tables
        for values in column_instants(table).values()
        if (instant := _newest(values[values <= cap])) is not None
    ]
    return _written(datetime.fromtimestamp(max(newest), UTC)) if newest else None


def _newest(values: npt.NDArray[np.float64]) -> float | None:
    """The newest value, leaving out the few newest where they lie far from all others."""
    if not len(values):
        return None
    # Counted by cell, since a slip is one cell and not one instant.
    kept, counts = np.unique(values, return_counts=True)
    newest = len(kept) - 1
    for place in range(newest, _FEWEST_INSTANTS, -1):
        if counts[place:].sum() > max(1, _SLIPS * len(values)):
            break
        if kept[place] - kept[place - 1] > _FAR * (kept[place - 1] - kept[0]):
            newest = place - 1
    return float(kept[newest])


def freshness(
    newest: Mapping[str, str | None], updates: Iterable[str | None]
) -> dict[str, str | None]:
    """Freshness of each source, from its newest instant and the last updates of all.

    What is later than everybody's update is no evidence.
    """
    today = _today(filter(None, updates))
    return {
        key: None if instant and today and instant > today else instant
        for key, instant in newest.items()
    }


def _today(updates: Iterable[str]) -> str | None:
    """The newest update that does not stand alone, years after all others."""
    # One source may lie about its update; that two lie alike is not expected.
    known = sorted(updates)
    while len(known) > 2 and _years(known[-2], known[-1]) > _ISOLATED_YEARS:
        known.pop()
    return known[-1] if known else None


def _years(first: str, second: str) -> float:
    return (datetime.fromisoformat(second) - datetime.fromisoformat(first)).days / 365


def parsed(text: str | None) -> datetime | None:
    """An ISO 8601 text as an instant, UTC where nothing else is said."""
    try:
        instant = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _written(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

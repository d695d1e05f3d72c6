"""From when to when data goes, and times that cannot be.

Takes the tables of a dataset, returns the period that they span and issues with their times. Of a
table's columns of times those count that tell when something was observed: not births, foundings,
models of cars, or ends of contracts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from extract.dataset import RawDataset, Table
from extract.drop import Reason
from extract.evidence.freshness import LATEST, OLDEST, column_instants, parsed
from extract.evidence.issue import Issue
from extract.evidence.texts import sentences
from extract.evidence.vocabulary import lexicon, words

_NOT_OBSERVED = lexicon(
    "birth birthday birthdate dob born built build founded founding foundation established release",
    "released publication published publish make made model manufacture manufactured production",
    "registration registered hire hired join joined joining start started renovated renovation",
    "debut nascimento nacimiento geburtsdatum publicacion publicación inception opened vintage",
    "construction graduation discovered discovery invented death died died modified accessed",
)
_AHEAD = lexicon(
    "expiration expiry expire expires due end until valid validity maturity deadline forecast",
    "projected projection planned plan schedule scheduled target delivery next retirement renewal",
    "warranty contract best future expected estimated eta",
)
_OF_THE_FUTURE = lexicon(
    "projection projections forecasted projected future scenario scenarios upcoming",
    "fictional simulated synthetic",
)
"""Words of a text that excuse every later time."""
_FEWEST = 20
"""Instants below which nothing is concluded."""
_DAY_S = 86_400.0
_SLACK_DAYS, _ABSURD_DAYS = 400.0, 3_660.0
"""Beyond a believable update, and beyond one before all the data."""
_EPOCH_SLACK_S = 2 * _DAY_S
"""More than any time zone moves the zero of clocks."""


@dataclass(frozen=True)
class Period:
    """Years that the data spans, apart from a hundredth at either end."""

    column: str
    first: int
    last: int


def period_of(raw: RawDataset) -> Period | None:
    """Years of all columns that tell when something was observed; None without such a column."""
    periods = []
    for table in raw.tables:
        for name, values in column_instants(table).items():
            if len(values) >= _FEWEST and not _NOT_OBSERVED & set(words(name)):
                first, last = np.quantile(values, (0.01, 0.99))
                periods.append(Period(f"{table.name}.{name}", _year(first), _year(last)))
    if not periods:
        return None
    return Period(periods[0].column, min(p.first for p in periods), max(p.last for p in periods))


def _year(seconds: float) -> int:
    return int(np.datetime64(int(seconds), "s").astype("datetime64[Y]").astype(int)) + 1970


def impossible_times(table: Table, update: str | None, raw: RawDataset) -> Iterator[Issue]:
    """Columns mostly later than the last update, or all at the zero of computers' clocks.

    `update` is None where the source's own statement cannot be true of its data; then only what
    lies beyond that by many years, or beyond this century, is impossible.
    """
    latest = _latest(update, raw)
    for name, values in column_instants(table).items():
        if len(values) < _FEWEST or name == "headers":
            continue
        # A missing instant that was written as 0 comes back as the first second of 1970.
        zero = float((np.abs(values) < _EPOCH_SLACK_S).mean())
        if zero > 0.9:
            detail = f"expected times in `{name}`, found 1970-01-01, the zero of clocks"
            yield _impossible(table, detail, f"{zero:.0%} of the cells")
        if _AHEAD & set(words(name)) or _speaks_ahead(raw):
            continue
        later = float((values > latest).mean())
        if later > 0.5:
            last = np.datetime64(int(values.max()), "s")
            bound = np.datetime64(int(latest), "s").astype("datetime64[D]")
            detail = f"expected `{name}` before {bound}, found {last}"
            evidence = f"last update {raw.updated_at}; {later:.0%} of the cells are later"
            yield _impossible(table, detail, evidence)


def _latest(update: str | None, raw: RawDataset) -> float:
    """Seconds since 1970 after which nothing can have been observed."""
    if update is not None:
        return datetime.fromisoformat(update).timestamp() + _SLACK_DAYS * _DAY_S
    stated = parsed(raw.updated_at)
    if stated is not None and OLDEST <= stated < LATEST:
        return stated.timestamp() + _ABSURD_DAYS * _DAY_S
    return LATEST.timestamp()


def _impossible(table: Table, detail: str, evidence: str) -> Issue:
    return Issue(
        name="times",
        detail=detail,
        evidence=evidence,
        table=table.name,
        reason=Reason.SOURCE_MISMATCH,
    )


def _speaks_ahead(raw: RawDataset) -> bool:
    """Whether the source says that it tells the future."""
    return any(_OF_THE_FUTURE & set(words(sentence.text)) for sentence in sentences(raw))

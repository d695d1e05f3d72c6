"""Whether the headers of a table stand above the right columns.

Takes a table, returns issues. Some words promise something of their column: a date holds
instants, an age is a number that a life can reach, a country is a word. Broken promises alone prove
little, because authors choose odd names; but when the same names in another order break none, they
have slipped: two are swapped, or all are shifted by one. Limits are asked too: a minimum above its
maximum in nearly every row means that the two names are swapped.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import polars as pl

from extract.dataset import Column, Table
from extract.drop import Reason
from extract.evidence.issue import Issue
from extract.evidence.near_duplicates.columns import read_columns, share_of, value_kind
from extract.evidence.vocabulary import AVERAGED, PRICED, SUMMED, YEAR, lexicon, words

_FEWEST = 20
"""Rows below which nothing is concluded."""
_MOST = 0.9
"""Share of rows in which a minimum lies above its maximum before the two are swapped."""
_TIMES = lexicon("date datetime timestamp month fecha datum tarih tanggal data_hora mes mois ay")
_AGES = lexicon("age edad alter yaş idade")
_WORDS = lexicon(
    "country city town state region province gender sex name brand model category species breed",
    "company manufacturer color colour language nationality occupation profession title author",
    "product país pais ciudad cidade stadt land ülke şehir fuel transmission street district",
    "season player team referee role race ethnicity education job industry sector department genre",
    "director platform publisher developer comment description review",
)
_NUMBERS = (PRICED | SUMMED | AVERAGED) - lexicon(
    "rating rate level score frequency duration share views sold sale sales index cases demand",
    "orders gehalt money depth capacity density adj returned likes per discount discounts speed",
    "age",
) | lexicon(
    "price salary income area weight height distance latitude longitude population mileage amount",
    "cgpa gpa hours km kms miles rainfall yield width length attendance offense goals minutes",
)
_ORDINAL = lexicon(
    "low medium high very none average normal small large big good bad poor yes no mild moderate",
    "severe cheap expensive free unknown other above below less more than rich middle upper lower",
    "adult child children teen teenager young youth old elderly senior infant baby",
)
_PAIRS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("low", "high"),
    ("lower", "upper"),
    ("start", "end"),
    ("begin", "end"),
    ("from", "to"),
    ("departure", "arrival"),
)
_MONTHS = (
    r"^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun|"
    r"ene|abr|ago|dic|fev|mai|out|dez|avr|jui|okt)"
)
_DATES = ((0, 31), (1500, 2200), (150_001, 220_012), (15_000_101, 22_001_231), (1e8, 1e20))
"""Ranges of whole numbers that tell a time."""
_NUMBER = re.compile(r"-?\d{1,9}(?:\.\d{1,9})?")


@dataclass(frozen=True)
class _Facts:
    """What can be asked of a column's cells."""

    column: Column
    n: int
    digits: float
    """Share of cells with a digit; 1 for numbers and times."""
    ordinal: float
    """Share of cells of words such as low and high."""
    months: float
    """Share of cells that begin like a month or a day of the week."""
    low: float
    high: float
    """Quantiles of 5 and 95 % of numbers."""
    whole: bool


_Promise = Callable[[_Facts], bool]
_Order = tuple[list[int], str]
"""Which name each column gets, and the order in words."""


def _is_time(facts: _Facts) -> bool:
    if value_kind(facts.column) == "number":
        # Months and days, years, and dates or instants as long numbers.
        return facts.whole and any(low <= facts.low <= facts.high <= high for low, high in _DATES)
    return value_kind(facts.column) == "time" or facts.digits > 0.1 or facts.months > 0.5


def _is_number(facts: _Facts) -> bool:
    if facts.column.type == "boolean":
        return True
    if value_kind(facts.column) == "time":
        return False
    return value_kind(facts.column) == "number" or facts.digits > 0.1 or facts.ordinal > 0.5


def _is_age(facts: _Facts) -> bool:
    return _is_number(facts) and (value_kind(facts.column) != "number" or facts.low >= -1)


def _is_word(facts: _Facts) -> bool:
    # Whole numbers may be codes.
    return value_kind(facts.column) == "text" or (
        value_kind(facts.column) == "number" and facts.whole
    )


def _is_latitude(facts: _Facts) -> bool:
    return value_kind(facts.column) != "number" or (facts.low >= -90.5 and facts.high <= 90.5)


def _is_year(facts: _Facts) -> bool:
    return value_kind(facts.column) != "text" or facts.digits > 0.1


_PROMISES: Sequence[tuple[frozenset[str], _Promise]] = (
    (_TIMES, _is_time),
    (lexicon("latitude lat latitud"), _is_latitude),
    (_AGES, _is_age),
    (YEAR, _is_year),
    (_WORDS, _is_word),
    (_NUMBERS, _is_number),
)


def header_issues(table: Table) -> Iterator[Issue]:
    """Slipped headers, swapped limits, and data in the place of headers."""
    if table.n_rows < _FEWEST:
        return
    facts = [_facts(table, column) for column in table.columns]
    yield from _slipped(table, facts)
    yield from _swapped_limits(table)
    yield from _data_as_header(table, facts)


def _facts(table: Table, column: Column) -> _Facts:
    values = read_columns(table, [column.name]).to_series().drop_nulls()
    if value_kind(column) == "text" and len(values):
        some = values.unique(maintain_order=True)
        digits = share_of(some.str.contains(r"\d"))
        parts = r"^(?:" + "|".join(sorted(_ORDINAL)) + r"|[\W\d])+$"
        ordinal = share_of(some.str.contains(parts))
        months = share_of(some.str.contains(_MONTHS))
        return _Facts(column, len(values), digits, ordinal, months, 0.0, 0.0, False)
    if not len(values):
        return _Facts(column, 0, 1.0, 0.0, 0.0, 0.0, 0.0, True)
    low, high = values.quantile(0.05), values.quantile(0.95)
    whole = bool((values == values.round()).all())
    return _Facts(column, len(values), 1.0, 0.0, 0.0, float(low or 0), float(high or 0), whole)


def _promise(name: str) -> _Promise | None:
    """What a name promises; nothing when it speaks of two things, such as `date_count`."""
    own = words(name)
    promises = [promise for lexicon, promise in _PROMISES if lexicon & set(own)]
    # Of longer names the word that promises is seldom the head.
    return promises[0] if len(promises) == 1 and len(own) <= 3 else None


def _slipped(table: Table, facts: Sequence[_Facts]) -> Iterator[Issue]:
    """The same names in another order that keeps all promises, where this one breaks two."""
    promises = [_promise(column.name) for column in table.columns]
    broken = _broken(promises, facts)
    if not broken:
        return
    names = [column.name for column in table.columns]
    shown = ", ".join(f"`{names[i]}` holds {_example(table, i)}" for i in broken[:3])
    orders = (*_swaps(names, broken), *_shifts(len(names)))
    fitting = list(_fitting(orders, promises, facts, len(broken)))
    if fitting:
        # The order of the most columns that are plainly what they are called.
        how, _ = max(fitting, key=lambda order: order[1])
        yield _issue("headers", table, f"headers fit when {how}", shown)
    else:
        # Odd names in the right order are common, so that nothing is refused.
        yield _issue("headers", table, "headers do not fit their columns", shown, refuses=False)


def _fitting(
    orders: Iterable[_Order],
    promises: Sequence[_Promise | None],
    facts: Sequence[_Facts],
    n_broken: int,
) -> Iterator[tuple[str, int]]:
    """Orders that keep all promises, in words, with how many columns more are as expected."""
    now = _n_fitting(promises, facts)
    for order, how in orders:
        then = [promises[i] for i in order]
        gain = _n_fitting(then, facts) - now
        # One broken promise is mended by some order too easily to prove anything.
        proven = n_broken >= 2 or gain >= 2 or _times_return(facts, promises, order)
        if proven and not _broken(then, facts):
            yield how, gain


def _broken(promises: Sequence[_Promise | None], facts: Sequence[_Facts]) -> list[int]:
    pairs = enumerate(zip(promises, facts, strict=True))
    return [i for i, (promise, fact) in pairs if promise and fact.n and not promise(fact)]


def _n_fitting(promises: Sequence[_Promise | None], facts: Sequence[_Facts]) -> int:
    """Columns of the kind that their name makes think of first."""
    expected: dict[_Promise, str] = {
        _is_time: "time",
        _is_word: "text",
        _is_number: "number",
        _is_age: "number",
    }
    pairs = zip(promises, facts, strict=True)
    return sum(expected.get(p) == value_kind(f.column) for p, f in pairs if p is not None)


def _times_return(
    facts: Sequence[_Facts], promises: Sequence[_Promise | None], order: Sequence[int]
) -> bool:
    """Whether a column that is called a date and holds words changes with one that holds dates."""
    return any(
        promises[source] is _is_time
        and value_kind(facts[place].column) == "time"
        and value_kind(facts[source].column) != "time"
        for place, source in enumerate(order)
        if place != source
    )


def _shifts(n: int) -> Iterator[_Order]:
    """All names one place to the left or right; the one at the end goes round."""
    if n >= 3:
        yield [(i + 1) % n for i in range(n)], "all are moved one column to the left"
        yield [(i - 1) % n for i in range(n)], "all are moved one column to the right"


def _swaps(names: Sequence[str], broken: Sequence[int]) -> Iterator[_Order]:
    """Two names changed, of which one breaks its promise."""
    for i in broken[:10]:
        for j in range(len(names)):
            if i != j:
                order = list(range(len(names)))
                order[i], order[j] = j, i
                yield order, f"`{names[i]}` and `{names[j]}` are swapped"


def _example(table: Table, place: int) -> str:
    column = table.columns[place]
    values = read_columns(table, [column.name]).to_series().drop_nulls()
    if value_kind(column) == "time":
        values = pl.from_epoch(values.cast(pl.Int64)).dt.to_string("%Y-%m-%d %H:%M")
    return ", ".join(repr(v)[:30] for v in values.unique(maintain_order=True).head(2))


def _swapped_limits(table: Table) -> Iterator[Issue]:
    """Pairs of names that differ in one word, least and most, of which the least is the greater."""
    for a, b in combinations(table.columns, 2):
        for low, high in ((a, b), (b, a)):
            if value_kind(low) == value_kind(high) != "text" and _are_limits(low.name, high.name):
                values = read_columns(table, [low.name, high.name]).drop_nulls()
                above = share_of(values[low.name] > values[high.name])
                if values.height >= _FEWEST and above > _MOST:
                    detail = f"expected `{low.name}` below `{high.name}`, found it above"
                    yield _issue("limits", table, detail, f"in {above:.0%} of the rows")


def _are_limits(low: str, high: str) -> bool:
    ours, theirs = words(low), words(high)
    differing = [(a, b) for a, b in zip(ours, theirs, strict=False) if a != b]
    return len(ours) == len(theirs) and len(differing) == 1 and differing[0] in _PAIRS


def _data_as_header(table: Table, facts: Sequence[_Facts]) -> Iterator[Issue]:
    """Names that are numbers among those below them, and words that stand below them again."""
    numbers = [f for f in facts if value_kind(f.column) == "number"]
    like = [
        f
        for f in numbers
        if _NUMBER.fullmatch(f.column.source_name)
        and f.low <= float(f.column.source_name) <= f.high
    ]
    # Whole numbers above a table may be years or names of sensors.
    fractions = [f for f in like if "." in f.column.source_name]
    if len(numbers) >= 2 and len(like) >= 0.8 * len(numbers) and 2 * len(fractions) >= len(like):
        names = ", ".join(f"`{f.column.source_name}`" for f in like[:5])
        detail = "expected names of columns, found a row of data"
        yield _issue("headers", table, detail, f"{names} lie among the values below")


def _issue(name: str, table: Table, detail: str, evidence: str, *, refuses: bool = True) -> Issue:
    return Issue(
        name=name,
        detail=detail,
        evidence=evidence,
        table=table.name,
        reason=Reason.SOURCE_MISMATCH if refuses else None,
    )

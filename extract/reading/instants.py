"""Text to dates and instants, under one format for the whole column or not at all.

A format is a shape of text with named parts; all parts are checked as numbers, so 30 February makes
the whole column text. Where the shape leaves day and month open, `03/04/2021`, the column decides:
what only one order can read has that order; else the order that makes the column sorted and its
steps even; else month first with `/`, day first with `-` and `.`.

Instants are naive UTC. A time without an offset is taken as it stands.
"""

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

_TIME = (
    r"(?:[T ,]\s*(?<H>[0-9]{1,2}):(?<M>[0-9]{2})(?::(?<S>[0-9]{2})(?:[.,](?<f>[0-9]{1,9}))?)?"
    r"\s*(?<p>[AaPp]\.?[Mm]\.?)?\s*(?<z>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})?)?"
)
_DAY = r"(?<d>[0-9]{1,2})(?:st|nd|rd|th)?"
_NAME = r"(?<mon>[A-Za-z]{3,9})"
_WEEKDAY = r"(?:[A-Za-z]{3,9}\.?,?\s+)?"
_FULL_MONTHS = [name.lower() for name in calendar.month_name[1:]]
_MONTHS = [name[:3] for name in _FULL_MONTHS]


@dataclass(frozen=True)
class Shape:
    """One way to write a date; the groups are year, month, day, name of the month and so on."""

    name: str
    pattern: str
    needs_hint: bool = False
    """Only where the column's name speaks of time: the text could be a plain number."""
    compact: bool = False
    """All digits: every year must lie between 1900 and 2100."""


def _ambiguous() -> Iterator[Shape]:
    """Day, month and year as numbers, month first and day first, the usual one before the other."""
    a, b = r"(?<a>[0-9]{1,2})", r"(?<b>[0-9]{1,2})"
    for mark, first in (("/", "m"), ("-", "d"), (r"\.", "d")):
        for year, sign in ((r"(?<y>[0-9]{4})", "%Y"), (r"(?<y2>[0-9]{2})", "%y")):
            if (mark, sign) == (r"\.", "%y"):
                continue
            for order in (first, "d" if first == "m" else "m"):
                names = ("m", "d") if order == "m" else ("d", "m")
                parts = a.replace("<a>", f"<{names[0]}>"), b.replace("<b>", f"<{names[1]}>")
                sep = mark.replace("\\", "")
                shown = sep.join([*(f"%{name}" for name in names), sign])
                yield Shape(shown, f"^{parts[0]}{mark}{parts[1]}{mark}{year}{_TIME}$")


_SHAPES = (
    Shape("%Y-%m-%d", rf"^(?<y>[0-9]{{4}})[-/.](?<m>[0-9]{{1,2}})[-/.](?<d>[0-9]{{1,2}}){_TIME}$"),
    Shape(
        "%Y%m%d",
        r"^(?<y>[0-9]{4})(?<m>[0-9]{2})(?<d>[0-9]{2})"
        r"(?:[T ]?(?<H>[0-9]{2}):?(?<M>[0-9]{2}):?(?<S>[0-9]{2})?(?<z>Z)?)?$",
        compact=True,
    ),
    *_ambiguous(),
    Shape("%YM%m", r"^(?<y>[0-9]{4})[-/ ]?[Mm](?<m>[0-9]{1,2})$"),
    Shape("%Y-%m", r"^(?<y>[0-9]{4})[-/](?<m>[0-9]{1,2})$"),
    Shape("%m/%Y", r"^(?<m>[0-9]{1,2})[/.-](?<y>[0-9]{4})$"),
    Shape("%Y%m", r"^(?<y>[0-9]{4})(?<m>[0-9]{2})$", needs_hint=True, compact=True),
    Shape("%YQ%q", r"^(?<y>[0-9]{4})[-/ ]?[Qq](?<q>[1-4])$"),
    Shape("Q%q %Y", r"^[Qq](?<q>[1-4])[-/ ]?(?<y>[0-9]{4})$"),
    Shape("%G-W%V", r"^(?<y>[0-9]{4})[-/ ]?W(?<w>[0-9]{1,2})$"),
    Shape(
        "%d %b %Y",
        rf"^{_WEEKDAY}{_DAY}[-/ .]*{_NAME}\.?[-/ ,]*(?<y>[0-9]{{4}}){_TIME}$",
    ),
    Shape(
        "%d-%b-%y",
        rf"^(?<d>[0-9]{{1,2}})[-/ ](?<mon>[A-Za-z]{{3,9}})[-/ ](?<y2>[0-9]{{2}}){_TIME}$",
    ),
    Shape(
        "%b %d, %Y",
        rf"^{_WEEKDAY}{_NAME}\.?[- ]+{_DAY}[, -]+(?<y>[0-9]{{4}}){_TIME}$",
    ),
    Shape(
        "%b %d, %y",
        rf"^(?<mon>[A-Za-z]{{3,9}})\.?\s+(?<d>[0-9]{{1,2}}),\s*(?<y2>[0-9]{{2}}){_TIME}$",
    ),
    Shape("%b %Y", r"^(?<mon>[A-Za-z]{3,9})\.?[-/ ,]*(?<y>[0-9]{4})$"),
    Shape("%b-%y", r"^(?<mon>[A-Za-z]{3,9})[-' ]+(?<y2>[0-9]{2})$"),
    Shape(
        "%Y %b %d",
        rf"^(?<y>[0-9]{{4}})[-/ ]*(?<mon>[A-Za-z]{{3,9}})[-/ ]*(?<d>[0-9]{{1,2}}){_TIME}$",
    ),
    Shape("%Y %b", r"^(?<y>[0-9]{4})[-/ ]*(?<mon>[A-Za-z]{3,9})$"),
    Shape(
        "%a %b %d %H:%M:%S %z %Y",
        r"^[A-Za-z]{3} (?<mon>[A-Za-z]{3}) (?<d>[0-9]{1,2}) "
        r"(?<H>[0-9]{2}):(?<M>[0-9]{2}):(?<S>[0-9]{2})"
        r"(?: (?<z>[+-][0-9]{4}|UTC|GMT))? (?<y>[0-9]{4})$",
    ),
)
_HINT = re.compile(
    r"date|time|month|period|year|yyyy|stamp|created|updated|epoch|(?:^|_)(?:ts|at|dt)$", re.I
)
_EPOCHS = ((946_684_800, 2_208_988_800, 1_000_000), (946_684_800_000, 2_208_988_800_000, 1_000))


@dataclass(frozen=True)
class Instants:
    """Dates or instants in the order of their texts, none null."""

    values: pl.Series
    """Date, or Datetime("us") as soon as the format has a time."""
    rule: str


def read_instants(texts: pl.Series, name: str) -> Instants | None:
    """Instants for trimmed, non-empty texts in source order, or None.

    None when no format reads all of them, or when they are as likely plain numbers.
    """
    if len(texts) == 0 or not texts.str.contains(r"[0-9]").all():
        return None
    fitting = [
        (values, shape)
        for shape in _SHAPES
        if _python(shape.pattern).match(texts[0])
        and (not shape.needs_hint or _HINT.search(name))
        and (values := _read(texts, shape)) is not None
    ]
    if not fitting:
        return None
    values, shape = min(fitting, key=lambda candidate: _disorder(candidate[0]))
    return Instants(values, shape.name)


def read_epochs(numbers: pl.Series, name: str) -> Instants | None:
    """Seconds or milliseconds since 1970: the name speaks of time and all lie in 2000 to 2039."""
    if not _HINT.search(name) or numbers.dtype != pl.Int64 or len(numbers) == 0:
        return None
    for low, high, microseconds in _EPOCHS:
        if numbers.is_between(low, high).all():
            values = (numbers * microseconds).cast(pl.Datetime("us"))
            return Instants(
                values, "seconds since 1970" if microseconds > 1000 else "ms since 1970"
            )
    return None


def _python(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("(?<", "(?P<"))


def _read(texts: pl.Series, shape: Shape) -> pl.Series | None:
    """The values, or None when one text does not fit."""
    if not texts.str.contains(shape.pattern).all():
        return None
    parts = texts.str.extract_groups(shape.pattern).struct.unnest()
    dates = _dates(parts, shape)
    if dates is None:
        return None
    if "H" not in parts.columns or parts["H"].null_count() == len(parts):
        return dates
    return _with_times(dates, parts)


def _dates(parts: pl.DataFrame, shape: Shape) -> pl.Series | None:
    years = _years(parts)
    low, high = (1900, 2100) if shape.compact else (1700, 2200)
    if not years.is_between(low, high).all():
        return None
    if "w" in parts.columns:
        texts = years.cast(pl.String) + "-W" + parts["w"].str.zfill(2) + "-1"
        return _complete(texts.str.to_date("%G-W%V-%u", strict=False))
    months = _month_numbers(parts)
    if months is None or _are_seasons(years, months, shape):
        return None
    days = (
        parts["d"].str.zfill(2)
        if "d" in parts.columns
        else pl.Series(["01"]).new_from_index(0, len(parts))
    )
    texts = years.cast(pl.String) + "-" + months.cast(pl.String).str.zfill(2) + "-" + days
    return _complete(texts.str.to_date("%Y-%m-%d", strict=False))


def _years(parts: pl.DataFrame) -> pl.Series:
    if "y" in parts.columns:
        return parts["y"].cast(pl.Int64)
    short = parts["y2"].cast(pl.Int64)
    return short + 1900 + 100 * (short < 69).cast(pl.Int64)


def _month_numbers(parts: pl.DataFrame) -> pl.Series | None:
    if "q" in parts.columns:
        return 3 * parts["q"].cast(pl.Int64) - 2
    if "mon" not in parts.columns:
        return parts["m"].cast(pl.Int64)
    names = parts["mon"].str.to_lowercase()
    if not names.is_in([*_MONTHS, *_FULL_MONTHS, "sept"]).all():
        return None
    short = names.str.slice(0, 3)
    return short.replace_strict(_MONTHS, range(1, 13), return_dtype=pl.Int64)


def _are_seasons(years: pl.Series, months: pl.Series, shape: Shape) -> bool:
    """True for `2005-06`, `2006-07` and so on: years that end in the next one."""
    return shape.name == "%Y-%m" and bool(((years + 1) % 100 == months).all())


def _with_times(dates: pl.Series, parts: pl.DataFrame) -> pl.Series | None:
    number = {k: parts[k].cast(pl.Int64).fill_null(0) for k in "HMS" if k in parts.columns}
    hours, minutes = number["H"], number["M"]
    seconds = number.get("S", hours * 0)
    if "p" in parts.columns and parts["p"].null_count() < len(parts):
        if parts["p"].null_count() or not hours.is_between(1, 12).all():
            return None
        hours = hours % 12 + 12 * parts["p"].str.to_lowercase().str.starts_with("p").cast(pl.Int64)
    midnight = (hours == 24) & (minutes == 0) & (seconds == 0)
    if not ((hours < 24) | midnight).all() or not ((minutes < 60) & (seconds < 60)).all():
        return None
    total = 3600 * hours + 60 * minutes + seconds
    if "z" in parts.columns:
        total = total - 60 * _offsets(parts["z"])
    microseconds = 1_000_000 * total
    if "f" in parts.columns:
        fraction = parts["f"].fill_null("0").str.pad_end(9, "0").str.slice(0, 6)
        microseconds = microseconds + fraction.cast(pl.Int64)
    return dates.cast(pl.Datetime("us")) + microseconds.cast(pl.Duration("us"))


def _offsets(zones: pl.Series) -> pl.Series:
    """Minutes east of UTC; zero where the text has no offset."""
    digits = zones.str.replace_all(r"[^0-9]", "").str.pad_end(4, "0")
    number = digits.cast(pl.Int64, strict=False).fill_null(0)
    minutes = number // 100 * 60 + number % 100
    west = zones.str.starts_with("-").fill_null(False).cast(pl.Int64)
    return minutes * (1 - 2 * west)


def _complete(values: pl.Series) -> pl.Series | None:
    return None if values.null_count() else values


def _disorder(values: pl.Series) -> tuple[bool, float]:
    """Small for what looks like a time axis: sorted first, then evenly spaced."""
    instants = values.cast(pl.Datetime("us")).cast(pl.Int64)
    ordered = instants.is_sorted() or instants.is_sorted(descending=True)
    gaps = instants.unique().sort().diff().drop_nulls().cast(pl.Float64)
    if len(gaps) < 2:
        return not ordered, 0.0
    return not ordered, round(float(gaps.std() / gaps.mean()), 6)  # type: ignore[operator, arg-type]

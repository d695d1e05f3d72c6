"""Text to numbers, under one rule for the whole column or not at all.

`1.234` may be one and a bit or a thousand; `1,5` may be fifteen tenths or a broken pair. So a rule
is looked for that reads *every* value, and what the rule was is noted in words. Whole numbers with
leading zeros and those beyond 18 digits are identifiers and stay text.
"""

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

_CURRENCIES = frozenset(
    {
        "$",
        "€",
        "£",
        "¥",
        "₹",
        "₺",
        "₽",
        "₩",
        "₦",
        "₫",
        "₪",
        "฿",
        "R$",
        "US$",
        "A$",
        "C$",
        "S/",
        "kr",
        "zł",
        "Kč",
        "Rp",
        "Rs",
        "Rs.",
        "TL",
        "USD",
        "EUR",
        "GBP",
        "INR",
        "JPY",
        "CNY",
        "TRY",
        "BRL",
        "RUB",
        "CHF",
        "CAD",
        "AUD",
        "IDR",
        "PKR",
        "BDT",
        "LKR",
        "NGN",
        "KES",
        "ZAR",
        "MXN",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "AED",
        "SAR",
    }
)
_MULTIPLIERS = {"k": 10**3, "m": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12}
_AFFIXED = (
    r"^(?<open>\(?)(?<sign>[-+]?)\s*(?<prefix>[^0-9\s.,()+-]{0,3}\.?)\s*(?<inner>[-+]?)"
    r"(?<number>[0-9.,](?:[0-9.,'’ \x{a0}\x{2009}\x{202f}]*[0-9.,])?(?:[eE][-+]?[0-9]{1,3})?)"
    r"(?<space>\s*)(?<suffix>[^0-9()]*)(?<close>\)?)$"
)
_PLAIN = r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?$"
_GROUPED = r"^(?:[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}|[0-9]+)(?:\.[0-9]*)?$"
_GROUPS_ONLY = r"^(?:[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}|[0-9]+)$"
_COMMA_DECIMAL = r"^(?:[0-9]+,[0-9]+|[0-9]+)$"
_SPACED = r"^(?:[0-9]{1,3}(?:[ '’\x{a0}\x{2009}\x{202f}][0-9]{3})+|[0-9]+)(?:[.,][0-9]+)?$"
_SPACES = r"[ '’\x{a0}\x{2009}\x{202f}]"
_ENOUGH = 10


@dataclass(frozen=True)
class Numbers:
    """Numbers in the order of their texts, Int64 or Float64, none null."""

    values: pl.Series
    rule: str | None
    """How the text was understood; None when plainly."""


def read_numbers(texts: pl.Series, semicolons: bool = False) -> Numbers | None:
    """Numbers for trimmed, non-empty texts, or None when no rule reads all of them.

    `semicolons` says that the file is delimited by them, as where commas mark decimals.
    """
    if not texts.str.contains(r"[0-9]").all():
        return None
    plain = _plain(texts)
    if plain is not None and not _points_group(texts):
        return plain
    return _affixed(texts.str.replace_all("−", "-", literal=True), semicolons)


def _affixed(texts: pl.Series, semicolons: bool) -> Numbers | None:
    """Numbers with a sign, brackets, and at most one kind of prefix and suffix."""
    parts = texts.str.extract_groups(_AFFIXED).struct.unnest()
    if parts["number"].null_count():
        return None
    if (parts["open"] != parts["close"].replace(")", "(")).any():
        return None
    affix = _affix(parts)
    unsigned = _unsigned(parts["number"].str.replace_all(r"[.,]$", ""), semicolons)
    if affix is None or unsigned is None:
        return None
    signs = parts["open"] + parts["sign"] + parts["inner"]
    if signs.str.len_chars().max() != 0:
        odd = (signs.str.len_chars() > 1).any()
        minus = signs.is_in(["(", "-"])
        if odd:
            return None
        unsigned = Numbers(
            pl.select(pl.when(minus).then(-unsigned.values).otherwise(unsigned.values)).to_series(),
            unsigned.rule,
        )
    return _scaled(unsigned, parts["suffix"], affix)


def _affix(parts: pl.DataFrame) -> str | None:
    """What stands around every number, in words; None when it differs or is not understood."""
    prefixes, suffixes = set(parts["prefix"]), {s.strip() for s in parts["suffix"]}
    if len(prefixes) > 1 or not prefixes <= {"", *_CURRENCIES}:
        return None
    prefix = prefixes.pop()
    if {s.casefold() for s in suffixes} <= {"", *_MULTIPLIERS}:
        return f"currency {prefix}" if prefix else ""
    if len(suffixes) > 1:
        return None
    suffix = suffixes.pop()
    if suffix == "%" and not prefix:
        return "percent"
    if suffix in _CURRENCIES and not prefix:
        return f"currency {suffix}"
    # A unit stands apart from its number; what touches it may be a code such as 12A.
    apart = (parts["space"] != "").all() or suffix in {"°", "°C", "°F"}
    return f"unit {suffix}"[:40] if apart and not prefix and len(suffix) <= 12 else None


def _scaled(numbers: Numbers, suffixes: pl.Series, affix: str) -> Numbers:
    scales = [_MULTIPLIERS.get(s.strip().casefold()) for s in suffixes]
    rules = [rule for rule in (numbers.rule, affix) if rule]
    if affix.startswith(("unit", "percent")) or not any(scales):
        return Numbers(numbers.values, ", ".join(rules) or None)
    exact = [
        float(Decimal(repr(value)) * (scale or 1))
        for value, scale in zip(numbers.values, scales, strict=True)
    ]
    return Numbers(pl.Series(exact, dtype=pl.Float64), ", ".join([*rules, "suffix K, M, B"]))


def _unsigned(texts: pl.Series, semicolons: bool) -> Numbers | None:
    """Numbers without sign and affixes, whatever marks decimals and thousands."""
    if texts.str.contains(_SPACES).any():
        if not texts.str.contains(_SPACED).all():
            return None
        inner = _unsigned(texts.str.replace_all(_SPACES, ""), True)
        return inner and Numbers(inner.values, "spaces between thousands")
    commas, points = texts.str.contains(",", literal=True), texts.str.contains(".", literal=True)
    if not commas.any():
        if points.any() and _points_group(texts):
            return _ruled(texts.str.replace_all(".", "", literal=True), "points between thousands")
        return _plain(texts)
    return (_both_marks if points.any() else _commas_only)(texts, semicolons)


def _both_marks(texts: pl.Series, _: bool) -> Numbers | None:
    """The mark that comes last marks decimals."""
    if texts.str.contains(_GROUPED).all():
        return _ruled(_without(texts, ","), "commas between thousands")
    swapped = _swapped(texts)
    if swapped.str.contains(_GROUPED).all():
        return _ruled(_without(swapped, ","), "decimal comma, points between thousands")
    return None


def _commas_only(texts: pl.Series, semicolons: bool) -> Numbers | None:
    """Thousands where every comma has three digits behind it and nothing speaks against it."""
    groups = texts.str.contains(_GROUPS_ONLY).all()
    decimals = texts.str.contains(_COMMA_DECIMAL).all()
    if groups and decimals and (semicolons or texts.str.contains("^0,").any()):
        groups = False
    if groups:
        return _ruled(_without(texts, ","), "commas between thousands")
    return _ruled(_swapped(texts), "decimal comma") if decimals else None


def _points_group(texts: pl.Series) -> bool:
    """True when points stand between thousands: `14.953.969`, or `12.500` beside `999`.

    A writer of decimals drops closing zeros for all values or for none, and writes whole numbers of
    four digits; so three digits after every point, closing zeros among them, beside whole numbers
    below a thousand are thousands.
    """
    unsigned = texts.str.strip_chars_start("+-")
    if not unsigned.str.contains(r"^(?:[1-9][0-9]{0,2}(?:\.[0-9]{3})+|[0-9]{1,3})$").all():
        return False
    if unsigned.str.contains(r"\..*\.").any():
        return True
    pointed = unsigned.filter(unsigned.str.contains(".", literal=True))
    whole = len(unsigned) - len(pointed)
    return len(pointed) >= _ENOUGH and whole > 0 and pointed.str.ends_with("0").any()


def _swapped(texts: pl.Series) -> pl.Series:
    """Points for commas and commas for points."""
    texts = texts.str.replace_all(".", ";", literal=True).str.replace_all(",", ".", literal=True)
    return texts.str.replace_all(";", ",", literal=True)


def _without(texts: pl.Series, mark: str) -> pl.Series:
    return texts.str.replace_all(mark, "", literal=True)


def _ruled(texts: pl.Series, rule: str) -> Numbers | None:
    numbers = _plain(texts)
    return numbers and Numbers(numbers.values, rule)


def _plain(texts: pl.Series) -> Numbers | None:
    """Numbers as programming languages write them."""
    if texts.str.contains(r"^[-+]?0[0-9]").any():
        return None
    if texts.str.contains(r"^[-+]?[0-9]+$").all():
        if texts.str.len_chars().max() > 18:  # type: ignore[operator]
            return None
        return Numbers(texts.str.strip_chars_start("+").cast(pl.Int64), None)
    if not texts.str.contains(_PLAIN).all():
        return None
    if texts.str.contains(r"^[-+]?[0-9]{1,15}\.0$").all():
        # pandas writes whole numbers so when some are missing.
        return Numbers(texts.cast(pl.Float64).cast(pl.Int64), "whole numbers written with .0")
    values = texts.cast(pl.Float64)
    return Numbers(values, None) if values.is_finite().all() else None

"""Gives every column of text its type, by explicit rules over all of its cells.

Order of the rules: true/false, dates, numbers, else text. A column becomes something else than text
only when *all* cells that are not missing follow one rule; nothing is sampled and nothing is
coerced. An empty cell is always missing; `NA`, `null`, `-` and the like are missing only in a
column that otherwise holds numbers, dates or truth values, because in words they may mean something
(Namibia). Text keeps its case and its spaces.
"""

from dataclasses import dataclass

import polars as pl

from extract.dataset import ColumnType
from extract.reading.instants import read_epochs, read_instants
from extract.reading.numerals import read_numbers

MISSING = (
    "",
    "na",
    "n/a",
    "#n/a",
    "<na>",
    "n.a.",
    "nan",
    "-nan",
    "nat",
    "null",
    "nil",
    "none",
    "missing",
    "unknown",
    "-",
    "--",
    "---",
    "–",
    "—",
    ".",
    "..",
    "...",
    "?",
    "inf",
    "-inf",
    "infinity",
    "-infinity",
    "#div/0!",
    "#value!",
    "#ref!",
    "#null!",
    "#num!",
    "#name?",
)
"""Texts, in lower case, that mean a missing value beside numbers, dates and truth values."""

_HEAD_ROWS = 10_000
_REPEATS = 0.5
"""Share of different values among the first rows below which each value is read once."""


@dataclass(frozen=True)
class TypedColumn:
    """A column with its type; missing is null."""

    values: pl.Series
    type: ColumnType
    rule: str | None = None
    """How the text was understood; None when plainly."""


def type_column(cells: pl.Series, name: str, semicolons: bool = False) -> TypedColumn:
    """The typed form of a String column; `name` is its header, which may speak of time."""
    trimmed = cells.str.strip_chars()
    kept = ~trimmed.str.to_lowercase().is_in(MISSING).fill_null(True)
    real = trimmed.filter(kept)
    if len(real) == 0:
        return TypedColumn(_text(cells), "text")
    # Most columns repeat their values: then each is read once and looked up.
    repeats = real.head(_HEAD_ROWS).n_unique() < _REPEATS * min(_HEAD_ROWS, len(real))
    distinct = real.unique(maintain_order=True) if repeats else real
    typed = _typed(distinct, name, semicolons)
    if typed is None:
        return TypedColumn(_text(cells), "text")
    values = _looked_up(real, distinct, typed.values) if repeats else typed.values
    rows = pl.select(pl.when(kept).then(kept.cum_sum().cast(pl.Int64) - 1)).to_series()
    return TypedColumn(values.gather(rows).alias(cells.name), typed.type, typed.rule)


def _looked_up(texts: pl.Series, distinct: pl.Series, values: pl.Series) -> pl.Series:
    meaning = pl.DataFrame({"text": distinct, "value": values})
    joined = pl.DataFrame({"text": texts}).join(
        meaning, on="text", how="left", maintain_order="left"
    )
    return joined["value"]


def _typed(real: pl.Series, name: str, semicolons: bool) -> TypedColumn | None:
    """The meaning of trimmed texts in source order; None when they are words."""
    lower = real.str.to_lowercase()
    if lower.is_in(["true", "false"]).all():
        return TypedColumn(lower == "true", "boolean")
    instants = read_instants(real, name)
    if instants is not None:
        return _temporal(instants.values, instants.rule)
    numbers = read_numbers(real, semicolons)
    if numbers is None:
        return None
    epochs = read_epochs(numbers.values, name)
    if epochs is not None:
        return _temporal(epochs.values, epochs.rule)
    kind: ColumnType = "integer" if numbers.values.dtype == pl.Int64 else "number"
    return TypedColumn(numbers.values, kind, numbers.rule)


def _temporal(values: pl.Series, rule: str) -> TypedColumn:
    kind: ColumnType = "date" if values.dtype == pl.Date else "datetime"
    return TypedColumn(values, kind, None if rule == "%Y-%m-%d" else rule)


def _text(cells: pl.Series) -> pl.Series:
    """Words as they stand, with line feeds only and without NUL; blank is missing."""
    if cells.str.contains(r"[\x00\r]").any():
        cells = cells.str.replace_all("\x00", "", literal=True)
        cells = cells.str.replace_all(r"\r\n?", "\n")
    blank = cells.str.strip_chars() == ""
    return pl.select(pl.when(~blank).then(cells)).to_series().alias(cells.name)


def type_native(column: pl.Series, name: str) -> TypedColumn | None:
    """A column that comes with a type (Parquet); None for bytes, which no table holds.

    Text is read as text is everywhere; not-a-number and the infinities become missing.
    """
    kind = column.dtype
    if kind in (pl.Binary, pl.Object):
        return None
    if kind == pl.Boolean:
        return TypedColumn(column, "boolean")
    if kind.is_temporal() and kind != pl.Time:
        return _native_time(column)
    if kind.is_integer():
        whole = column.cast(pl.Int64, strict=False)
        if whole.null_count() == column.null_count():
            return TypedColumn(whole, "integer")
    elif kind.is_numeric():
        number = column.cast(pl.Float64)
        finite = pl.select(pl.when(number.is_finite()).then(number)).to_series()
        return TypedColumn(finite.alias(column.name), "number")
    return type_column(column.cast(pl.String), name)


def _native_time(column: pl.Series) -> TypedColumn:
    """Dates, instants in naive UTC, durations in seconds."""
    kind = column.dtype
    if kind == pl.Date:
        return TypedColumn(column, "date")
    if kind == pl.Duration:
        return TypedColumn(column.dt.total_microseconds() / 1e6, "number", "seconds")
    if isinstance(kind, pl.Datetime) and kind.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return TypedColumn(column.cast(pl.Datetime("us")), "datetime")

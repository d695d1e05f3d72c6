"""The values of a stored table in the one form in which tables of strangers are compared.

Takes a table, returns columns of three kinds: `number` (also true/false), `time` (as seconds) and
`text` (stripped, one case), so that `12`, `12.0` and `TRUE`/`1`, or two ways to write a date, are
equal. Long tables are not cut here: a sample would have to be the same in both of two tables.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from extract.dataset import Column, Table
from extract.stored_table import file_of

ValueKind = Literal["number", "time", "text"]

_DIGITS = 9
"""Significant digits in which numbers are compared: copies pass through many programs."""
_TEXT_CHARS = 200
"""Compared of a text: enough to tell texts apart, and a bound on memory."""


def value_kind(column: Column) -> ValueKind:
    """How the values of a column are compared."""
    if column.type in ("date", "datetime"):
        return "time"
    return "text" if column.type == "text" else "number"


def normal_name(name: str) -> str:
    """Letters and digits of a name in one case."""
    return "".join(c for c in name.casefold() if c.isalnum())


def read_columns(table: Table, names: Sequence[str]) -> pl.DataFrame:
    """The named columns in comparable form, rows in source order, missing as null."""
    kinds = {column.name: value_kind(column) for column in table.columns}
    lazy = pl.scan_parquet(file_of(table), glob=False)
    return lazy.select(_comparable(name, kinds[name]) for name in names).collect()


def share_of(cells: pl.Series) -> float:
    """Share of the true ones among some truth values; 0 of none."""
    return float(cells.sum()) / max(1, len(cells))


def _comparable(name: str, kind: ValueKind) -> pl.Expr:
    if kind == "text":
        text = pl.col(name).str.slice(0, _TEXT_CHARS).str.strip_chars().str.to_lowercase()
        return text.str.replace_all(r"\s+", " ")
    if kind == "time":
        return pl.col(name).cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    # Adding zero turns -0 into 0.
    return pl.col(name).cast(pl.Float64).round_sig_figs(_DIGITS) + 0.0

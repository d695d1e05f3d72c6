"""Which tables of a dataset may be used side by side without one carrying another's answers.

A combined file and one file per city, or `train.csv` inside `all.csv`, hold the same rows; then
only the largest is used. Tables enter; those that share no rows leave, each with the names of those
left out for it. Columns are compared by name, and where names differ by their values. Not
guaranteed: to find a table that holds another's sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from pydantic import Field

from extract.dataset import Table
from extract.noun import Noun
from extract.stored import read_stored


class OverlapConfig(Noun):
    """When two tables count as one."""

    max_shared_rows: float = Field(default=0.01, ge=0, lt=1)
    """Share of the smaller table's distinct rows that may stand in the larger."""
    rows: int = Field(default=20_000, ge=100)
    """Rows of the smaller table that are looked up."""
    matched_values: float = Field(default=0.5, gt=0, le=1)
    """Share of a column's values that must occur in a differently named one to match them."""
    columns: int = Field(default=30, ge=2)
    """Columns of a table that are compared by value."""


@dataclass(frozen=True)
class Chosen:
    """A table that is used, its cells, and the tables that are not used because of it."""

    table: Table
    frame: pl.DataFrame
    instead_of: tuple[str, ...]


def distinct_tables(tables: Sequence[Table], config: OverlapConfig) -> tuple[Chosen, ...]:
    """Tables that share no rows, the largest first."""
    order = sorted(tables, key=lambda t: (-t.n_rows, -len(t.columns), t.name))
    kept: list[tuple[Table, pl.DataFrame, list[str]]] = []
    for table in order:
        frame = read_stored(table)
        twin = next((k for k in kept if shared_rows(k[1], frame, config)), None)
        if twin is None:
            kept.append((table, frame, []))
        else:
            twin[2].append(table.name)
    return tuple(Chosen(table, frame, tuple(names)) for table, frame, names in kept)


def shared_rows(large: pl.DataFrame, small: pl.DataFrame, config: OverlapConfig) -> bool:
    """Whether rows of the small table stand in the large one, as far as columns match."""
    if not small.height or not large.height:
        return False
    pairs = _matching(large, small, config)
    if len(pairs) < 2:
        return False
    left = pl.DataFrame({f"k{i}": _plain(large[a]) for i, (a, _) in enumerate(pairs)})
    right = pl.DataFrame({f"k{i}": _plain(small[b]) for i, (_, b) in enumerate(pairs)})
    right = right.gather_every(max(1, -(-right.height // config.rows)))
    distinct = right.unique(maintain_order=True)
    if distinct.height < right.height / 2:
        # Rows that repeat anyway prove nothing; tables with one header are taken for one.
        return len(pairs) == large.width == small.width
    found = distinct.join(left, on=left.columns, how="semi", nulls_equal=True).height
    return found > config.max_shared_rows * distinct.height


def _plain(values: pl.Series) -> pl.Series:
    """One type for all numbers and one for all instants, so that they compare."""
    values = values.alias("values")
    if values.dtype.is_numeric() or values.dtype == pl.Boolean:
        return values.cast(pl.Float64)
    return values.cast(pl.Datetime("us")) if values.dtype.is_temporal() else values


def _matching(
    large: pl.DataFrame, small: pl.DataFrame, config: OverlapConfig
) -> list[tuple[str, str]]:
    """Pairs of columns, by name, then by value among those that no name matched."""
    pairs = [
        (name, name)
        for name in small.columns
        if name in large.columns and _plain(small[name]).dtype == _plain(large[name]).dtype
    ]
    taken = {name for name, _ in pairs}
    ours = {name: values for name, values in _telling(large, config).items() if name not in taken}
    for name, values in _telling(small, config).items():
        if name in taken:
            continue
        twin = next((other for other in ours if _contained(values, ours[other], config)), None)
        if twin is not None:
            ours.pop(twin)
            pairs.append((twin, name))
    return pairs


def _telling(frame: pl.DataFrame, config: OverlapConfig) -> dict[str, pl.Series]:
    """Distinct values of the many-valued columns that are no instants."""
    distinct = {
        name: _plain(frame[name]).drop_nulls().unique(maintain_order=True)
        for name in frame.columns
        if not frame[name].dtype.is_temporal()
    }
    many = {name: values for name, values in distinct.items() if len(values) > 50}
    best = sorted(many, key=lambda name: -len(many[name]))[: config.columns]
    return {name: many[name] for name in frame.columns if name in best}


def _contained(values: pl.Series, others: pl.Series, config: OverlapConfig) -> bool:
    if values.dtype != others.dtype:
        return False
    sample = values.head(2_000)
    return sample.is_in(others.implode()).sum() >= config.matched_values * len(sample)

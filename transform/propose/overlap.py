"""Which tables of a dataset may be used side by side without one carrying another's answers.

A combined file and one file per city, or `train.csv` inside `all.csv`, hold the same rows; then
only the largest is used. Tables enter; those that share no rows leave, each with the names of those
left out for it. Columns are compared by name, and where names or values differ by their values as
they are or in another unit; rows may be shuffled or left out. Not guaranteed: to find a table that
holds another's sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl
from pydantic import Field

from extract.dataset import Table
from extract.noun import Noun
from extract.stored_table import read_stored
from transform.profile.identities import correlation
from transform.propose.rescaled import Scale, scale_of

_NUMBERS = 10
"""Numbers of a table, those of most values first, that are compared in other units."""
_LUCK = 5
"""Times as many shared rows as shuffled columns share."""


_CLOCK = " clock"
"""Scratch column; shipped names never begin with a space."""
_KEY_SHARE = 0.9
_FEWEST = 50
_SHARED_INSTANTS = 0.3
_FEW_VALUES = 10
_MOST_NUMBERS = 30
_ALIKE = 0.999
"""Correlation of the steps from instant to instant above which two numbers are one."""


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
        twin = next((k for k in kept if _is_twin(k[1], frame, config)), None)
        if twin is None:
            kept.append((table, frame, []))
        else:
            twin[2].append(table.name)
    return tuple(Chosen(table, frame, tuple(names)) for table, frame, names in kept)


def _is_twin(large: pl.DataFrame, small: pl.DataFrame, config: OverlapConfig) -> bool:
    return shared_rows(large, small, config) or moves_alike(large, small)


def moves_alike(large: pl.DataFrame, small: pl.DataFrame) -> bool:
    """Whether a number of each moves alike on the same instants, in whatever unit.

    Only where an instant is a key of both tables; then one tells the held-out rows of the other.
    """
    for a, b in product(_clocks(large), _clocks(small)):
        joined = _on_clock(large, a, "a").join(_on_clock(small, b, "b"), on=_CLOCK).sort(_CLOCK)
        if joined.height < max(_FEWEST, _SHARED_INSTANTS * small.height):
            continue
        steps = joined.drop(_CLOCK).select(pl.all().diff()).fill_null(float("nan"))
        ours, theirs = (steps.select(f"^ {side} .*$") for side in ("a", "b"))
        pairs = product(ours.iter_columns(), theirs.iter_columns())
        if any(correlation(x.to_numpy(), y.to_numpy()) > _ALIKE for x, y in pairs):
            return True
    return False


def _clocks(frame: pl.DataFrame) -> list[str]:
    """Columns of instants that (nearly) no two rows share."""
    return [
        column.name
        for column in frame
        if column.dtype.is_temporal() and column.n_unique() >= _KEY_SHARE * frame.height
    ]


def _on_clock(frame: pl.DataFrame, clock: str, side: str) -> pl.DataFrame:
    """Numbers that vary, under names that say their side and place, by instant."""
    numbers = [c for c in frame if c.dtype.is_numeric() and c.n_unique() >= _FEW_VALUES]
    kept = [
        column.cast(pl.Float64).alias(f" {side} {place}")
        for place, column in enumerate(numbers[:_MOST_NUMBERS])
    ]
    instants = frame[clock].cast(pl.Datetime("us")).alias(_CLOCK)
    return (
        pl.DataFrame([instants, *kept])
        .drop_nulls(_CLOCK)
        .unique(_CLOCK, keep="first", maintain_order=True)
    )


def shared_rows(large: pl.DataFrame, small: pl.DataFrame, config: OverlapConfig) -> bool:
    """Whether rows of the small table stand in the large one, as far as columns match."""
    if not small.height or not large.height:
        return False
    named = [(a, b, None) for a, b in _matching(large, small, config)]
    if _share_rows(large, small, named, config):
        return True
    rescaled = _rescaled(large, small, config)
    return bool(rescaled) and _share_rows(large, small, rescaled, config)


Match = tuple[str, str, Scale | None]
"""A column of the large table, one of the small, and the change of unit between them."""


def _share_rows(
    large: pl.DataFrame, small: pl.DataFrame, pairs: Sequence[Match], config: OverlapConfig
) -> bool:
    if len(pairs) < 2:
        return False
    left = pl.DataFrame(
        [_seen(large[a], scale, None).alias(f"k{i}") for i, (a, _, scale) in enumerate(pairs)]
    )
    right = pl.DataFrame(
        [_seen(small[b], scale, large[a]).alias(f"k{i}") for i, (a, b, scale) in enumerate(pairs)]
    )
    right = right.gather_every(max(1, -(-right.height // config.rows)))
    distinct = right.unique(maintain_order=True)
    if distinct.height < right.height / 2:
        # Rows that repeat anyway prove nothing; tables with one header are taken for one.
        return large.columns == small.columns
    # Columns of few values meet by chance as well.
    mixed = [distinct[name].shuffle(seed=i) for i, name in enumerate(distinct.columns)]
    luck = _found(pl.DataFrame(mixed), left)
    return _found(distinct, left) > max(config.max_shared_rows * distinct.height, _LUCK * luck)


def _found(rows: pl.DataFrame, among: pl.DataFrame) -> int:
    return rows.join(among, on=among.columns, how="semi", nulls_equal=True).height


def _seen(values: pl.Series, scale: Scale | None, among: pl.Series | None) -> pl.Series:
    """A column as it is compared; of a changed unit the nearest value of the other table."""
    values = _plain(values)
    if scale is None or among is None:
        return values
    others = np.unique(_plain(among).drop_nulls().drop_nans().to_numpy())
    back = (values.fill_null(float("nan")).to_numpy() - scale.offset) / scale.slope
    place = np.searchsorted(others, back).clip(1, len(others) - 1)
    nearer = np.abs(others[place - 1] - back) < np.abs(others[place] - back)
    nearest = np.where(nearer, others[place - 1], others[place])
    width = scale.error / abs(scale.slope) + 1e-9 * np.abs(others).max()
    nearest = np.where(np.isfinite(back) & (np.abs(nearest - back) <= width), nearest, np.nan)
    return pl.Series(values.name, nearest).fill_nan(None)


def _rescaled(large: pl.DataFrame, small: pl.DataFrame, config: OverlapConfig) -> list[Match]:
    """Pairs of columns that agree as they are or in another unit, whatever their names."""
    found: list[Match] = []
    ours = _telling(large, config)
    theirs = _telling(small, config)
    for name, values in theirs.items():
        order = sorted(ours, key=lambda other: other != name)
        twin = next((o for o in order if _contained(values, ours[o], config)), None)
        scale = None
        if twin is None and values.dtype == pl.Float64 and _ranked(name, theirs) < _NUMBERS:
            numbers = [o for o in order if ours[o].dtype == pl.Float64][:_NUMBERS]
            tried = ((o, scale_of(ours[o].to_numpy(), values.to_numpy())) for o in numbers)
            twin, scale = next(((o, s) for o, s in tried if s), (None, None))
        if twin is not None:
            ours.pop(twin)
            found.append((twin, name, scale))
    return found


def _ranked(name: str, columns: dict[str, pl.Series]) -> int:
    """Place of a number among the numbers, those of most values first."""
    numbers = [n for n, values in columns.items() if values.dtype == pl.Float64]
    return sorted(numbers, key=lambda n: -len(columns[n])).index(name)


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

"""Small sketches of tables by which near duplicates are found without holding all data at once.

Takes a stored table, returns a `TableSketch`: for each of its most telling columns a MinHash of the
distinct values, their number, and a profile of quantiles that is the same in every unit. From two
sketches follows how much of one column's values the other holds, also where one table is a small
part of the other. Sketches propose; `shared_rows.py` looks at the rows and decides.

Values are sampled by their hash, never by position, so that a part keeps what the whole keeps.
Hashes are stable for one version of polars only: sketches are compared within one build.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
from datasketch import MinHash

from extract.dataset import Table
from extract.evidence.near_duplicates.columns import (
    ValueKind,
    normal_name,
    read_columns,
    value_kind,
)
from extract.noun import Noun

PERMUTATIONS = 256
"""Enough to see a tenth of a table in the whole: about 25 equal minima."""
_SEED = 1
"""Of hashes: two sketches are comparable under one seed only."""
_MAX_COLUMNS = 40
"""The columns with the most distinct values are sketched."""
_MAX_VALUES = 8_192
"""Values of a column that are hashed: many times the permutations, so that sampling costs little
accuracy."""
_QUANTILES = np.linspace(0.05, 0.95, 19)
_EXTENT = (1, 17)
"""Places of the 10 % and 90 % quantiles, which give a profile its unit."""


class ColumnSketch(Noun):
    """One column."""

    name: str
    kind: ValueKind
    n_distinct: int
    halvings: int
    """Only values whose hash begins with so many zero bits are in the sketch."""
    minima: str
    """MinHash, 256 numbers of 32 bits as hexadecimal text."""
    profile: tuple[float, ...] | None
    """19 quantiles less the median over the distance of the 10 % and 90 % quantiles."""
    mean_chars: float
    """Length of a value of text; 0 for others."""


class TableSketch(Noun):
    """One table and where its rows lie."""

    table: Table
    names: str
    """MinHash of all normalised column names."""
    columns: tuple[ColumnSketch, ...]


def sketch(table: Table) -> TableSketch:
    """The sketch of one table; columns with fewer than two values are left out."""
    columns = []
    for column in table.columns:
        # One at a time, since the sketches of all need less memory than two columns.
        values = read_columns(table, [column.name]).to_series().drop_nulls()
        if len(values) and (made := _sketch_column(values, column.name, value_kind(column))):
            columns.append(made)
    columns.sort(key=lambda made: (-made.n_distinct, made.name))
    names = pl.Series([normal_name(column.name) for column in table.columns])
    return TableSketch(
        table=table, names=_minima(names.hash(_SEED)), columns=tuple(columns[:_MAX_COLUMNS])
    )


def _sketch_column(values: pl.Series, name: str, kind: ValueKind) -> ColumnSketch | None:
    hashes = values.hash(_SEED).unique()
    if len(hashes) < 2:
        return None
    halvings = max(0, int(np.ceil(np.log2(len(hashes) / _MAX_VALUES))))
    kept = hashes.filter(hashes < (1 << 64 - halvings)) if halvings else hashes
    return ColumnSketch(
        name=name,
        kind=kind,
        n_distinct=len(hashes),
        halvings=halvings,
        minima=_minima(kept),
        profile=None if kind == "text" else _profile(values.to_numpy()),
        mean_chars=float(values.str.len_chars().sum()) / len(values) if kind == "text" else 0.0,
    )


def _minima(hashes: pl.Series) -> str:
    # The lowest bits: the highest are zero in a sample.
    words = (hashes.to_numpy() & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    made = MinHash(num_perm=PERMUTATIONS, seed=_SEED, hashfunc=int, scheme="affine32")
    made.update_batch(words.tolist())
    return str(made.hashvalues.astype("<u4").tobytes().hex())


def _profile(values: npt.NDArray[np.float64]) -> tuple[float, ...] | None:
    quantiles = np.quantile(values, _QUANTILES)
    extent = quantiles[_EXTENT[1]] - quantiles[_EXTENT[0]]
    if not np.isfinite(extent) or extent <= 0:
        return None
    return tuple(round(float(q), 4) for q in (quantiles - quantiles[9]) / extent)


# --- what follows from two sketches ------------------------------------------------------------


def _minima_of(columns: Sequence[ColumnSketch]) -> npt.NDArray[np.uint32]:
    """The MinHashes of some columns, shape (n_columns, 256)."""
    joined = bytes.fromhex("".join(column.minima for column in columns))
    return np.frombuffer(joined, dtype="<u4").reshape(-1, PERMUTATIONS)


def shared_values(
    ours: Sequence[ColumnSketch], theirs: Sequence[ColumnSketch]
) -> npt.NDArray[np.float64]:
    """Estimated share of the smaller column's values in the other, shape (n_ours, n_theirs).

    From the Jaccard similarity J of the samples: their intersection is J / (1 + J) of the sum of
    their sizes.
    """
    equal = _minima_of(ours)[:, None] == _minima_of(theirs)[None]
    jaccard = equal.mean(axis=2, dtype=np.float64)
    sizes = [np.array([c.n_distinct for c in side], dtype=np.float64) for side in (ours, theirs)]
    rates = [0.5 ** np.array([c.halvings for c in side]) for side in (ours, theirs)]
    sampled = (sizes[0] * rates[0])[:, None] + (sizes[1] * rates[1])[None]
    common = jaccard / (1 + jaccard) * sampled / np.minimum(rates[0][:, None], rates[1][None])
    shares: npt.NDArray[np.float64] = common / np.minimum(sizes[0][:, None], sizes[1][None])
    return np.minimum(shares, 1.0)


def same_shapes(
    ours: Sequence[ColumnSketch], theirs: Sequence[ColumnSketch], n_rows: int
) -> npt.NDArray[np.float64]:
    """How well two columns could be one in two units, shape (n_ours, n_theirs), 0 to 1.

    By the mean distance of their quantiles; that of a sample of `n_rows` rows from its whole is
    about 0.35 / sqrt(n_rows), and beyond three times as much it is 0.
    """
    sides = [_profiles(columns) for columns in (ours, theirs)]
    distances = np.abs(sides[0][:, None] - sides[1][None]).mean(axis=2)
    limit = 0.01 + 1.2 / np.sqrt(n_rows)
    shapes: npt.NDArray[np.float64] = np.nan_to_num(np.maximum(0.0, 1 - distances / limit))
    return shapes


def _profiles(columns: Sequence[ColumnSketch]) -> npt.NDArray[np.float64]:
    """Shape (n_columns, 19); not a number where there is no profile."""
    missing = (np.nan,) * len(_QUANTILES)
    return np.array([column.profile or missing for column in columns])

"""How surely one column follows from another.

Codes of two columns enter, one number a row; a strength from 0 to 1 leaves. Not guaranteed: that a
dependency holds outside the rows given.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.profile.profile import ColumnProfile, Dependency

_ROWS = 10_000
"""Rows, evenly spaced, on which dependencies between columns are looked for."""
_COLUMNS = 40
"""Columns, the fewest-valued first, between which dependencies are looked for."""
_STRENGTH = 0.99
"""How surely the second column follows; below, a few wrong cells no longer explain the rest."""


def dependencies(frame: pl.DataFrame, columns: tuple[ColumnProfile, ...]) -> tuple[Dependency, ...]:
    """Pairs of which the first determines the second, on evenly spaced rows.

    The columns of `frame` are numbered `c0`, `c1` and so on.
    """
    step = max(1, -(-frame.height // _ROWS))
    sample = frame.gather_every(step)
    # Where values hardly repeat, everything is determined and nothing is said.
    able = [(c, i) for i, c in enumerate(columns) if c.n_unique >= 2 and c.unique_share <= 0.5]
    able = sorted(able, key=lambda item: item[0].n_unique)[:_COLUMNS]
    codes = {c.name: codes_of(sample[f"c{i}"]) for c, i in able}
    pairs = []
    for first, _ in able:
        for second, _ in able:
            if first is second or first.n_unique < second.n_unique:
                continue
            strength = determination(codes[first.name], codes[second.name])
            if strength >= _STRENGTH:
                pairs.append((first, second, strength))
    order = {c.name: i for i, c in enumerate(columns)}
    pairs.sort(key=lambda item: (order[item[0].name], order[item[1].name]))
    return tuple(Dependency(determinant=a.name, dependent=b.name, strength=s) for a, b, s in pairs)


def codes_of(values: pl.Series) -> npt.NDArray[np.int64]:
    """A number from 0 for each row, equal where values are; missing is a value of its own."""
    if values.dtype == pl.Boolean:
        values = values.cast(pl.Int8)
    return values.rank("dense").fill_null(0).to_numpy().astype(np.int64)


def determination(determinant: npt.NDArray[np.int64], dependent: npt.NDArray[np.int64]) -> float:
    """How surely one code follows from another: 1 always, 0 no better than the commonest code.

    This is Goodman and Kruskal's lambda on the rows whose determinant occurs at least twice, for
    only they say something; 0 when they are under a quarter of the rows.
    """
    span = int(dependent.max()) + 1 if len(dependent) else 1
    pairs, counts = np.unique(determinant * span + dependent, return_counts=True)
    if not len(pairs):
        return 0.0
    groups = pairs // span
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    total = np.add.reduceat(counts, starts)
    # A value that occurs once determines everything and proves nothing.
    repeated = total >= 2
    rows = int(total[repeated].sum())
    base = np.bincount(
        pairs % span, weights=counts * np.repeat(repeated, np.diff(np.r_[starts, len(pairs)]))
    )
    if rows < len(determinant) / 4 or base.max() >= rows:
        return 0.0
    common = int(np.maximum.reduceat(counts, starts)[repeated].sum())
    return float((common - base.max()) / (rows - base.max()))

"""Order leakage: what ids and places of rows say of targets, and of the side on which a row stands.

Takes numbers that order rows and values that they must not follow, returns whether they do: whether
their rank correlation is too many standard errors from chance. Of labels every class is asked by
itself. Not guaranteed: orders that follow values in waves, which no rank correlation sees.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.task import ID_COLUMN, DataFiles, TableSide

_Floats = npt.NDArray[np.float64]
_CLASSES = 20
"""Labels asked, the commonest first."""
_STANDARD_ERRORS = 6.0
"""From where on an order follows values: by chance once in five hundred million."""


def follows(order: _Floats, values: _Floats, is_label: bool) -> bool:
    """Whether the order of rows leaks the values, `(n_rows,)` each."""
    if len(order) < 3:
        return False
    if not is_label:
        return _standard_errors(order, values) >= _STANDARD_ERRORS
    labels, counts = np.unique(values, return_counts=True)
    common = labels[np.argsort(-counts, kind="stable")[:_CLASSES]]
    errors = (_standard_errors(order, (values == label).astype(float)) for label in common)
    return max(errors) >= _STANDARD_ERRORS


def _standard_errors(a: _Floats, b: _Floats) -> float:
    """|rank correlation|, of which one standard error is 1 / sqrt(n - 1) under independence."""
    from scipy.stats import spearmanr

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return abs(float(spearmanr(a, b).statistic)) * float(np.sqrt(len(a) - 1))


def ids_ascend(data: DataFiles, public: Path) -> bool:
    """Whether every table of a task stands in the order of its ids, so that places say nothing."""
    return all(
        _ids(data, public, table).is_sorted()
        for side in get_args(TableSide)
        for table in data.tables(side)
    )


def _ids(data: DataFiles, public: Path, table: str) -> pl.Series:
    if data.format == "csv":
        # By place: the id comes first, and polars does not undo quotes in headers.
        return (
            pl.read_csv(public / table, columns=[0], infer_schema=False).to_series().cast(pl.Int64)
        )
    if data.format == "parquet":
        return pl.read_parquet(public / table, columns=[ID_COLUMN]).to_series()
    place = (public / data.names[0]).resolve().as_uri()
    with closing(sqlite3.connect(f"{place}?mode=ro", uri=True)) as database:
        # Table names are ours: `train_1`.
        rows = database.execute(f'SELECT {ID_COLUMN} FROM "{table}"').fetchall()
    return pl.Series([row[0] for row in rows], dtype=pl.Int64)

"""What ids and places of rows betray: of targets, and of the side on which a row stands.

Numbers that order rows and what they must not tell enter; how many standard errors their rank
correlation is from chance leaves. Of labels every class is asked by itself.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.task import ID_COLUMN, DataFiles, TableSide

Floats = npt.NDArray[np.float64]
_CLASSES = 20
"""Labels asked, the commonest first."""


def betrayal(order: Floats, values: Floats, is_label: bool) -> float:
    """|rank correlation| in standard errors; of labels the largest over the classes."""
    if len(order) < 3:
        return 0.0
    if not is_label:
        return _errors(order, values)
    labels, counts = np.unique(values, return_counts=True)
    common = labels[np.argsort(-counts, kind="stable")[:_CLASSES]]
    return max(_errors(order, (values == label).astype(float)) for label in common)


def _errors(a: Floats, b: Floats) -> float:
    from scipy.stats import rankdata

    one, two = rankdata(a), rankdata(b)
    one, two = one - one.mean(), two - two.mean()
    scale = float(np.sqrt((one @ one) * (two @ two)))
    return abs(float(one @ two)) / scale * float(np.sqrt(len(a) - 1)) if scale > 0 else 0.0


def ids_ascend(data: DataFiles, public: Path) -> bool:
    """Whether every table of a task stands in the order of its ids, so that places tell nothing."""
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

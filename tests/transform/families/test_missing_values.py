"""Missing values are injected into the same columns of both tables, and where values are large."""

import random

import polars as pl

from transform.families.missing_values import hide_cells


def _tables() -> tuple[pl.DataFrame, pl.DataFrame]:
    n = 200
    table = pl.DataFrame(
        {
            "even": [float(i) for i in range(n)],
            "skewed": [float(i**4) for i in range(n)],
            "codes": [i % 2 for i in range(n)],
            "text": [f"t{i % 7}" for i in range(n)],
            "same": [1.0] * n,
            "half": [float(i) if i % 2 else None for i in range(n)],
        }
    )
    return table, table.reverse()


def _rng(purpose: str) -> random.Random:
    return random.Random(purpose)


def test_largest_cells_and_others_are_emptied_on_both_sides() -> None:
    train, val = _tables()
    hidden = hide_cells(train, val, train.columns, _rng)
    emptied = [
        [c for c in train.columns if s[c].null_count() > t[c].null_count()]
        for s, t in zip(hidden, (train, val), strict=True)
    ]
    assert emptied[0] == emptied[1]
    assert len(emptied[0]) == 2
    assert "skewed" in emptied[0]
    for side, before in zip(hidden, (train, val), strict=True):
        assert 8 < side["skewed"].null_count() <= 16
        assert side["skewed"].max() < before["skewed"].sort()[-8]
        assert side.drop(emptied[0]).equals(before.drop(emptied[0]))


def test_other_columns_do_not_disturb_the_missing_values_of_one() -> None:
    train, val = _tables()
    first, _ = hide_cells(train, val, train.columns[:4], _rng)
    other, _ = hide_cells(train, val, train.columns[1:4], _rng)
    assert first["skewed"].equals(other["skewed"])

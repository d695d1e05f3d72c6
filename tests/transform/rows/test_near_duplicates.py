"""Rows written twice are paired, however their last digits were moved; other rows are not."""

import numpy as np
import polars as pl
import pytest

from transform.rows.near_duplicates import near_pairs, nearly_in

N = 2_000


def table(n: int = N) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "price": rng.lognormal(11, 1, n),
            "change": rng.normal(0, 1, n),
            "share": [None if i % 9 == 0 else v for i, v in enumerate(rng.random(n))],
            "kind": rng.choice(["a", "b", "c"], n),
            "rooms": rng.integers(0, 5, n),
        }
    )


@pytest.mark.parametrize("jitter", [0, 1e-12, 1e-8, 1e-6, 3e-5])
def test_every_moved_row_is_paired_with_its_original(jitter: float) -> None:
    rng = np.random.default_rng(8)
    frame = table()
    moved = frame.with_columns(
        pl.col(name) * pl.Series(1 + rng.uniform(-jitter, jitter, N))
        for name in ("price", "change", "share")
    )
    pairs = near_pairs(pl.concat([frame, moved]))
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} == {(i, i + N) for i in range(N)}


def test_rows_that_differ_are_not_paired() -> None:
    frame = table()
    assert not len(near_pairs(frame))
    others = {"kind": pl.lit("d"), "rooms": pl.col("rooms") + 1, "change": -pl.col("change")}
    others |= {"price": pl.col("price") * 1.001, "share": pl.lit(None, pl.Float64)}
    for name, cell in others.items():
        both = pl.concat([frame, frame.with_columns(cell.alias(name))], how="vertical_relaxed")
        empty = int(frame["share"].null_count()) if name == "share" else 0
        assert len(near_pairs(both)) == empty


def test_odd_tables() -> None:
    assert not len(near_pairs(pl.DataFrame({"x": []}, schema={"x": pl.Float64})))
    assert not len(
        near_pairs(pl.DataFrame({"x": [0.0, 1e-320, 1e308, None, float("nan"), -1.0]})[:4])
    )
    assert len(near_pairs(pl.DataFrame({"x": ["a"] * 3}))) == 3


def test_rows_that_nearly_stand_in_a_table_are_found() -> None:
    frame = table()
    known, new = frame.head(1_500), frame.tail(500)
    moved = known.tail(300).with_columns(pl.col("price", "change", "share") * (1 + 1e-9))
    mask = nearly_in(known, pl.concat([new, moved]))
    assert mask.tolist() == [False] * 500 + [True] * 300
    assert nearly_in(known, known.head(0)).tolist() == []

"""Tables that share rows are not used side by side; tables that share columns are."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest

from extract.evidence.near_duplicates.distinct_tables import distinct_tables
from tests.extract.evidence.conftest import store


def rows(n: int, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "day": [f"2020-01-{i % 28 + 1:02d}" for i in range(n)],
            "a": rng.normal(size=n),
            "b": rng.integers(0, 10_000, n),
        }
    )


def chosen(folder: Path, **frames: pl.DataFrame) -> dict[str, set[str]]:
    """The tables that are used, each with those that are left out for it."""
    tables = [store(folder, name, _stored(frame)) for name, frame in frames.items()]
    return {c.table.name: set(c.instead_of) for c in distinct_tables(tables)}


def _stored(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(cs.integer().cast(pl.Int64))


def test_a_file_per_city_beside_the_combined_file(tmp_path: Path) -> None:
    rome, oslo = rows(300, 1), rows(200, 2)
    both = pl.concat(
        [rome.with_columns(city=pl.lit("Rome")), oslo.with_columns(city=pl.lit("Oslo"))]
    )
    assert chosen(tmp_path, rome=rome, all=both, oslo=oslo) == {"all": {"rome", "oslo"}}


def test_a_part_that_overlaps_a_little(tmp_path: Path) -> None:
    test = pl.concat([rows(180, 3), rows(300, 1).head(20)])
    assert chosen(tmp_path, train=rows(300, 1), test=test) == {"train": {"test"}}


def test_numbers_written_otherwise_and_renamed_columns(tmp_path: Path) -> None:
    copy = rows(300, 1).head(250).with_columns(pl.col("b").cast(pl.Float64))
    assert chosen(tmp_path, one=rows(300, 1), two=copy) == {"one": {"two"}}
    renamed = copy.rename({"a": "alpha", "b": "beta", "day": "date"})
    assert chosen(tmp_path, one=rows(300, 1), two=renamed) == {"one": {"two"}}


def test_tables_of_one_layout_with_other_rows_stay(tmp_path: Path) -> None:
    assert chosen(tmp_path, a=rows(300, 1), b=rows(200, 2)) == {"a": set(), "b": set()}


def test_a_shared_key_is_no_shared_row(tmp_path: Path) -> None:
    users = pl.DataFrame({"user": list(range(200)), "age": [i % 50 for i in range(200)]})
    orders = pl.DataFrame(
        {"user": [i % 200 for i in range(900)], "total": [i * 3.7 for i in range(900)]}
    )
    assert chosen(tmp_path, users=users, orders=orders) == {"orders": set(), "users": set()}


def test_coarse_rows_prove_nothing_unless_the_layout_is_one(tmp_path: Path) -> None:
    coarse = pl.DataFrame({"sex": ["f", "m"] * 100, "smoker": ["y", "n", "n", "n"] * 50})
    wide = coarse.with_columns(bmi=pl.Series(np.random.default_rng(0).normal(size=200)))
    assert set(chosen(tmp_path, a=coarse, b=wide)) == {"a", "b"}
    assert len(chosen(tmp_path, a=coarse, b=coarse.head(100))) == 1


def test_empty_tables(tmp_path: Path) -> None:
    assert set(chosen(tmp_path, a=rows(10, 1), b=rows(10, 1).head(0))) == {"a", "b"}


def flats(n: int, seed: int) -> pl.DataFrame:
    """Skewed numbers, whole numbers, a category, gaps."""
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "price": rng.lognormal(12, 0.6, n).round(0),
            "area": rng.lognormal(4, 0.4, n).round(1),
            "heat": rng.normal(15, 8, n).round(1),
            "year": rng.integers(1880, 2024, n),
            "town": rng.choice(["Rome", "Oslo, north", "Ulm"], n),
        }
    )
    missing = np.flatnonzero(rng.random(n) < 0.05)
    return frame.with_columns(frame["area"].scatter(missing, None))


def in_other_units(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select(
        (pl.col("price") * 1.0837).round(2),
        pl.col("area") * 10.7639,
        (pl.col("heat") * 1.8 + 32).round(2),
        pl.col("year") - 1880,
        "town",
    )


RENAMED = {"price": "cost", "area": "size_sqft", "heat": "temperature", "year": "age", "town": "c"}


@pytest.mark.parametrize("share", [1.0, 0.6, 0.3])
@pytest.mark.parametrize("renamed", [False, True])
def test_the_same_rows_in_other_units(tmp_path: Path, share: float, renamed: bool) -> None:
    frame = flats(900, 5)
    copy = in_other_units(frame.sample(fraction=share, shuffle=True, seed=1))
    copy = copy.rename(RENAMED) if renamed else copy
    copy = copy.with_columns(note=pl.int_range(copy.height) % 7)
    tables = chosen(tmp_path, one=frame.with_columns(extra=1, more=2), two=copy)
    assert tables == {"one": {"two"}}


@pytest.mark.parametrize("seed", range(4))
def test_other_rows_in_other_units_stay(tmp_path: Path, seed: int) -> None:
    one, two = flats(900, seed), in_other_units(flats(700, seed + 50)).rename(RENAMED)
    assert chosen(tmp_path, one=one, two=two) == {"one": set(), "two": set()}
    same = in_other_units(flats(700, seed + 50))
    assert chosen(tmp_path, one=one, two=same) == {"one": set(), "two": set()}


def test_a_list_of_parts_beside_orders_stays(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    parts = pl.DataFrame({"part": range(400), "price": rng.gamma(2, 9, 400).round(2)})
    orders = pl.DataFrame(
        {"order": range(2000), "part": rng.integers(0, 400, 2000), "n": rng.integers(1, 90, 2000)}
    )
    assert chosen(tmp_path, parts=parts, orders=orders) == {"orders": set(), "parts": set()}


def by_day(sold: np.ndarray, **others: np.ndarray) -> pl.DataFrame:
    days = [date(2021, 1, 1) + timedelta(days=i) for i in range(len(sold))]
    return pl.DataFrame({"day": days, "sold": sold, **others})


def test_the_same_days_in_other_units_under_other_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    sold, heat = rng.integers(20, 400, 300), rng.normal(15, 8, 300)
    dozens = by_day(sold / 12, temp_f=heat * 1.8 + 32).rename({"sold": "dozens", "day": "date"})
    plain = by_day(sold, heat=heat, promo=rng.integers(0, 2, 300))
    assert chosen(tmp_path, plain=plain, dozens=dozens.sample(250, seed=1)) == {"plain": {"dozens"}}


def test_other_shops_on_the_same_days(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    trend = np.linspace(100, 300, 300)
    north, south = (by_day(trend + rng.normal(0, 20, 300), n=rng.normal(size=300)) for _ in "ns")
    assert chosen(tmp_path, north=north, south=south) == {"north": set(), "south": set()}

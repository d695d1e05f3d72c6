"""Sources that are published again: renamed, shuffled, cut, in other units, under other columns.

Each must fall in the cluster of its original and stand on its side of the split of tasks. Strangers
have the columns of the originals and other values, and must stay alone.
"""

from collections.abc import Callable

import polars as pl

from tests.faults.fault import Copied
from tests.faults.sources import World, clean
from tests.faults.tampering import Change
from tests.faults.worlds import Source, chance, clinic, homes, shops

_FEET, _MILES = 10.7639, 0.621371


def _shuffled(share: float = 1.0) -> Change:
    """A share of the rows, in another order."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        order = chance(f"again {share}").permutation(table.height)
        return table[order[: round(share * table.height)]]

    return change


def _in_other_units(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(
        (pl.col("area_sqm") * _FEET).round(1),
        (pl.col("distance_km") * _MILES).round(3),
        (pl.col("price_eur") * 1.0837 / 1000).round(4),
        (pl.col("lot_sqm") * _FEET).round(0),
    )


def _renamed(table: pl.DataFrame) -> pl.DataFrame:
    return table.rename({name: f"merkmal_{i}" for i, name in enumerate(table.columns)})


def _rounded(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(
        pl.col("area_sqm", "distance_km", "noise_db", "fee_monthly").round(0),
        (pl.col("price_eur") / 1000).round(0) * 1000,
    )


def _recoded(table: pl.DataFrame) -> pl.DataFrame:
    """Numbers in place of categories, as after label encoding."""
    texts = [name for name, kind in table.schema.items() if kind == pl.String]
    return table.with_columns(pl.col(name).rank("dense") - 1 for name in texts)


def _other_columns(table: pl.DataFrame) -> pl.DataFrame:
    """A third of the columns is gone, and three are new."""
    kept = table.select(table.columns[i] for i in range(table.width) if i % 3)
    rng = chance("other columns")
    return kept.with_columns(
        pl.Series("quality", rng.normal(0, 1, table.height).round(2)),
        pl.Series("batch", rng.integers(0, 9, table.height)),
    ).with_row_index("Unnamed: 0")


def _extended(table: pl.DataFrame) -> pl.DataFrame:
    """As many rows of another hospital below."""
    return pl.concat([table, clinic("hospice")])


def _one_shop(table: pl.DataFrame) -> pl.DataFrame:
    """One entity, days in another form."""
    rows = table.filter(pl.col("shop") == "centre").drop("shop")
    return rows.with_columns(pl.col("day").dt.strftime("%d.%m.%Y"))


def _disguised(table: pl.DataFrame) -> pl.DataFrame:
    return _renamed(_in_other_units(_shuffled(0.3)(table)))


_AGAIN: tuple[tuple[str, str, World, Change], ...] = (
    ("renamed", "under another title and file name", homes, lambda table: table),
    ("shuffled", "rows in another order", clinic, _shuffled()),
    ("half of it", "half of the rows", clinic, _shuffled(0.5)),
    ("a fifth of it", "a fifth of the rows", homes, _shuffled(0.2)),
    ("in other units", "feet, miles and dollars", homes, _in_other_units),
    ("columns renamed", "every column under another name", clinic, _renamed),
    ("rounded", "numbers rounded to whole ones", homes, _rounded),
    ("categories recoded", "numbers in place of categories", homes, _recoded),
    ("other columns", "a third of the columns gone, three new ones", clinic, _other_columns),
    ("within a larger table", "as many rows of another table below", clinic, _extended),
    ("one entity", "one shop of three, days in another form", shops, _one_shop),
    ("disguised", "renamed, in other units, shuffled, three rows in ten", homes, _disguised),
)


def copied() -> tuple[Copied, ...]:
    """All of them."""
    return tuple(
        Copied(f"published again: {name}", planted, _again(name, world, change), clean(world))
        for name, planted, world, change in _AGAIN
    )


def _again(name: str, world: Callable[[], pl.DataFrame], change: Change) -> Source:
    key = f"again/{name.replace(' ', '-')}"
    return Source(key, {"data.csv": change(world())}, title=f"New collection: {name}")


def strangers() -> tuple[Source, ...]:
    """The columns, days and categories of the originals over other values."""
    return (
        Source("strangers/villas", {"homes.csv": homes("villas")}, title="Homes"),
        Source("strangers/hospice", {"clinic.csv": clinic("hospice")}, title="Clinic"),
        Source("strangers/kiosks", {"shops.csv": shops("kiosks")}, title="Shops"),
    )

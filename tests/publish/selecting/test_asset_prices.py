"""Prices of markets are told from the prices of shops, by names alone."""

from collections.abc import Mapping

import pytest

from extract.dataset import RawDataset
from publish.selecting.asset_prices import is_asset_price
from transform.task import ColumnSpec, Task, TaskSpec


def spec_of(task: Task, columns: tuple[str, ...], target: str) -> TaskSpec:
    named = tuple(ColumnSpec(name=name, type="number") for name in (*columns, target))
    instructions = task.spec.instructions.model_copy(
        update={"columns": named, "targets": (target,)}
    )
    return task.spec.model_copy(update={"instructions": instructions, "table": "data"})


@pytest.mark.parametrize(
    ("title", "columns", "target", "expected"),
    [
        ("Some numbers", ("Open", "High", "Low", "Volume"), "Close", True),
        ("Some numbers", ("open_usd", "HighPrice", "low"), "volume", True),
        ("Bitcoin since 2014", ("date",), "price", True),
        ("USD exchange rate", ("date",), "closing_rate", True),
        ("NASDAQ stock market", ("ticker",), "Adj Close", True),
        ("Corner shop", ("price", "promo"), "units sold", False),
        ("Stock of a warehouse", ("item",), "units", False),
        ("House prices", ("rooms",), "price", False),
        ("Open hours of libraries", ("open", "visitors"), "loans", False),
        ("Weather", ("high", "low"), "rain", False),
    ],
)
def test_markets(
    raws: Mapping[str, RawDataset],
    tasks: Mapping[str, Task],
    title: str,
    columns: tuple[str, ...],
    target: str,
    expected: bool,
) -> None:
    ref = raws["bob/shops"].ref.model_copy(update={"slug": "data"})
    raw = raws["bob/shops"].model_copy(update={"title": title, "ref": ref, "tags": ()})
    assert is_asset_price(raw, spec_of(tasks["ts-cf"], columns, target)) is expected


def test_only_forecasts_count(raws: Mapping[str, RawDataset], tasks: Mapping[str, Task]) -> None:
    spec = spec_of(tasks["reg-mm"], ("Open", "High", "Low"), "Close")
    raw = raws["bob/shops"].model_copy(update={"title": "Stocks"})
    assert not is_asset_price(raw, spec)

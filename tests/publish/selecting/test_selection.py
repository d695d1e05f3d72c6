"""Forecasts of asset prices are few in every split, and which stay does not depend on order."""

import pytest

from publish.selecting.selection import select
from publish.selecting.split import SourceSplitConfig, SplitEvidence
from publish.settings import PublishConfig
from tests.publish.conftest import Build, Workshop

MARKET = {"title": "Daily stock prices", "tags": ("stocks",)}


@pytest.fixture
def crowd(workshop: Workshop) -> Build:
    """Two sources of prices with three forecasts each, and one source with 25 other tasks."""
    markets = [workshop.source(f"market{i}", f"202{i}-01-01", **MARKET) for i in range(2)]
    homes = workshop.source("homes", "2018-01-01")
    released = [
        workshop.released(source, "ts-cf", format)
        for source in markets
        for format in ("csv", "parquet", "sqlite")
    ]
    released += [workshop.released(homes, "reg-mm", "csv", question=f"{i}?") for i in range(1)]
    return Build([*markets, homes], released)


def _kept(build: Build, share: float = 0.05):
    evidence = SplitEvidence(freshness={s.ref.key: s.updated_at for s in build.sources})
    settings = PublishConfig(split=SourceSplitConfig(asset_price_share=share))
    return select(build.released, build.sources, evidence, settings, {})


def test_one_forecast_of_prices_ships_in_each_split(crowd: Build) -> None:
    selection = _kept(crowd)
    shipped = [e for e in selection.tasks if e.task.spec.instructions.variant == "ts-cf"]
    assert sorted(e.side for e in shipped) == ["eval", "train"]
    assert {drop.reason for drop in selection.refused} == {"asset_prices"}
    assert all(drop.value == 3 and drop.threshold == 1 for drop in selection.refused)
    assert len(selection.tasks) + len(selection.refused) == len(crowd.released)


def test_the_lowest_task_keys_stay_in_any_order(crowd: Build) -> None:
    first = {e.task.spec.task_id for e in _kept(crowd).tasks}
    backwards = Build(crowd.sources[::-1], crowd.released[::-1])
    assert {e.task.spec.task_id for e in _kept(backwards).tasks} == first
    evals = [i.task.spec for i in crowd.released if i.task.spec.source.slug == "market1"]
    assert min(evals, key=lambda spec: spec.task_key).task_id in first


def test_the_share_is_that_of_the_split_as_it_ships(crowd: Build) -> None:
    sides = [e.side for e in _kept(crowd, share=0.7).tasks]
    # Of the train split's one other task and three prices, two prices are under 70 %.
    assert sides.count("train") == 3
    assert sides.count("eval") == 1

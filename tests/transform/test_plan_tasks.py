"""The transform room as a whole: one split for all drafts of a table, and a reason for each gap."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.store import Store
from tests.planning import plans_of
from transform.draft_task import DesignConfig, draft
from transform.files.task_folder import Draft
from transform.plan import Plan
from transform.rows.size import SizeConfig
from transform.rows.split import Splitting
from transform.run.execute import load_tables

Drafts = tuple[Draft | Drop, ...]
MakeRaw = Callable[..., RawDataset]


def homes(n: int = 600) -> pl.DataFrame:
    """Prices and kinds of homes; `area` and `plot` tell every row from every other."""
    rng = np.random.default_rng(11)
    area, plot = rng.lognormal(4.5, 0.4, n).round(6), rng.lognormal(6, 0.5, n).round(6)
    rooms = np.maximum(1, (area / 25 + rng.normal(0, 1, n)).round()).astype(int)
    town = rng.choice(["Ulm", "Hof", "Bad Tölz"], n)
    worth = area * 3 + plot / 9 + 50 * (town == "Ulm") + rng.normal(0, 20, n)
    return pl.DataFrame(
        {
            "area": area,
            "plot": plot,
            "rooms": rooms,
            "town": town.tolist(),
            "heating": rng.choice(["gas", "oil", "wood"], n).tolist(),
            "kind": np.where(worth > np.median(worth), "house", "flat").tolist(),
            "price": (worth * 1000).round(2),
        }
    )


def sales(n: int = 700) -> pl.DataFrame:
    """A daily series with a weekly season and a covariate that is known ahead."""
    rng = np.random.default_rng(12)
    days = np.arange(n)
    offer = (rng.random(n) < 0.3).astype(int)
    sold = 200 + 40 * np.sin(2 * np.pi * days / 7) + 30 * offer + rng.normal(0, 6, n) + days / 20
    return pl.DataFrame(
        {
            "day": [date(2021, 1, 1) + timedelta(days=int(d)) for d in days],
            "offer planned": offer,
            "sold": sold.round(3),
        }
    )


def laid_out(raw: RawDataset, folder: Path, seed: int = 0) -> Drafts:
    config, size, store = DesignConfig(), SizeConfig(), Store(str(folder))
    return tuple(
        draft(raw, plan, config, size, store, folder) if isinstance(plan, Plan) else plan
        for plan in plans_of(raw, folder, Splitting(seed=seed))
    )


def variants(results: Drafts) -> Counter[str]:
    """Drafts and refusals by variant."""
    return Counter(
        result.spec.instructions.variant if isinstance(result, Draft) else str(result.variant)
        for result in results
    )


@pytest.fixture(scope="module")
def walked(
    make_module_raw: MakeRaw, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RawDataset, Drafts]:
    """A dataset of a table and a series, designed once."""
    raw = make_module_raw("Homes and sales", homes=homes(), sales=sales())
    return raw, laid_out(raw, tmp_path_factory.mktemp("drafts"))


def test_each_problem_gives_its_variants(walked: tuple[RawDataset, Drafts]) -> None:
    counts = variants(walked[1])
    assert counts["class-mm"] == counts["class-if"] >= 1
    assert counts["reg-mm"] == counts["reg-if"] >= 1
    assert counts["ts-cf"] == counts["ts-xf"] == counts["ts-if"] >= 1
    names = [result.spec.task_id for result in walked[1] if isinstance(result, Draft)]
    assert len(set(names)) == len(names)
    # The series has too few columns for what an instruction task needs.
    reasons = [(r.reason, r.variant) for r in walked[1] if isinstance(r, Drop)]
    assert reasons in ([("no_steps", "reg-if")], [("no_noise", "reg-if")])


def test_drafts_stand_in_the_order_of_tables(walked: tuple[RawDataset, Drafts]) -> None:
    tables = [result.spec.table for result in walked[1] if isinstance(result, Draft)]
    assert tables == sorted(tables, key=["homes", "sales"].index)
    assert set(tables) == {"homes", "sales"}


def test_only_executed_variants_await_their_truth(walked: tuple[RawDataset, Drafts]) -> None:
    for result in walked[1]:
        if isinstance(result, Draft):
            executed = result.spec.instructions.variant.endswith("-if")
            assert (result.truth is None) == executed
            assert result.clean_file.exists() == executed
            assert result.spec.source_sha256 == walked[0].sha256


def test_what_one_holds_out_no_other_shows(walked: tuple[RawDataset, Drafts]) -> None:
    drafts = [r for r in walked[1] if isinstance(r, Draft) and r.spec.table == "homes"]
    shown, held_out = set(), set()
    for made in drafts:
        train, val = load_tables(made.spec.instructions, made.public)
        for name in ("area", "plot"):
            if name in val.columns:
                shown |= set(train[name].cast(pl.Float64, strict=False).drop_nulls())
                held_out |= set(val[name].drop_nulls())
    assert len(drafts) >= 4
    assert min(len(shown), len(held_out)) >= 100
    assert not shown & held_out


def test_every_forecast_starts_after_every_history(walked: tuple[RawDataset, Drafts]) -> None:
    drafts = [r for r in walked[1] if isinstance(r, Draft) and r.spec.table == "sales"]
    for made in drafts:
        train, val = load_tables(made.spec.instructions, made.public)
        assert train["day"].max() < val["day"].min()  # type: ignore[operator]
        assert "sold" not in val.columns


def test_designing_again_gives_the_same_files(
    walked: tuple[RawDataset, Drafts], tmp_path: Path
) -> None:
    raw, first = walked
    again = laid_out(raw, tmp_path)
    assert [_identity(result) for result in again] == [_identity(result) for result in first]


def _identity(result: Draft | Drop) -> object:
    return result.spec if isinstance(result, Draft) else result


def test_another_seed_holds_out_other_rows(
    walked: tuple[RawDataset, Drafts], tmp_path: Path
) -> None:
    raw, first = walked
    other = laid_out(raw, tmp_path, seed=1)
    ids = [{r.spec.task_id for r in results if isinstance(r, Draft)} for results in (first, other)]
    assert not ids[0] & ids[1]


def test_a_hopeless_table_costs_only_itself(make_raw: MakeRaw, tmp_path: Path) -> None:
    empty = pl.DataFrame({"nothing": pl.Series([], dtype=pl.String)})
    constant = pl.DataFrame({"a": [1] * 500, "b": ["x"] * 500})
    keys = pl.DataFrame({"id": [f"{i:08x}" for i in range(500)]})
    raw = make_raw("T", empty=empty, constant=constant, homes=homes(), keys=keys)
    results = laid_out(raw, tmp_path)
    tables = {result.spec.table for result in results if isinstance(result, Draft)}
    assert tables == {"homes"}


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"nothing": pl.Series([], dtype=pl.String)}),
        pl.DataFrame({"a": [1] * 500, "b": ["x"] * 500}),
        pl.DataFrame({"id": [f"{i:08x}" for i in range(500)]}),
        pl.DataFrame({"empty": pl.Series([None] * 500, dtype=pl.Float64)}),
        homes(40),
    ],
    ids=["empty", "constant", "only ids", "all missing", "tiny"],
)
def test_nothing_feasible_is_one_refusal(
    make_raw: MakeRaw, tmp_path: Path, frame: pl.DataFrame
) -> None:
    (drop,) = laid_out(make_raw("T", t=frame), tmp_path)
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.room, drop.source) == ("no_proposal", "transform", "owner/slug")
    assert not drop.transient
    assert drop.detail
    assert list(tmp_path.rglob("public")) == []


def test_pure_noise_is_no_task(make_raw: MakeRaw, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    frame = pl.DataFrame({f"n{i}": rng.normal(size=400).round(3) for i in range(4)})
    results = laid_out(make_raw("T", t=frame), tmp_path)
    assert all(isinstance(result, Drop) for result in results)

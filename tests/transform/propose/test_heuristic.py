from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.stored_table import located
from extract.workers import Workers
from transform.plan import Plan
from transform.plan_tasks import plan_tasks
from transform.profile.measure import ProfileConfig, profile
from transform.profile.profile import Profile
from transform.proposal import Proposal
from transform.propose.heuristic import HeuristicProposer, ProposeConfig
from transform.propose.proposer import Proposer
from transform.rows.split import Splitting

MakeRaw = Callable[..., RawDataset]
CONFIG = ProposeConfig()
PROPOSER = HeuristicProposer(CONFIG)
_: Proposer = PROPOSER
RNG = np.random.default_rng(11)


@cache
def measured(raw: RawDataset) -> Profile:
    """What several tests of one table share."""
    return profile(raw)


def proposals(raw: RawDataset) -> tuple[Proposal, ...]:
    proposed = PROPOSER.propose(measured(raw))
    assert not isinstance(proposed, Drop), proposed.detail
    return proposed


def check(raw: RawDataset, proposed: tuple[Proposal, ...]) -> None:
    """None is refused, and they survive a file."""
    planned, refused = planned_and_refused(raw, proposed)
    assert (planned, refused) == (set(proposed), [])


def planned_and_refused(
    raw: RawDataset, proposed: tuple[Proposal, ...]
) -> tuple[set[Proposal], list[Drop]]:
    with TemporaryDirectory() as folder:
        plans = plan_tasks(raw, measured(raw), proposed, Splitting(), Store(folder))
    for proposal in proposed:
        assert proposal.reasons
        assert Proposal.model_validate_json(proposal.model_dump_json()) == proposal
    refused = [plan for plan in plans if isinstance(plan, Drop)]
    return {plan.proposal for plan in plans if isinstance(plan, Plan)}, refused


def people(n: int = 900) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    age, hours = rng.integers(18, 80, n), rng.gamma(4, 10, n).round(1)
    town = rng.choice(["Oslo", "Rome", "Lima"], n)
    wage = age * 1.5 + hours * 2 + 30 * (town == "Oslo") + rng.normal(scale=25, size=n)
    sport = np.where(age + rng.normal(scale=12, size=n) > 45, "walks", "runs")
    return {"age": age, "hours": hours, "town": town, "wage": wage.round(2), "sport": sport}


def feature_names(proposal: Proposal) -> set[str]:
    return {feature.name for feature in proposal.features}


def test_a_plain_table(make_raw: MakeRaw) -> None:
    raw = make_raw(title="What people earn: wage", t=pl.DataFrame(people()))
    proposed = proposals(raw)
    check(raw, proposed)
    assert {"classification", "regression"} == {proposal.problem for proposal in proposed}
    assert proposed[0].targets == ("wage",)
    types = {f.name: f.type for p in proposed for f in p.features}
    assert types["town"] == "category"
    assert types["hours"] == "number"
    assert {p.proposer for p in proposed} == {"heuristic-1"}


def test_useless_and_telling_columns_are_left_out(make_raw: MakeRaw) -> None:
    base = people()
    n = len(base["age"])
    frame = pl.DataFrame(
        {
            "id": range(n),
            "full name": [f"Ann {i}" for i in range(n)],
            "mail": [f"a{i}@example.org" for i in range(n)],
            "note": [f"some words about person {i} and more" for i in range(n)],
            "planet": ["earth"] * n,
            **base,
            "wage_eur": base["wage"] * 0.9 + 3,
            "bonus": (bonus := RNG.gamma(2, 30, n).round(2)),
            "wage_total": base["wage"] + bonus,
            "sport_code": (base["sport"] == "runs").astype(int),
        }
    )
    raw = make_raw(title="wage", t=frame)
    proposed = proposals(raw)
    check(raw, proposed)
    useless = {"id", "full name", "mail", "note", "planet"}
    assert not any((feature_names(p) | set(p.targets)) & useless for p in proposed)
    wage = next(p for p in proposed if p.targets[0] in ("wage", "wage_eur"))
    assert not feature_names(wage) & {"wage", "wage_eur"}
    assert not {"wage_total", "bonus"} <= feature_names(wage)
    sports = [p for p in proposed if p.targets[0] in ("sport", "sport_code")]
    assert sports
    assert not any(feature_names(p) & {"sport", "sport_code"} for p in sports)
    assert any("mail" in reason for reason in proposed[0].reasons)


def test_what_decides_a_class_alone_is_left_out(make_raw: MakeRaw) -> None:
    base = people()
    grade = np.digitize(base["wage"], np.quantile(base["wage"], [0.3, 0.6]))
    frame = pl.DataFrame({"points": base["wage"], "age": base["age"], "hours": base["hours"]})
    raw = make_raw(title="Grades", t=frame.with_columns(grade=pl.Series(grade)))
    proposed = proposals(raw)
    check(raw, proposed)
    grades = [proposal for proposal in proposed if proposal.targets == ("grade",)]
    assert grades
    assert not any("points" in feature_names(proposal) for proposal in grades)


def test_noise_and_small_tables_drop(make_raw: MakeRaw) -> None:
    noise = pl.DataFrame({f"x{i}": RNG.normal(size=500) for i in range(5)})
    tiny = pl.DataFrame(people(40))
    for raw in (make_raw(noise=noise), make_raw(tiny=tiny), make_raw()):
        drop = PROPOSER.propose(profile(raw))
        assert isinstance(drop, Drop)
        assert drop.reason == "no_proposal"
        assert drop.detail


def test_families_are_kept_together(make_raw: MakeRaw) -> None:
    n = 900
    unit = np.sort(RNG.integers(0, 200, n))
    father, mother = RNG.normal(70, 3, 200).round(1), RNG.normal(64, 3, 200).round(1)
    sex = RNG.integers(0, 2, n)
    height = father[unit] * 0.4 + mother[unit] * 0.4 + 5 * sex + RNG.normal(scale=1, size=n) + 12
    frame = pl.DataFrame(
        {
            "family": [f"f{u:03d}" for u in unit],
            "father": father[unit],
            "mother": mother[unit],
            "sex": sex,
            "height": height.round(1),
        }
    )
    raw = make_raw(title="height", t=frame)
    proposed = proposals(raw)
    check(raw, proposed)
    assert {p.group_column for p in proposed} == {"family"}
    assert not any("family" in feature_names(p) for p in proposed)


def stores(n: int = 400) -> pl.DataFrame:
    days = [date(2021, 1, 1) + timedelta(days=i) for i in range(n)]
    frame = pl.DataFrame({"date": days}).join(pl.DataFrame({"store": [1, 2, 3]}), how="cross")
    promo = RNG.integers(0, 2, frame.height)
    weekday = frame["date"].dt.weekday().to_numpy()
    sales = 50 + 20 * promo + 5 * weekday + 9 * frame["store"].to_numpy()
    return frame.with_columns(
        weekday=pl.Series(weekday),
        promo=pl.Series(promo),
        sales=pl.Series((sales + RNG.normal(scale=6, size=frame.height)).round(2)),
    )


def test_series_with_covariates(make_raw: MakeRaw) -> None:
    raw = make_raw(t=stores())
    proposed = proposals(raw)
    check(raw, proposed)
    forecast = next(p for p in proposed if p.problem == "forecasting")
    assert forecast.targets == ("sales",)
    assert forecast.entities == ("store",)
    assert forecast.known_covariates == ("promo",)
    assert forecast.time is not None
    assert (forecast.time.frequency, forecast.time.resample) == ("1d", False)
    predictions = [p for p in proposed if p.problem != "forecasting"]
    assert predictions
    assert {p.split_column for p in predictions} == {"date"}
    assert not any({"promo", "weekday"} & set(p.targets) for p in predictions)


def receipts(spread: float) -> pl.DataFrame:
    n, rng = 6_000, np.random.default_rng(1)
    days = rng.integers(0, 420, n)
    usual = np.array([9.0, 4, 6, 5, 8, 15, 1])[days % 7]
    return pl.DataFrame(
        {
            "receipt": [f"R-{i:05d}" for i in range(n)],
            "sold_at": [datetime(2022, 1, 1) + timedelta(days=int(day)) for day in days],
            "amount": (usual + rng.gamma(2, spread, n)).round(2),
        }
    )


def test_transactions_become_a_daily_sum(make_raw: MakeRaw) -> None:
    raw = make_raw(t=receipts(spread=2))
    (forecast,) = proposals(raw)
    check(raw, (forecast,))
    assert forecast.time is not None
    assert forecast.time.resample
    assert dict(forecast.aggregations)["amount"] == "sum"
    assert not forecast.features


def test_what_nobody_can_forecast_is_not_proposed(make_raw: MakeRaw) -> None:
    frame = receipts(spread=2).with_columns(pl.col("amount").shuffle(seed=1))
    drop = PROPOSER.propose(profile(make_raw(t=frame)))
    assert isinstance(drop, Drop)
    assert "amount" not in drop.detail


def test_the_plainest_grid_with_room_is_taken(make_raw: MakeRaw) -> None:
    rng = np.random.default_rng(2)
    weeks, daily = np.repeat(rng.normal(size=400), 7), rng.normal(scale=4, size=2_800)
    season = 3 * np.sin(2 * np.pi * np.arange(2_800) / 365.25)
    days = [date(2015, 1, 5) + timedelta(days=i) for i in range(2_800)]
    raw = make_raw(t=pl.DataFrame({"day": days, "level": season + weeks + daily}))
    (forecast,) = proposals(raw)
    check(raw, (forecast,))
    assert forecast.time is not None
    assert (forecast.time.frequency, forecast.time.resample) == ("1w", True)
    assert dict(forecast.aggregations)["level"] == "mean"


def test_files_that_share_rows_serve_once(make_raw: MakeRaw) -> None:
    both = pl.DataFrame(people(1_200))
    other = pl.DataFrame(people(700)).rename({"wage": "pay"})
    raw = make_raw(all=both, part=both.head(500), other=other)
    proposed = proposals(raw)
    check(raw, proposed)
    assert {p.table for p in proposed} == {"all", "other"}
    assert any("part" in reason for p in proposed if p.table == "all" for reason in p.reasons)


def test_hostile_names(make_raw: MakeRaw) -> None:
    names = ['a"b', "'; DROP TABLE t; --", "🦆", "wage, 'per' hour", "col*"]
    frame = pl.DataFrame(people())
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    raw = make_raw(t=frame)
    proposed = proposals(raw)
    check(raw, proposed)
    assert {name for p in proposed for name in feature_names(p)} <= set(names)


def test_same_data_same_proposals(make_raw: MakeRaw) -> None:
    raw = make_raw(t=stores(), u=pl.DataFrame(people()))
    first = proposals(raw)
    assert PROPOSER.propose(profile(raw)) == first
    other = PROPOSER.propose(profile(raw, splitting=Splitting(seed=1)))
    assert other == first, "the seed of a build shapes splits, not ideas"


def test_knobs_bound_the_number(make_raw: MakeRaw) -> None:
    raw = make_raw(t=stores(), u=pl.DataFrame(people()))
    config = ProposeConfig(forecasts=0, several_targets=False)
    proposed = HeuristicProposer(config).propose(profile(raw, ProfileConfig(tables=1)))
    assert not isinstance(proposed, Drop)
    assert {p.table for p in proposed} == {"t"}
    assert Counter(p.problem for p in proposed)["forecasting"] == 0
    assert all(len(p.targets) == 1 for p in proposed)


@pytest.mark.slow
def test_yield_on_real_datasets(mirror: Path, tmp_path: Path) -> None:
    source, store = MirrorSource(mirror), Store(str(tmp_path))
    memory = Memory(store)
    with Workers(2) as workers:
        read = [read_dataset(source, ref, memory, workers, ReadConfig()) for ref in source.refs()]
    raws = [raw if isinstance(raw, Drop) else located(raw, store) for raw in read]
    counts: Counter[str] = Counter()
    for raw in raws:
        proposed = PROPOSER.propose(profile(raw)) if isinstance(raw, RawDataset) else raw
        if isinstance(proposed, Drop):
            continue
        assert isinstance(raw, RawDataset)
        planned, refused = planned_and_refused(raw, proposed)
        # Only a split shows that a small table, or one of few large groups, has too few rows.
        assert {drop.reason for drop in refused} <= {Reason.TOO_SMALL}, refused
        counts["sources"] += bool(planned)
        counts["tabular"] += sum(p.problem != "forecasting" for p in planned)
        counts["forecasting"] += sum(p.problem == "forecasting" for p in planned)
        counts["known covariates"] += sum(bool(p.known_covariates) for p in planned)
    wanted = {"sources": 26, "tabular": 45, "forecasting": 14, "known covariates": 3}
    assert all(counts[what] >= least for what, least in wanted.items()), counts

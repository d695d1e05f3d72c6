"""Nothing infeasible becomes a plan, whoever proposes it, and what is feasible goes on."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop
from extract.store import Store
from transform.plan import Plan
from transform.plan_tasks import plan_tasks
from transform.profile.measure import profile
from transform.profile.profile import Profile
from transform.proposal import Feature, Proposal, TimeAxis
from transform.rows.split import Splitting

MakeRaw = Callable[..., RawDataset]
Known = tuple[RawDataset, Profile]
N = 700
RNG = np.random.default_rng(21)
NUMBER = {name: Feature(name=name, type="number") for name in ("a", "b", "price", "euros", "code")}


def people() -> pl.DataFrame:
    a, b = RNG.normal(size=N).round(4), RNG.normal(size=N).round(4)
    price = (a + b + RNG.normal(scale=0.7, size=N)).round(4)
    return pl.DataFrame(
        {
            "a": a,
            "b": b,
            "price": price,
            "euros": price * 0.9 + 3,
            "town": RNG.integers(0, 40, N),
            "kind": np.where(a + RNG.normal(scale=0.5, size=N) > 0, "x", "y"),
            "constant": [1] * N,
            "remark": [f"the {i}th of many remarks that people made" for i in range(N)],
            "mail": [f"a{i}@example.org" for i in range(N)],
            "row": [f"R-{i}" for i in range(N)],
            "when": [f"some day {i}" for i in range(N)],
        }
    )


def sales() -> pl.DataFrame:
    days = np.arange(N)
    promo = RNG.integers(0, 2, N)
    sold = 20 + 5 * np.sin(2 * np.pi * days / 7) + 6 * promo + RNG.normal(scale=3, size=N)
    frame = pl.DataFrame({"day": [date(2021, 1, 1) + timedelta(days=int(d)) for d in days]})
    frame = frame.with_columns(
        promo=pl.Series(promo),
        rain=pl.Series(RNG.normal(size=N)),
        sold=pl.Series(sold.round(3)),
        ticket=pl.Series([f"T-{d}" for d in days]),
    )
    return frame


@pytest.fixture(scope="module")
def known(make_module_raw: MakeRaw) -> Known:
    frame = people()
    raw = make_module_raw("Prices", people=frame, sales=sales(), part=frame.head(250))
    return raw, profile(raw)


def asked(**fields: Any) -> Proposal:
    """A sound regression unless the fields say otherwise."""
    sound: dict[str, Any] = {
        "dataset": DatasetRef(owner="owner", slug="slug"),
        "table": "people",
        "problem": "regression",
        "targets": ("price",),
        "features": (NUMBER["a"], NUMBER["b"]),
        "reasons": ("it came to mind",),
        "proposer": "fool-1",
    }
    return Proposal(**sound | fields)


def forecast(**fields: Any) -> Proposal:
    """A sound forecast unless the fields say otherwise."""
    sound: dict[str, Any] = {
        "table": "sales",
        "problem": "forecasting",
        "targets": ("sold",),
        "features": (Feature(name="promo", type="number"), Feature(name="rain", type="number")),
        "time": TimeAxis(column="day", frequency="1d", resample=False),
        "known_covariates": ("promo",),
    }
    return asked(**sound | fields)


def planned(known: Known, folder: Path, *proposals: Proposal) -> tuple[list[Plan], list[Drop]]:
    results = plan_tasks(*known, proposals, Splitting(), Store(str(folder)))
    plans = [result for result in results if isinstance(result, Plan)]
    return plans, [result for result in results if isinstance(result, Drop)]


def feature(name: str, kind: str = "number") -> Feature:
    return Feature.model_validate({"name": name, "type": kind})


FOOLISH: dict[str, tuple[Proposal, str]] = {
    "another dataset": (asked(dataset=DatasetRef(owner="x", slug="y")), "no such table"),
    "unknown table": (asked(table="nowhere"), "no such table"),
    "table of the same rows": (asked(table="part"), "same rows"),
    "unknown target": (asked(targets=("prize",)), "no column 'prize'"),
    "unknown feature": (asked(features=(NUMBER["a"], NUMBER["code"])), "no column 'code'"),
    "unknown split column": (asked(split_column="day"), "no column 'day'"),
    "unknown group": (asked(group_column="family"), "no column 'family'"),
    "no feature": (asked(features=()), "no feature"),
    "target among features": (asked(features=(NUMBER["a"], NUMBER["price"])), "twice"),
    "feature twice": (asked(features=(NUMBER["a"], NUMBER["a"])), "twice"),
    "copied target": (asked(features=(NUMBER["a"], NUMBER["euros"])), "gives `price` away"),
    "constant target": (asked(targets=("constant",)), "constant"),
    "constant class": (asked(problem="classification", targets=("constant",)), "constant"),
    "text target": (asked(targets=("remark",)), "text"),
    "classes as numbers": (asked(targets=("kind",)), "no target of a regression"),
    "numbers as classes": (asked(problem="classification"), "no target of a classification"),
    "personal feature": (asked(features=(NUMBER["a"], feature("mail", "category"))), "personal"),
    "wrong type": (asked(features=(NUMBER["a"], feature("kind"))), "called a number"),
    "time that does not parse": (asked(split_column="when"), "holds no instants"),
    "group as a feature": (asked(group_column="a"), "no task ships"),
    "known covariate of a row": (asked(known_covariates=("a",)), "neither time axis"),
    "groups of one row": (asked(group_column="row"), "every row"),
    "forecast without axis": (forecast(time=None), "not found to be series"),
    "another grid": (
        forecast(time=TimeAxis(column="day", frequency="1h", resample=True)),
        "not found to be series",
    ),
    "entity with one row each": (forecast(entities=("ticket",)), "not found to be series"),
    "time axis of text": (
        forecast(time=TimeAxis(column="ticket", frequency="1d", resample=False)),
        "not found to be series",
    ),
    "nothing to forecast": (
        forecast(targets=("promo",), features=(), known_covariates=()),
        "nothing to forecast",
    ),
    "weather as a plan": (forecast(known_covariates=("promo", "rain")), "known in advance"),
    "covariate that is not shipped": (forecast(features=()), "known in advance"),
    "aggregated as it is": (forecast(aggregations=(("sold", "mean"),)), "aggregations"),
    "covariate twice": (forecast(known_covariates=("promo", "promo")), "twice"),
    "aggregation twice": (forecast(aggregations=(("sold", "sum"), ("sold", "mean"))), "twice"),
    "no horizon": (forecast(horizon=0), "horizon of 0"),
    "negative horizon": (forecast(horizon=-3), "horizon of -3"),
    "instants as a feature": (
        forecast(features=(feature("day", "time"), feature("promo"))),
        "time axis and a feature",
    ),
}


@pytest.mark.parametrize(("proposal", "why"), FOOLISH.values(), ids=FOOLISH)
def test_a_foolish_proposal_is_refused_and_the_sound_ones_go_on(
    known: Known, tmp_path: Path, proposal: Proposal, why: str
) -> None:
    sound = asked(targets=("kind",), problem="classification", features=(NUMBER["b"], NUMBER["a"]))
    plans, drops = planned(known, tmp_path, proposal, sound, forecast(horizon=24))
    (drop,) = drops
    assert (drop.reason, drop.room, drop.source) == (
        "infeasible", "transform", proposal.dataset.key
    )  # fmt: skip
    assert why in drop.detail
    assert {plan.proposal.targets for plan in plans} == {("kind",), ("sold",)}
    assert proposal not in {plan.proposal for plan in plans}


def test_columns_that_were_not_compared_are_no_features(known: Known, tmp_path: Path) -> None:
    raw, measured = known
    people, *others = measured.tables
    assert people.findings is not None
    findings = people.findings.model_copy(update={"compared": ("price", "b")})
    fewer = people.model_copy(update={"findings": findings})
    narrow = measured.model_copy(update={"tables": (fewer, *others)})
    _, (drop,) = planned((raw, narrow), tmp_path, asked())
    assert "`a` was not compared" in drop.detail


@pytest.mark.parametrize("field", ["split_column", "group_column"])
def test_a_split_that_was_found_is_not_left_out(known: Known, tmp_path: Path, field: str) -> None:
    raw, measured = known
    people, *others = measured.tables
    assert people.findings is not None
    findings = people.findings.model_copy(update={field: "town"})
    found = measured.model_copy(
        update={"tables": (people.model_copy(update={"findings": findings}), *others)}
    )
    _, (drop,) = planned((raw, found), tmp_path, asked())
    assert "`town`" in drop.detail
    assert "split by" in drop.detail
    plans, _ = planned((raw, found), tmp_path, asked(**{field: "town"}))
    assert len(plans) == 2


def test_sound_proposals_become_plans(known: Known, tmp_path: Path) -> None:
    plans, drops = planned(known, tmp_path, asked(), forecast())
    assert drops == []
    assert [plan.variant for plan in plans] == ["reg-mm", "reg-if", "ts-xf", "ts-cf", "ts-if"]


def test_features_come_in_table_order(known: Known, tmp_path: Path) -> None:
    plans, _ = planned(known, tmp_path, asked(features=(NUMBER["b"], NUMBER["a"])))
    assert [feature.name for feature in plans[0].proposal.features] == ["a", "b"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (asked(reasons=("again",)), "before"),
        (asked(targets=("a",), features=(NUMBER["b"], NUMBER["price"])), "`price` tell price"),
        (asked(targets=("a",), features=(NUMBER["b"], NUMBER["euros"])), "`euros` tell price"),
        (asked(targets=("kind",), problem="classification", group_column="town"), "group column"),
    ],
    ids=["the same", "ships the target", "ships a copy of the target", "another split"],
)
def test_of_two_that_exclude_each_other_the_first_stays(
    known: Known, tmp_path: Path, second: Proposal, why: str
) -> None:
    plans, (drop,) = planned(known, tmp_path, asked(), second)
    assert {plan.proposal for plan in plans} == {asked()}
    assert drop.reason == "infeasible"
    assert why in drop.detail


def test_what_the_split_leaves_too_small_is_refused_alone(known: Known, tmp_path: Path) -> None:
    splitting = Splitting()
    size = splitting.size.model_copy(update={"min_class_rows": 200})
    rare = asked(targets=("kind",), problem="classification")
    results = plan_tasks(
        *known, (asked(), rare), splitting.model_copy(update={"size": size}), Store(str(tmp_path))
    )
    (drop,) = (result for result in results if isinstance(result, Drop))
    assert drop.reason == "too_small"
    assert "kind" in drop.detail
    assert any(isinstance(result, Plan) for result in results)

"""Clean invented tables, the tasks they make, and faults to plant into them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from extract.dataset import DatasetRef, Licence, RawDataset
from extract.store import Store
from transform.families.forecasting import ForecastingConfig, draft_forecast
from transform.families.modelling import ModellingConfig, draft_modelling
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Plan
from transform.proposal import Feature, Proposal, TimeAxis
from transform.rows.size import SizeConfig
from transform.rows.split import Split, split_rows
from transform.task import Variant

REF = DatasetRef(owner="o", slug="s")
RAW = RawDataset(
    ref=REF,
    title="T",
    subtitle="",
    description="",
    tags=(),
    creator="c",
    url="https://example.org",
    updated_at=None,
    licence=Licence(spdx="CC0-1.0", tier="open", evidence=()),
    tables=(),
    skipped=(),
    sha256="0" * 64,
)
_TYPES = {pl.String: "category", pl.Datetime: "time", pl.Date: "time"}


def homes(seed: int, n: int = 1_500) -> pl.DataFrame:
    """Flats with a rent: skew, categories, gaps, whole numbers, noise; and whether it was let."""
    rng = np.random.default_rng([seed, 1])
    area = rng.lognormal(4, 0.5, n).round(1)
    rooms = rng.integers(1, 7, n)
    town = rng.choice(["Ulm", "Hof, Saale", "Jena", "Bad Tölz"], n, p=[0.5, 0.3, 0.15, 0.05])
    rates = {"Ulm": 9.0, "Hof, Saale": 6.0, "Jena": 8.0, "Bad Tölz": 12.0}
    rate = np.array([rates[name] for name in town])
    rent = area * rate * rng.lognormal(0, 0.25, n) + 30 * rooms + 100
    views = rng.poisson(np.exp(4 - rent / 800))
    odds = 0.25 * views - 7 + 0.002 * area + (town == "Ulm") + rng.logistic(0, 1, n)
    frame = pl.DataFrame(
        {
            "area": area,
            "rooms": rooms,
            "town": town,
            "views": views,
            "income": rng.integers(20_000, 90_000, n),
            "built": rng.normal(1975, 20, n).round(),
            "deposit": np.where(rng.random(n) < 0.6, 0, rng.gamma(2, 300, n)).round(2),
            "score": rng.uniform(0, 1, n),
            "rent": rent.round(2),
            "let": np.where(odds > 0, "yes", "no"),
        }
    )
    gaps = {name: rng.random(n) < share for name, share in (("built", 0.1), ("town", 0.03))}
    return frame.with_columns(
        frame[name].scatter(np.flatnonzero(rows), None) for name, rows in gaps.items()
    )


def shops(seed: int, n: int = 500) -> pl.DataFrame:
    """Daily sales of three shops: level, week, trend, a promotion, noise with a heavy tail."""
    rng = np.random.default_rng([seed, 2])
    frames = []
    for place, shop in enumerate(("north", "south", "west")):
        promo = (rng.random(n) < 0.3).astype(int)
        week = np.array([4, 0, 1, 3, 6, 20, 15])[np.arange(n) % 7]
        level = 100 + 40 * place + 0.05 * np.arange(n) + np.cumsum(rng.normal(0, 0.5, n))
        sales = level + week + 12 * promo + 4 * rng.standard_t(4, n)
        frames.append(
            pl.DataFrame(
                {
                    "day": [datetime(2021, 1, 1) + timedelta(days=i) for i in range(n)],
                    "shop": [shop] * n,
                    "promo": promo,
                    "price": np.repeat(rng.gamma(9, 2, n // 20 + 1), 20)[:n].round(2),
                    "rain": np.where(rng.random(n) < 0.6, 0, rng.gamma(2, 4, n)).round(1),
                    "visits": (3 * sales + rng.normal(0, 25, n)).round(),
                    "sales": sales.round(2),
                }
            )
        )
    return pl.concat(frames)


@dataclass(frozen=True)
class Drawn:
    """A plan with all that drafts it."""

    frame: pl.DataFrame
    plan: Plan
    split: Split
    folder: Path

    def task(self, plan: Plan | None = None) -> TaskFolder:
        """The task of the plan, or of a repaired one."""
        draft, size = draft_modelling, SizeConfig()
        how = (self.split, ModellingConfig(), size, self.folder)
        if self.plan.proposal.problem == "forecasting":
            made = draft_forecast(
                RAW,
                self.frame,
                plan or self.plan,
                self.split,
                ForecastingConfig(),
                size,
                self.folder,
            )
        else:
            made = draft(RAW, self.frame, plan or self.plan, *how)
        assert isinstance(made, Draft), made
        assert made.truth is not None
        return TaskFolder(spec=made.spec, folder=made.folder, truth=made.truth)


def tabular(frame: pl.DataFrame, target: str, folder: Path, without: tuple[str, ...] = ()) -> Drawn:
    """Everything but the target is a feature."""
    problem = "regression" if frame[target].dtype.is_numeric() else "classification"
    proposal = Proposal(
        dataset=REF,
        table="t",
        problem=problem,  # type: ignore[arg-type]
        targets=(target,),
        features=_features(frame, (target, *without)),
        reasons=(),
        proposer="test-1",
    )
    return _drawn(frame, proposal, "reg-mm" if problem == "regression" else "class-mm", folder)


def forecast(frame: pl.DataFrame, ahead: tuple[str, ...], folder: Path) -> Drawn:
    """Sales by day and shop; with `ahead` the variant with covariates."""
    proposal = Proposal(
        dataset=REF,
        table="t",
        problem="forecasting",
        targets=("sales",),
        features=_features(frame, ("sales", "day", "shop")),
        time=TimeAxis(column="day", frequency="1d", resample=False),
        entities=("shop",),
        known_covariates=ahead,
        reasons=(),
        proposer="test-1",
    )
    return _drawn(frame, proposal, "ts-xf" if ahead else "ts-cf", folder)


def _features(frame: pl.DataFrame, others: tuple[str, ...]) -> tuple[Feature, ...]:
    return tuple(
        Feature(name=column.name, type=_TYPES.get(type(column.dtype), "number"))  # type: ignore[arg-type]
        for column in frame
        if column.name not in others
    )


def _drawn(frame: pl.DataFrame, proposal: Proposal, variant: Variant, folder: Path) -> Drawn:
    split = split_rows(frame, [proposal])
    assert isinstance(split, Split), split
    plan = Plan(
        task_id=f"o__s__v1__{variant}-0",
        variant=variant,
        proposal=proposal,
        split=split.write(Store(str(folder / "store")).opened()),
    )
    return Drawn(frame, plan, split, folder)

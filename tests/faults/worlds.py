"""Invented clean sources into which faults are planted.

Each world imitates what real tables are like where checks look: wide, skewed, heavy-tailed, with
missing cells, categories of very unequal size, columns that tell nothing, and a target with several
causes and noise. A name decides every cell, so a world is the same in every run. `Source` writes
one as a dataset in Kaggle's layout. Not imitated: how real files are broken; reading has tests of
its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.seed import derive_seed

Floats = npt.NDArray[np.float64]

DISTRICTS = (
    "Altstadt",
    "Nord, Hafen",
    "Süd",
    "West",
    'Am "Turm"',
    "Lehe",
    "Horn",
    "Vegesack",
    "Au",
)
WARDS = ("cardiology", "surgery", "geriatrics", "general", "oncology", "eye", "ent")


@dataclass(frozen=True)
class Source:
    """One dataset as it lies at its source."""

    key: str
    """`owner/slug`."""
    tables: Mapping[str, pl.DataFrame]
    """By file name; null is an empty cell."""
    title: str = "Records of a public office"
    description: str = "Collected by the office for its yearly report."
    updated: str = "2024-03-01T00:00:00Z"
    info: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the metadata; the licence is CC0 unless they name another."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the list record."""

    def write(self, root: Path) -> Path:
        """Write `<root>/<owner>/<slug>/`."""
        folder = root / self.key
        folder.mkdir(parents=True)
        info = {
            "id": self.key,
            "title": self.title,
            "description": self.description,
            "licenses": [{"name": "CC0-1.0"}],
            **self.info,
        }
        (folder / "dataset-metadata.json").write_text(json.dumps(info), encoding="utf-8")
        record = {"currentVersionNumber": 1, "lastUpdated": self.updated, **self.record}
        (folder / "list-record.json").write_text(json.dumps(record), encoding="utf-8")
        for name, table in self.tables.items():
            table.write_csv(folder / name)
        return folder


def chance(name: str) -> np.random.Generator:
    """Random numbers that the name alone decides."""
    return np.random.default_rng(derive_seed("faults", name))


def emptied(table: pl.DataFrame, shares: Mapping[str, float], name: str) -> pl.DataFrame:
    """The table with these shares of the cells of some columns missing at random."""
    rng = chance(f"{name} missing")
    gone = {column: pl.Series(rng.random(table.height) < share) for column, share in shares.items()}
    return table.with_columns(
        pl.when(where).then(None).otherwise(pl.col(column)).alias(column)
        for column, where in gone.items()
    )


def picked(rng: np.random.Generator, values: tuple[str, ...], n: int) -> npt.NDArray[np.str_]:
    """Values of which the first is commonest: shares fall as one over the rank."""
    weights = 1 / np.arange(1, len(values) + 1)
    return rng.choice(np.array(values), n, p=weights / weights.sum())


def clinic(name: str = "clinic", n: int = 700) -> pl.DataFrame:
    """Patients, one a row; `readmitted` is yes or no and half explained by what stands beside."""
    rng = chance(name)
    age = np.clip(rng.normal(61, 17, n), 18, 99).round()
    glucose = rng.lognormal(4.7, 0.25, n).round(1)
    stay = rng.geometric(0.18, n)
    drugs = rng.poisson(6, n)
    ward, insurance = picked(rng, WARDS, n), picked(rng, ("public", "private", "none"), n)
    leaning = (
        0.07 * (age - 61)
        + 0.045 * (glucose - 112)
        + 0.25 * (stay - 5.5)
        + 1.6 * np.isin(ward, ("cardiology", "geriatrics"))
        - 1.2 * (insurance == "private")
        + rng.logistic(0, 0.8, n)
    )
    table = pl.DataFrame(
        {
            "age": age.astype(int),
            "bmi": rng.normal(27, 5, n).round(1),
            "glucose": glucose,
            "stay_days": stay,
            "n_drugs": drugs,
            "distance_km": rng.exponential(14, n).round(1),
            "daily_cost": (80 * (1 + rng.pareto(2.5, n))).round(2),
            "heart_rate": rng.normal(78, 12, n).round().astype(int),
            "ward": ward,
            "insurance": insurance,
            "admitted_by": picked(rng, ("doctor", "ambulance", "self", "transfer"), n),
            "smoker": rng.random(n) < 0.22,
            "bed_area": rng.normal(11, 2, n).round(2),
            "visitors": rng.poisson(3, n),
            "readmitted": np.where(leaning > 0.8, "yes", "no"),
        }
    )
    return emptied(table, {"bmi": 0.06, "admitted_by": 0.04, "distance_km": 0.03}, name)


def homes(name: str = "homes", n: int = 700) -> pl.DataFrame:
    """Sold homes; `price_eur` is skewed and explained to about three quarters."""
    rng = chance(name)
    area = rng.lognormal(4.5, 0.4, n).round(1)
    year = (2020 - rng.exponential(35, n)).round().astype(int)
    distance = rng.exponential(5, n).round(2)
    district, energy = picked(rng, DISTRICTS, n), picked(rng, tuple("DCEBFAG"), n)
    place = np.array([DISTRICTS.index(d) for d in district])
    level = (
        11.6
        + 0.75 * np.log(area / 90)
        + 0.004 * (year - 1985)
        - 0.03 * distance
        + 0.05 * (4 - place)
        + rng.normal(0, 0.17, n)
    )
    table = pl.DataFrame(
        {
            "area_sqm": area,
            "rooms": np.clip((area / 28 + rng.normal(0, 0.8, n)).round(), 1, 12).astype(int),
            "built": year,
            "distance_km": distance,
            "district": district,
            "energy_class": energy,
            "condition": picked(rng, ("used", "renovated", "new", "poor"), n),
            "heating": picked(rng, ("gas", "district", "oil", "pump"), n),
            "parking": rng.poisson(0.8, n),
            "lot_sqm": (120 * (1 + rng.pareto(1.8, n))).round(),
            "floor": rng.integers(0, 9, n),
            "elevator": rng.random(n) < 0.3,
            "fee_monthly": rng.gamma(3, 60, n).round(2),
            "noise_db": rng.normal(55, 7, n).round(1),
            "price_eur": (np.exp(level) / 100).round() * 100,
        }
    )
    return emptied(table, {"lot_sqm": 0.2, "energy_class": 0.05, "fee_monthly": 0.04}, name)


def shops(name: str = "shops", days: int = 480) -> pl.DataFrame:
    """Daily sales of three shops; promotions are planned, visitors are counted.

    Last week is a poor forecast: days differ by chance, and promotions move.
    """
    rng = chance(name)
    parts = []
    for shop, level in (("centre", 150.0), ("station", 125.0), ("outlet", 105.0)):
        t = np.arange(days)
        promo = (rng.random(days) < 0.25).astype(int)
        week = np.array([0.0, -0.05, -0.04, 0.02, 0.12, 0.3, -0.35])[t % 7]
        shape = 1 + week + 0.35 * promo + 0.0003 * t + 0.06 * np.sin(t * 2 * np.pi / 365)
        sales = level * shape + rng.normal(0, 0.16 * level, days)
        visitors = sales * rng.lognormal(0.7, 0.25, days)
        parts.append(
            pl.DataFrame(
                {
                    "day": [date(2021, 3, 1) + timedelta(days=int(i)) for i in t],
                    "shop": [shop] * days,
                    "promo": promo,
                    "visitors": visitors.round().astype(int),
                    "staff": np.clip(rng.poisson(level / 40, days), 1, None),
                    "sales": sales.round().astype(int),
                }
            )
        )
    return emptied(pl.concat(parts).sort("day", "shop"), {"visitors": 0.02}, name)


def walks(name: str = "walks", days: int = 600) -> pl.DataFrame:
    """A random walk by day beside columns that tell nothing of its future."""
    rng = chance(name)
    level = 500 + np.cumsum(rng.standard_t(4, days))
    return pl.DataFrame(
        {
            "day": [date(2019, 1, 1) + timedelta(days=i) for i in range(days)],
            "level": level.round(3),
            "pressure": rng.normal(1013, 8, days).round(1),
        }
    )


def river(name: str = "river", days: int = 600) -> pl.DataFrame:
    """The level of a river by day: a week's rhythm of the weir under two days' weather."""
    rng = chance(name)
    weather = np.zeros(days)
    for i in range(1, days):
        weather[i] = 0.3 * weather[i - 1] + rng.normal(0, 6)
    week = np.array([0, 3, 5, 4, 1, -6, -7])[np.arange(days) % 7]
    return pl.DataFrame(
        {
            "day": [date(2019, 1, 1) + timedelta(days=i) for i in range(days)],
            "level": (180 + 2.0 * week + weather).round(2),
            "pressure": rng.normal(1013, 8, days).round(1),
        }
    )


def readings(name: str = "readings", days: int = 330) -> pl.DataFrame:
    """Deliveries at uneven instants, several a day: amounts that add up to a daily series."""
    rng = chance(name)
    rows: list[tuple[datetime, float, str]] = []
    for i in range(days):
        start = datetime(2022, 1, 1) + timedelta(days=i)
        busy = (5, 6, 6, 7, 9, 12, 3)[i % 7]
        minutes = np.sort(rng.choice(24 * 60, max(2, rng.poisson(busy)), replace=False))
        for minute in minutes.tolist():
            amount = round(float(rng.gamma(4, 5)), 2)
            rows.append((start + timedelta(minutes=minute), amount, str(rng.choice(["a", "b"]))))
    return pl.DataFrame(rows, schema=["at", "amount", "gate"], orient="row")


def families(name: str = "families", n: int = 160) -> pl.DataFrame:
    """Households visited six times each: what is true of the house repeats in each visit."""
    rng = chance(name)
    visits = 6
    size, wealth = rng.integers(1, 8, n), rng.lognormal(3, 0.5, n).round(1)
    street = picked(rng, DISTRICTS, n)
    rows = np.repeat(np.arange(n), visits)
    age = rng.integers(1, 95, n * visits)
    leaning = 0.5 * (size - 4)[rows] + 0.05 * (wealth[rows] - 22) + 0.03 * (age - 45)
    ill = leaning + rng.logistic(0, 0.7, len(rows)) > 0
    order = rng.permutation(len(rows))
    table = pl.DataFrame(
        {
            "household": np.array([f"H{7000 + 13 * i}" for i in range(n)])[rows],
            "members": size[rows],
            "wealth": wealth[rows],
            "street": street[rows],
            "age": age,
            "weight": rng.normal(64, 15, len(rows)).round(1),
            "steps": rng.gamma(2, 3000, len(rows)).round(),
            "ill": np.where(ill, "ill", "well"),
        }
    )
    return emptied(table[order], {"weight": 0.05}, name)

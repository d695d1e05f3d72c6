"""A mirror of invented datasets: built in seconds, and wide enough for every variant.

Enters an empty folder; leaves `<owner>/<slug>/` in Kaggle's layout, the same bytes every time. The
columns imitate real tables where the code looks at them: skewed numbers, few categories, missing
cells, targets that can be learnt but not copied. It says nothing about how real files misbehave.
"""

import csv
import json
import math
import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

GOOD = (
    "ann/churn",
    "ann/rents",
    "bob/shops",
    "bob/wards",
    "cyd/alike-one",
    "cyd/alike-two",
)
"""Datasets of which each yields a task."""
BAD = {
    "bad/empty": "no_table",
    "bad/forbidden": "licence_refused",
    "bad/garbage": "no_table",
    "bad/metadata": "bad_metadata",
    "bad/nobody-knows": "licence_unknown",
    "bad/prose": "no_proposal",
}
"""Datasets that end as a drop, with the reason."""

_TOWNS = ("Ulm, Donau", 'Bad "Tölz"', "Hof", "Jena")
_PLANS = ("basic", "plus", "family")


def write_small_mirror(root: Path) -> Path:
    """Write all datasets below `root` and return it."""
    _dataset(root, "ann/churn", "2021-03-01", {"customers.csv": _customers("churn", 600)})
    _dataset(root, "ann/rents", "2022-05-01", {"rents.csv": _rents("rents", 600)})
    _dataset(root, "bob/shops", "2024-02-01", {"sales.csv": _sales()})
    tables = {"patients.csv": _customers("wards", 520), "bills.csv": _rents("bills", 520)}
    _dataset(root, "bob/wards", "2020-07-01", tables)
    for year, slug in ((2022, "one"), (2023, "two")):
        rows = _rents(f"alike {slug}", 520)
        _dataset(root, f"cyd/alike-{slug}", f"{year}-01-01", {"flats.csv": rows}, "CC-BY-SA-4.0")
    _write_bad(root)
    return root


def _write_bad(root: Path) -> None:
    _dataset(root, "bad/empty", "2020-01-01", {"nothing.csv": []})
    _dataset(root, "bad/forbidden", "2020-01-01", {"a.csv": _rents("x", 300)}, "CC-BY-NC-4.0")
    _dataset(root, "bad/nobody-knows", "2020-01-01", {"a.csv": _rents("y", 300)}, "see the paper")
    words = random.Random("prose")
    texts = [[_sentence(words), _sentence(words)] for _ in range(300)]
    _dataset(root, "bad/prose", "2020-01-01", {"texts.csv": [["question", "answer"], *texts]})
    garbage = _dataset(root, "bad/garbage", "2020-01-01", {})
    (garbage / "table.xlsx").write_bytes(random.Random("garbage").randbytes(5_000))
    torn = _dataset(root, "bad/metadata", "2020-01-01", {"a.csv": _rents("z", 300)})
    (torn / "dataset-metadata.json").write_text('{"title": "half a')


def _dataset(
    root: Path,
    key: str,
    updated: str,
    tables: dict[str, list[list[object]]],
    licence: str = "CC0-1.0",
) -> Path:
    folder = root / key
    folder.mkdir(parents=True)
    info = {"id": key, "title": f"The {key} table", "licenses": [{"name": licence}]}
    (folder / "dataset-metadata.json").write_text(json.dumps(info))
    record = {"currentVersionNumber": 2, "lastUpdated": f"{updated}T00:00:00Z"}
    (folder / "list-record.json").write_text(json.dumps(record))
    for name, rows in tables.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    return folder


def _customers(seed: str, n: int) -> list[list[object]]:
    """A binary label that numbers and a category explain in part."""
    rng = random.Random(seed)
    rows: list[list[object]] = [
        ["age", "income", "visits", "balance", "town", "plan", "joined", "left_us"]
    ]
    for _ in range(n):
        age, income = rng.randint(18, 80), round(rng.lognormvariate(10, 0.6), 2)
        visits, balance = rng.randint(0, 40), round(rng.gauss(0, 300), 2)
        town, plan = rng.choice(_TOWNS), rng.choices(_PLANS, (5, 3, 2))[0]
        joined = date(2015, 1, 1) + timedelta(days=rng.randrange(2500))
        leaning = 0.05 * (age - 45) - 0.1 * (visits - 18) + (2 if plan == "basic" else -1)
        left = "yes" if rng.random() < 1 / (1 + math.exp(-leaning)) else "no"
        rows.append([age, income, visits, balance, town, plan, joined.isoformat(), left])
    return _with_gaps(rows, rng, (2, 4, 5))


def _rents(seed: str, n: int) -> list[list[object]]:
    """A price with several causes and noise; the day is a feature, not an axis."""
    rng = random.Random(seed)
    rows: list[list[object]] = [
        ["area", "rooms", "floor", "distance_km", "town", "listed", "age_years", "rent"]
    ]
    for _ in range(n):
        area, rooms = round(rng.lognormvariate(4, 0.4), 1), rng.randint(1, 6)
        floor, distance = rng.randint(0, 12), round(rng.expovariate(0.2), 2)
        town, age = rng.choice(_TOWNS), rng.randint(0, 90)
        listed = date(2018, 1, 1) + timedelta(days=rng.randrange(1400))
        rent = 120 + 9 * area + 35 * rooms - 12 * distance - 2 * age + 90 * _TOWNS.index(town)
        noise = rng.gauss(0, 60)
        rows.append(
            [area, rooms, floor, distance, town, listed.isoformat(), age, round(rent + noise, 2)]
        )
    return _with_gaps(rows, rng, (1, 4, 5))


def _sales() -> list[list[object]]:
    """Daily sales of three shops with a weekly rhythm and a promotion that is known in advance."""
    rng = random.Random("sales")
    rows: list[list[object]] = [["day", "shop", "promo", "sales"]]
    for number in range(500):
        day = date(2022, 1, 1) + timedelta(days=number)
        for place, shop in enumerate(("north", "south", "west")):
            promo = int(rng.random() < 0.3)
            level = 100 + 8 * place + 0.05 * number + 25 * math.sin(number * 2 * math.pi / 7)
            rows.append([day.isoformat(), shop, promo, round(level + 40 * promo + rng.gauss(0, 6))])
    return rows


def _with_gaps(
    rows: list[list[object]], rng: random.Random, columns: Sequence[int]
) -> list[list[object]]:
    """The rows with one cell in fifty empty in some columns."""
    return [rows[0], *([_gap(cell, i, rng, columns) for i, cell in enumerate(r)] for r in rows[1:])]


def _gap(cell: object, place: int, rng: random.Random, columns: Iterable[int]) -> object:
    return "" if place in columns and rng.random() < 0.02 else cell


def _sentence(rng: random.Random) -> str:
    length = rng.randint(15, 40)
    return " ".join("".join(rng.choices("aeinorst", k=rng.randint(2, 9))) for _ in range(length))

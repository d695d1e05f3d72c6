"""Faults in what a source says of itself: headers, years, licences, age and origin.

Columns or metadata of a clean world are changed; the checks of sources must say so. The clean
counterpart says something true that sounds alike.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl

from tests.faults.fault import Told
from tests.faults.worlds import Source, chance, clinic, homes, shops

_MISMATCH = ("source_mismatch", "refused_table")
_PLAIN = "Kept by the office."


def _source(key: str, table: pl.DataFrame, **fields: Any) -> Source:
    return Source(f"words/{key.replace(' ', '-')}", {"table.csv": table}, **fields)


def _sales() -> pl.DataFrame:
    """Sales under names that promise something."""
    names = {"day": "date", "shop": "city", "staff": "employees", "sales": "amount"}
    return shops().rename(names)


def _people() -> pl.DataFrame:
    rng = chance("people")
    return clinic().select(
        "age",
        pl.Series("salary", rng.lognormal(10.4, 0.4, 700).round(0)),
        "ward",
        "insurance",
        "heart_rate",
        "readmitted",
    )


def _swapped(table: pl.DataFrame, one: str, other: str) -> pl.DataFrame:
    return table.rename({one: other, other: one})


def _shifted(table: pl.DataFrame) -> pl.DataFrame:
    names = table.columns
    return table.rename(dict(zip(names, [names[-1], *names[:-1]], strict=True)))


def _limits() -> pl.DataFrame:
    low = pl.Series("temp_min", chance("limits").normal(9, 5, 700).round(1))
    spread = pl.Series(chance("spread").gamma(4, 2, 700))
    return homes().with_columns(low, (low + spread).round(1).alias("temp_max"))


def headers() -> Iterator[Told]:
    """Names above the wrong columns."""
    for name, planted, bad, good in (
        ("swapped headers", "the names of the date and of the city changed places",
         _swapped(_sales(), "date", "city"), _sales()),
        ("swapped numbers", "the names of the age and of the salary changed places",
         _swapped(_people(), "age", "salary"), _people()),
        ("swapped limits", "the names of the least and the highest value changed places",
         _swapped(_limits(), "temp_min", "temp_max"), _limits()),
        ("shifted header", "all names stand one column too far to the right",
         _shifted(_sales()), _sales()),
    ):  # fmt: skip
        yield Told(name, planted, _MISMATCH, _source(name, bad), _source(f"{name} twin", good))


def descriptions() -> Iterator[Told]:
    """Words that belong to other data, or say too much."""
    texts: tuple[tuple[str, str, tuple[str, ...], str, str], ...] = (
        ("description of other years", "the text tells of 1985 to 1991, the data of 2021 and 2022",
         _MISMATCH, "Daily sales of all shops from 1985 to 1991.",
         "Daily sales of all shops from 2021 to 2022. The first shop opened in 1985."),
        ("wrong file of several", "the text tells of a file and of rows that are not there",
         _MISMATCH, "The file temperatures.csv holds 48,000 rows, one an hour.",
         "The file table.csv holds 1,440 rows, one a day and shop."),
        ("artificial by its own words", "the text says that the data was generated",
         ("artificial",), "This synthetic dataset was generated with Python for practice.",
         "Sales of synthetic rubber and of fabrics; no simulated data is in the table."),
        ("creator objects", "the text forbids use for training", ("creator_objects",),
         "This dataset may not be used to train AI models.",
         "This dataset may be used to train models of demand."),
    )  # fmt: skip
    for name, planted, expected, bad, good in texts:
        control = _source(f"{name} twin", _sales(), description=good)
        yield Told(name, planted, expected, _source(name, _sales(), description=bad), control)


def records() -> Iterator[Told]:
    """Records of the source that cannot be true."""
    clean = _source("records twin", _sales(), record={"licenseName": "CC0: Public Domain"})
    old = _sales().with_columns(pl.col("date").dt.offset_by("-36y"))
    yield Told(
        "update in the year 9999",
        "the last update lies eight thousand years ahead",
        ("no_update",),
        replace(clean, key="words/year-9999", updated="9999-12-31T00:00:00Z"),
        clean,
    )
    yield Told(
        "old data updated lately",
        "data of 1985 was touched last year",
        ("old",),
        _source("old data", old, updated="2025-08-01T00:00:00Z"),
        clean,
    )
    for name, planted, licence, expected in (
        ("licence trick", "free in the metadata, not for commerce in the list",
         "CC BY-NC-SA 4.0", "licence_refused"),
        ("licence with a rider", "a public domain that is for research only",
         "CC0: Public Domain, research only", "licence_unknown"),
    ):  # fmt: skip
        bad = replace(clean, key=f"words/{name.replace(' ', '-')}", record={"licenseName": licence})
        yield Told(name, planted, (expected,), bad, clean)


def _iris() -> pl.DataFrame:
    """The irises in millimetres, under other names, shuffled."""
    import sklearn.datasets

    frame = sklearn.datasets.load_iris(as_frame=True).frame
    cells = {f"measure {i}": frame.iloc[:, i].to_list() for i in range(4)}
    table = pl.DataFrame(cells).select((pl.all() * 10).round(0).cast(pl.Int64))
    kinds = pl.Series("kind", [f"K{value}" for value in frame.iloc[:, 4].to_list()])
    return table.with_columns(kinds)[chance("iris").permutation(table.height)]


def _diabetes() -> pl.DataFrame:
    """Half of the diabetes patients, rounded."""
    import sklearn.datasets

    frame = sklearn.datasets.load_diabetes(as_frame=True).frame
    table = pl.DataFrame({f"v{i}": frame.iloc[:, i].to_list() for i in range(11)})
    return table.select(pl.all().round(4))[chance("diabetes").permutation(442)[:221]]


def _flowers() -> pl.DataFrame:
    """Other flowers: the same names and kinds, other measurements."""
    rng = chance("flowers")
    kind = rng.integers(0, 3, 150)
    cells = {f"measure {i}": (30 + 9 * kind + rng.normal(0, 6, 150)).round() for i in range(4)}
    return pl.DataFrame({**cells, "kind": [f"K{k}" for k in kind]})


def well_known() -> Iterator[Told]:
    """Tables that everybody has seen."""
    control = _source("well_known twin", _flowers())
    for name, planted, table in (
        ("well-known table", "the irises in millimetres under other names, shuffled", _iris()),
        ("half a well-known table", "half of the diabetes table, rounded", _diabetes()),
    ):
        yield Told(name, planted, ("well_known",), _source(name, table), control)


def planted() -> tuple[Told, ...]:
    """All of them."""
    return (*headers(), *descriptions(), *records(), *well_known())

from collections.abc import Callable
from datetime import date, datetime, timedelta

import polars as pl
import pytest

from extract.dataset import RawDataset
from transform.profile.columns import profile_columns
from transform.profile.dependence import codes_of, determination
from transform.profile.measure import profile
from transform.profile.profile import ColumnProfile, Profile, TableProfile

MakeRaw = Callable[..., RawDataset]

HOSTILE = [
    "Name",
    "name",
    'a"b',
    "'; DROP TABLE t; --",
    '"; SELECT 1; --',
    "🦆 col",
    "*",
    "^x.*$",
    "?",
    "a,b",
    "%s",
]


def measured(make_raw: MakeRaw, frame: pl.DataFrame) -> TableProfile:
    (table,) = make_raw(t=frame).tables
    return profile_columns(table, frame)


def of(make_raw: MakeRaw, name: str, values: list[object]) -> ColumnProfile:
    return measured(make_raw, pl.DataFrame({name: values}, strict=False)).column(name)


def test_counts_of_a_number(make_raw: MakeRaw) -> None:
    column = of(make_raw, "x", [3.0, 1.0, 3.0, None])
    assert (column.n_unique, column.missing_share, column.minimum, column.maximum) == (
        2,
        0.25,
        "1.0",
        "3.0",
    )
    assert [(item.value, item.count) for item in column.top] == [("3.0", 2), ("1.0", 1)]
    assert column.top_share == pytest.approx(2 / 3)
    assert column.integer_like
    assert not column.monotone


def test_text_is_measured(make_raw: MakeRaw) -> None:
    column = of(make_raw, "t", ["one two", "three"])
    assert (column.mean_length, column.mean_words) == (6.0, 1.5)


def test_an_empty_column_and_an_empty_table(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame({"x": pl.Series([None, None], dtype=pl.String)})
    empty = measured(make_raw, frame).column("x")
    assert (empty.n_unique, empty.missing_share, empty.minimum, empty.top) == (0, 1.0, None, ())
    assert empty.top_share == 1.0
    assert measured(make_raw, pl.DataFrame({"x": pl.Series([], dtype=pl.Int64)})).n_rows == 0


@pytest.mark.parametrize(
    ("values", "monotone"),
    [([1, 2, 9], True), ([9, 2, 1], True), ([1, 1, 2], False), ([1, 3, 2], False)],
)
def test_monotone_means_strictly(make_raw: MakeRaw, values: list[int], monotone: bool) -> None:
    assert of(make_raw, "x", list(values)).monotone is monotone


def test_times_may_be_monotone(make_raw: MakeRaw) -> None:
    assert of(make_raw, "d", [date(2020, 1, 1), date(2020, 1, 5)]).monotone
    assert of(make_raw, "t", [datetime(2020, 1, 1), datetime(2020, 1, 5)]).monotone


@pytest.mark.parametrize(
    ("pattern", "make"),
    [
        ("url", "https://example.org/{}"),
        ("email", "user{}@example.org"),
        ("uuid", "77ce5c72-eb45-4651-bcb1-c0677c0fce{:02d}"),
        ("hash", "a80d0063822e251249fd9a44730c4{:03d}"),
        ("ip", "192.168.0.{}"),
        ("card", "4111 1111 1111 1{:03d}"),
        ("phone", "+49 30 1234{:03d}"),
        (None, "plain {}"),
        (None, "{}"),
    ],
)
def test_patterns(make_raw: MakeRaw, pattern: str | None, make: str) -> None:
    assert of(make_raw, "x", [make.format(i) for i in range(60)]).pattern == pattern


def test_values_and_lists_are_bounded(make_raw: MakeRaw) -> None:
    column = of(make_raw, "x", [str(i) + "y" * 5_000 for i in range(100)])
    assert len(column.top) == 25
    assert {len(item.value) for item in column.top} == {80}
    assert len(column.maximum or "") == 80


def test_wide_tables_keep_fewer_values(make_raw: MakeRaw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transform.profile.columns._TOP_IN_TABLE", 300)
    frame = pl.DataFrame({f"c{k}": list(range(40)) for k in range(30)})
    profile = measured(make_raw, frame)
    assert {len(column.top) for column in profile.columns} == {10}


def test_dependencies_point_from_finer_to_coarser(make_raw: MakeRaw) -> None:
    town = [i % 20 for i in range(400)]
    frame = pl.DataFrame({"country": [t % 4 for t in town], "town": town, "noise": range(400)})
    dependencies = measured(make_raw, frame).dependencies
    pairs = {(one.determinant, one.dependent) for one in dependencies}
    assert pairs == {("town", "country")}


def test_determination_ignores_what_says_nothing() -> None:
    unique = codes_of(pl.Series(range(100)))
    flag = codes_of(pl.Series([i % 2 for i in range(100)]))
    constant = codes_of(pl.Series([1] * 100))
    assert determination(unique, flag) == 0.0
    assert determination(flag, constant) == 0.0
    assert determination(flag, flag) == 1.0
    assert determination(constant, flag) == 0.0


def test_hostile_names_are_only_names(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame({name: [i % (3 + k) for i in range(60)] for k, name in enumerate(HOSTILE)})
    profile = measured(make_raw, frame)
    assert [column.name for column in profile.columns] == HOSTILE
    assert [column.n_unique for column in profile.columns] == [3 + k for k in range(len(HOSTILE))]


def test_round_trip_and_determinism(make_raw: MakeRaw, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(i * 37 % 101, str(i % 7), date(2020, 1, 1) + timedelta(days=i)) for i in range(500)]
    raw = make_raw(t=pl.DataFrame(rows, schema=["a", "b", "c"], orient="row"))
    first = profile(raw)
    assert Profile.model_validate_json(first.model_dump_json()) == first
    monkeypatch.setattr("transform.profile.columns._THREADS", 1)
    assert profile(raw) == first

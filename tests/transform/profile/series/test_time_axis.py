from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.dataset import RawDataset
from transform.profile.columns import profile_columns
from transform.profile.profile import ColumnProfile, SeriesView
from transform.profile.series.time_axis import find_axes, time_columns, year_column
from transform.rows.size import SizeConfig

MakeRaw = Callable[..., RawDataset]
RNG = np.random.default_rng(3)


def columns(make_raw: MakeRaw, frame: pl.DataFrame) -> dict[str, ColumnProfile]:
    (table,) = make_raw(t=frame).tables
    return profile_columns(table, frame).by_name


def axes(make_raw: MakeRaw, frame: pl.DataFrame) -> tuple[SeriesView, ...] | str:
    return find_axes(frame, columns(make_raw, frame), SizeConfig())


def axis_of(make_raw: MakeRaw, frame: pl.DataFrame) -> SeriesView:
    result = axes(make_raw, frame)
    assert not isinstance(result, str), result
    return result[0]


def steps(start: datetime, step: str, n: int) -> list[datetime]:
    end = start + timedelta(days=n * 370)
    return pl.datetime_range(start, end, step, eager=True).head(n).to_list()


@pytest.mark.parametrize(
    ("step", "frequency"),
    [
        ("1m", "1min"),
        ("5m", "5min"),
        ("15m", "15min"),
        ("30m", "30min"),
        ("1h", "1h"),
        ("1d", "1d"),
        ("1w", "1w"),
        ("1mo", "1mo"),
        ("1q", "1q"),
    ],
)
def test_single_series(make_raw: MakeRaw, step: str, frequency: str) -> None:
    when = steps(datetime(1960, 1, 31) if step == "1d" else datetime(1960, 1, 1), step, 300)
    frame = pl.DataFrame({"t": when, "y": RNG.normal(size=300)}).sample(
        fraction=1, shuffle=True, seed=1
    )
    result = axis_of(make_raw, frame)
    assert (result.axis.frequency, result.axis.resample, result.entities) == (frequency, False, ())


def test_working_days_are_a_daily_grid(make_raw: MakeRaw) -> None:
    all_days = [date(2020, 1, 1) + timedelta(days=i) for i in range(600)]
    frame = pl.DataFrame({"d": [d for d in all_days if d.weekday() < 5]})
    frame = frame.with_columns(y=pl.Series(RNG.normal(size=frame.height)))
    result = axis_of(make_raw, frame)
    assert (result.axis.frequency, result.axis.resample) == ("1d", False)


def crossed(n: int, **entities: list[Any]) -> pl.DataFrame:
    frame = pl.DataFrame({"d": [date(2020, 1, 1) + timedelta(days=i) for i in range(n)]})
    for name, values in entities.items():
        frame = frame.join(pl.DataFrame({name: values}), how="cross")
    return frame.with_columns(
        y=pl.Series(RNG.normal(size=frame.height)),
        status=pl.Series([f"s{v}" for v in RNG.integers(0, 6, frame.height)]),
    )


def test_entities_are_the_fewest_that_name_the_rows(make_raw: MakeRaw) -> None:
    one = axis_of(make_raw, crossed(300, store=list(range(1, 6))))
    assert one.entities == ("store",)
    assert one.n_series == 5
    three = crossed(250, country=["a", "b"], sex=["f", "m"], age=["x", "y", "z"])
    assert set(axis_of(make_raw, three).entities) == {"country", "sex", "age"}
    coded = crossed(300, state=["AL", "AK", "AZ"]).with_columns(
        name=pl.col("state").replace_strict({"AL": "Alabama", "AK": "Alaska", "AZ": "Arizona"})
    )
    assert axis_of(make_raw, coded).entities == ("state",)


def test_a_count_is_no_entity(make_raw: MakeRaw) -> None:
    n = 400
    frame = pl.DataFrame(
        {
            "d": [date(2020, 1, 1) + timedelta(days=i) for i in range(n)],
            "n_states": [min(56, i // 5) for i in range(n)],
            "cases": RNG.normal(size=n),
        }
    )
    assert axis_of(make_raw, frame).entities == ()


def test_one_long_series_among_short_ones_is_no_set_of_series(make_raw: MakeRaw) -> None:
    long = pl.DataFrame(
        {"d": [date(2020, 1, 1) + timedelta(days=i) for i in range(400)], "who": ["a"] * 400}
    )
    short = pl.DataFrame(
        {"d": [date(2020, 1, 1) + timedelta(days=i % 30) for i in range(300)]}
    ).with_columns(who=pl.Series([f"b{i // 30}" for i in range(300)]))
    frame = pl.concat([long, short]).with_columns(y=pl.Series(RNG.normal(size=700)))
    result = axes(make_raw, frame)
    assert not isinstance(result, str), result
    assert all("who" not in axis.entities or axis.n_series >= 2 for axis in result)


def test_transactions_are_gathered(make_raw: MakeRaw) -> None:
    n = 3_000
    when = [datetime(2022, 1, 1) + timedelta(seconds=int(s)) for s in RNG.integers(0, 3e7, n)]
    frame = pl.DataFrame(
        {
            "sold_at": when,
            "card": RNG.choice(["yes", "no"], n),
            "shop": RNG.choice(["north", "south", "west"], n, p=[0.4, 0.3, 0.3]),
            "amount": RNG.gamma(2, 10, n),
        }
    )
    result = axis_of(make_raw, frame)
    assert (result.axis.frequency, result.axis.resample) == ("1d", True)
    assert result.entities == ("shop",)
    sparse = axis_of(make_raw, frame.head(600).drop("shop"))
    assert sparse.axis.resample
    assert sparse.entities == ()


def test_a_series_is_also_seen_coarser_and_together(make_raw: MakeRaw) -> None:
    result = axes(make_raw, crossed(2_000, country=["a", "b"], sex=["f", "m"]))
    assert not isinstance(result, str), result
    ways = [(p.axis.frequency, p.axis.resample, p.entities) for p in result]
    assert ways[:2] == [
        ("1d", False, ("country", "sex")),
        ("1w", True, ("country", "sex")),
    ]
    assert {("1d", True, ("country",)), ("1d", True, ("sex",))} <= set(ways)
    assert len(set(ways)) == len(ways) <= 6
    assert not any(axis.is_events for axis in result)


def test_too_short_and_without_times(make_raw: MakeRaw) -> None:
    short = pl.DataFrame({"d": [date(2020, 1, 1) + timedelta(days=i) for i in range(200)]})
    assert "216" in str(axes(make_raw, short.with_columns(y=pl.lit(1.0))))
    assert isinstance(axes(make_raw, pl.DataFrame({"y": RNG.normal(size=300)})), str)


def test_what_begins_stands_before_what_ends(make_raw: MakeRaw) -> None:
    start = [date(2020, 1, 1) + timedelta(days=i) for i in range(300)]
    frame = pl.DataFrame({"closed": [d + timedelta(days=9) for d in start], "opened": start})
    frame = frame.with_columns(rare=pl.when(pl.int_range(pl.len()) < 200).then("opened"))
    assert time_columns(frame, columns(make_raw, frame)) == ["opened", "closed"]


def test_years_name_series_but_not_cars(make_raw: MakeRaw) -> None:
    rows = [(c, y) for c in range(20) for y in range(1990, 2020)]
    frame = pl.DataFrame(rows, schema={"c": pl.Int64, "Year": pl.Int64}, orient="row")
    frame = frame.with_columns(
        country=pl.format("country {}", "c"), y=pl.Series(RNG.normal(size=600))
    ).drop("c")
    assert year_column(frame, columns(make_raw, frame)) == "Year"
    cars = pl.DataFrame(
        {
            "make": RNG.choice(["a", "b", "c"], 600),
            "make_year": RNG.integers(2000, 2020, 600),
            "price": RNG.normal(size=600),
        }
    )
    assert year_column(cars, columns(make_raw, cars)) is None

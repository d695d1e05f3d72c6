"""Typing: one rule for all cells of a column, told in words; what no rule reads stays text."""

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.reading.types import TypedColumn, type_column, type_native


def typed(*cells: str | None, name: str = "x", semicolons: bool = False) -> TypedColumn:
    return type_column(pl.Series("x", cells, dtype=pl.String), name, semicolons)


NUMBERS: list[tuple[tuple[str | None, ...], str, list[Any], str | None]] = [
    (("1", "-2", "+3", None), "integer", [1, -2, 3, None], None),
    (("1", "NA", " 2 ", "n/a", "-", ""), "integer", [1, None, 2, None, None, None], None),
    (("1.5", "2", "-.5", "1e-3"), "number", [1.5, 2.0, -0.5, 0.001], None),
    (("12.0", "13.0", None), "integer", [12, 13, None], "whole numbers written with .0"),
    (("1.234", "5.678"), "number", [1.234, 5.678], None),
    (("14.953.969", "999"), "integer", [14953969, 999], "points between thousands"),
    (("1,234", "12"), "integer", [1234, 12], "commas between thousands"),
    (("12,34,567", "1,234"), "integer", [1234567, 1234], "commas between thousands"),
    (("1,234.56", "12"), "number", [1234.56, 12.0], "commas between thousands"),
    (("1,5", "2,25"), "number", [1.5, 2.25], "decimal comma"),
    (("1,234", "0,512"), "number", [1.234, 0.512], "decimal comma"),
    (("1.234,56", "12,00"), "number", [1234.56, 12.0], "decimal comma, points between thousands"),
    (("1 234 567", "12"), "integer", [1234567, 12], "spaces between thousands"),
    (("1\u00a0234,5", "12,0"), "number", [1234.5, 12.0], "spaces between thousands"),
    (("$1,200", "$3"), "integer", [1200, 3], "commas between thousands, currency $"),
    (("($5.00)", "$7.25"), "number", [-5.0, 7.25], "currency $"),
    (("-€5", "€7"), "integer", [-5, 7], "currency €"),
    (
        ("1.234,50 €", "5,00 €"),
        "number",
        [1234.5, 5.0],
        "decimal comma, points between thousands, currency €",
    ),
    (("Rs. 500", "Rs. 1,200"), "integer", [500, 1200], "commas between thousands, currency Rs."),
    (("12%", "-3.5%"), "number", [12.0, -3.5], "percent"),
    (("1.2M", "300K", "-"), "number", [1_200_000.0, 300_000.0, None], "suffix K, M, B"),
    (("12 km", "5 km"), "integer", [12, 5], "unit km"),
    (("−5", "3"), "integer", [-5, 3], None),
    (("0.10", "0.2"), "number", [0.1, 0.2], None),
]


@pytest.mark.parametrize(("cells", "kind", "values", "rule"), NUMBERS)
def test_numbers(
    cells: tuple[str | None, ...], kind: str, values: list[Any], rule: str | None
) -> None:
    column = typed(*cells)
    assert (column.type, column.values.to_list(), column.rule) == (kind, values, rule)


def test_points_between_thousands_without_doubled_points() -> None:
    grouped = [f"{n}.{n:02d}0" for n in range(10, 40)]
    assert typed(*grouped, "999").values.to_list()[0] == 10100
    assert typed(*grouped).values.to_list()[0] == 10.1, "a writer of three decimals"
    assert typed(*grouped, "1500").values.to_list()[-1] == 1500.0


def test_semicolons_speak_for_decimal_commas() -> None:
    assert typed("1,234", "5,678").values.to_list() == [1234, 5678]
    assert typed("1,234", "5,678", semicolons=True).values.to_list() == [1.234, 5.678]


@pytest.mark.parametrize(
    "cells",
    [
        ("01", "02"),
        ("007.5", "1"),
        ("123456789012345678901", "1"),
        ("1e400", "1"),
        ("A12", "A13"),
        ("12A", "13A"),
        ("1.5", "abc"),
        ("$5", "€5"),
        ("$5", "5"),
        ("5%", "5"),
        ("10:15", "11:20"),
        ("1.2.3", "1.2.4"),
        ("9.9", "99.999.999"),
        ("1-2", "3"),
        ("Yes", "No"),
        ("NA", "DE"),
        ("NA", "NA"),
        ("5 km", "5 mi"),
        ("--5", "1"),
        ("(5", "1"),
        ("1_000", "1"),
        ("٣", "1"),
    ],
)
def test_words(cells: tuple[str, ...]) -> None:
    column = typed(*cells)
    assert (column.type, column.values.to_list()) == ("text", list(cells))


def test_only_empty_cells_are_missing_in_words() -> None:
    column = typed("NA", "null", "", "  ", None, " a ")
    assert column.values.to_list() == ["NA", "null", None, None, None, " a "]


def test_truth_values() -> None:
    assert typed("TRUE", "false", "NA").values.to_list() == [True, False, None]
    assert typed("true", "1").type == "text"


def test_line_ends_and_nul_in_words() -> None:
    assert typed("a\r\nb", "c\x00d").values.to_list() == ["a\nb", "cd"]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_floats_come_back_bit_for_bit(numbers: list[float]) -> None:
    column = typed(*[repr(number) for number in numbers], "0.5")
    assert column.values.to_list() == [*numbers, 0.5]


@given(st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=8))
def test_integers_come_back(numbers: list[int]) -> None:
    column = typed(*map(str, numbers), name="n")
    assert column.type in ("integer", "date", "datetime")
    if column.type == "integer":
        assert column.values.to_list() == numbers


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6), st.text(max_size=5))
def test_no_text_breaks_typing(cells: list[str], name: str) -> None:
    column = typed(*cells, name=name)
    assert len(column.values) == len(cells)


DATES: list[tuple[tuple[str, ...], list[Any], str | None]] = [
    (("2021-03-07", "2020-02-29"), [date(2021, 3, 7), date(2020, 2, 29)], None),
    (("2021/3/7", "2021/12/1"), [date(2021, 3, 7), date(2021, 12, 1)], None),
    (("03/04/2021", "13/04/2021"), [date(2021, 4, 3), date(2021, 4, 13)], "%d/%m/%Y"),
    (("04/13/2021", "03/04/2021"), [date(2021, 4, 13), date(2021, 3, 4)], "%m/%d/%Y"),
    (("31.12.2020", "01.02.2021"), [date(2020, 12, 31), date(2021, 2, 1)], "%d.%m.%Y"),
    (("12/31/20", "1/2/70"), [date(2020, 12, 31), date(1970, 1, 2)], "%m/%d/%y"),
    (("20210307", "20210308"), [date(2021, 3, 7), date(2021, 3, 8)], "%Y%m%d"),
    (("2005M01", "2005M12"), [date(2005, 1, 1), date(2005, 12, 1)], "%YM%m"),
    (("2005-01", "2005-12"), [date(2005, 1, 1), date(2005, 12, 1)], "%Y-%m"),
    (("01/2005", "12/2005"), [date(2005, 1, 1), date(2005, 12, 1)], "%m/%Y"),
    (("2020Q1", "2020Q4"), [date(2020, 1, 1), date(2020, 10, 1)], "%YQ%q"),
    (("Q1 2020", "Q4 2021"), [date(2020, 1, 1), date(2021, 10, 1)], "Q%q %Y"),
    (("2020-W05", "2020-W53"), [date(2020, 1, 27), date(2020, 12, 28)], "%G-W%V"),
    (("Jul 1, 2024", "August 12, 2023"), [date(2024, 7, 1), date(2023, 8, 12)], "%b %d, %Y"),
    (("1st January 2020", "2 Sept 2021"), [date(2020, 1, 1), date(2021, 9, 2)], "%d %b %Y"),
    (("7-Mar-21", "17-Apr-99"), [date(2021, 3, 7), date(1999, 4, 17)], "%d-%b-%y"),
    (("Apr 2018", "May 2018"), [date(2018, 4, 1), date(2018, 5, 1)], "%b %Y"),
    (("Apr-18", "May-19"), [date(2018, 4, 1), date(2019, 5, 1)], "%b-%y"),
    (
        ("01-Apr-2018 00:00", "01-Apr-2018 00:15"),
        [datetime(2018, 4, 1), datetime(2018, 4, 1, 0, 15)],
        "%d %b %Y",
    ),
    (
        ("2021-03-07T24:00:00Z", "2021-03-07T10:00:00+02:00", "2021-03-07 10:00:00-0530"),
        [datetime(2021, 3, 8), datetime(2021, 3, 7, 8), datetime(2021, 3, 7, 15, 30)],
        None,
    ),
    (
        ("2024-01-01 10:00:00.123456", "2024-01-01"),
        [datetime(2024, 1, 1, 10, 0, 0, 123456), datetime(2024, 1, 1)],
        None,
    ),
    (
        ("1/2/2020 3:05 PM", "12/31/2020 12:00 AM"),
        [datetime(2020, 1, 2, 15, 5), datetime(2020, 12, 31)],
        "%m/%d/%Y",
    ),
    (
        ("Wed Aug 27 13:08:45 +0000 2008", "Thu Aug 28 13:08:45 +0000 2008"),
        [datetime(2008, 8, 27, 13, 8, 45), datetime(2008, 8, 28, 13, 8, 45)],
        "%a %b %d %H:%M:%S %z %Y",
    ),
]


@pytest.mark.parametrize(("cells", "values", "rule"), DATES)
def test_dates(cells: tuple[str, ...], values: list[Any], rule: str | None) -> None:
    column = typed(*cells, "NA")
    kind = "datetime" if isinstance(values[0], datetime) else "date"
    assert (column.type, column.values.to_list(), column.rule) == (kind, [*values, None], rule)
    assert column.values.dtype == (pl.Datetime("us") if kind == "datetime" else pl.Date)


def test_an_open_order_is_the_one_that_makes_a_time_axis() -> None:
    months = [f"01/{month:02d}/{year}" for year in (2020, 2021) for month in range(1, 13)]
    assert typed(*months).values.to_list()[1] == date(2020, 2, 1)
    days = [f"01/{day:02d}/2020" for day in range(1, 13)]
    assert typed(*days).values.to_list()[1] == date(2020, 1, 2)
    assert typed("03/04/2021", "05/02/2020", "01/01/2022").rule == "%m/%d/%Y", "no evidence"


@pytest.mark.parametrize(
    "cells",
    [
        ("2021-02-30", "2021-01-01"),
        ("13/13/2021", "01/01/2021"),
        ("5/13/2016", "13-06-2016"),
        ("2005-06", "2006-07"),
        ("18-Apr", "19-May"),
        ("2021-01-01 25:00", "2021-01-01 10:00"),
        ("2021-01-01 10:61", "2021-01-01 10:00"),
        ("Smarch 1, 2020", "May 1, 2020"),
        ("0001-01-01", "2020-01-01"),
        ("2021-01-01 13:00 PM", "2021-01-01 10:00 AM"),
    ],
)
def test_what_is_no_date_stays_text(cells: tuple[str, ...]) -> None:
    assert typed(*cells).type == "text"


def test_numbers_that_may_be_dates_need_a_name_that_says_so() -> None:
    assert typed("202101", "202112").type == "integer"
    assert typed("202101", "202112", name="month").values.to_list()[1] == date(2021, 12, 1)
    assert typed("1609459200", "1609459300").type == "integer"
    stamped = typed("1609459200", "1609459300", name="created_at")
    assert stamped.values.to_list()[0] == datetime(2021, 1, 1)
    assert typed("1609459200000", name="time").values.to_list() == [datetime(2021, 1, 1)]
    assert typed("2020", "2021", name="year").type == "integer"


def test_native_types() -> None:
    frame = pl.DataFrame(
        {
            "small": pl.Series([1, None], dtype=pl.Int8),
            "huge": pl.Series([2**64 - 1, 1], dtype=pl.UInt64),
            "float": [float("nan"), float("inf")],
            "zoned": pl.Series([datetime(2021, 1, 1, 12)] * 2).dt.replace_time_zone("Asia/Tokyo"),
            "length": pl.Series([1_500_000, 0]).cast(pl.Duration("us")),
            "exact": pl.Series(["1.25", "2"]).str.to_decimal(scale=2),
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "text": ["1,234", "5"],
            "bytes": [b"1", b"2"],
        }
    )
    read = {column.name: type_native(column, column.name) for column in frame}
    columns = {name: (c.type, c.values.to_list()) for name, c in read.items() if c is not None}
    assert columns == {
        "small": ("integer", [1, None]),
        "huge": ("text", [str(2**64 - 1), "1"]),
        "float": ("number", [None, None]),
        "zoned": ("datetime", [datetime(2021, 1, 1, 3)] * 2),
        "length": ("number", [1.5, 0.0]),
        "exact": ("number", [1.25, 2.0]),
        "kind": ("text", ["a", "b"]),
        "text": ("integer", [1234, 5]),
    }

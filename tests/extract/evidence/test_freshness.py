"""Freshness is what the data proves, and no absurd date wins."""

from datetime import date

import polars as pl
import pytest

from extract.evidence.freshness import freshness, last_update, newest_instant
from tests.extract.evidence.conftest import Make

DAYS = pl.date_range(pl.date(2019, 1, 1), pl.date(2020, 12, 31), eager=True)


def _newest(make: Make, frame: pl.DataFrame, updated_at: str | None) -> str | None:
    raw = make("a", frame, updated_at=updated_at)
    return newest_instant(raw.tables, last_update(raw, raw.tables))


def test_the_newest_day_counts_not_the_update(make: Make) -> None:
    frame = pl.DataFrame({"seen": DAYS})
    assert _newest(make, frame, "2025-06-01T00:00:00Z") == "2020-12-31T00:00:00Z"


def test_what_is_later_than_the_update_is_not_past(make: Make) -> None:
    plans = pl.date_range(pl.date(2019, 1, 1), pl.date(2090, 1, 1), "1mo", eager=True)
    frame = pl.DataFrame({"month": plans})
    assert _newest(make, frame, "2021-03-15T00:00:00Z") == "2021-03-01T00:00:00Z"


@pytest.mark.parametrize("absurd", ["9999-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon", None])
def test_an_absurd_update_counts_as_unknown(make: Make, absurd: str | None) -> None:
    raw = make("a", pl.DataFrame({"seen": DAYS}), updated_at=absurd)
    assert last_update(raw, raw.tables) is None


def test_an_update_before_the_data_counts_as_unknown(make: Make) -> None:
    raw = make("a", pl.DataFrame({"seen": DAYS}), updated_at="2012-01-01T00:00:00Z")
    assert last_update(raw, raw.tables) is None


def test_an_update_far_after_all_others_is_not_believed() -> None:
    honest = {f"a/{year}": f"{year}-01-01T00:00:00Z" for year in (2023, 2024)}
    updates = ["2023-06-01T00:00:00Z", "2024-06-01T00:00:00Z", "2099-01-01T00:00:00Z"]
    fresh = freshness({**honest, "a/fake": "2089-01-01T00:00:00Z"}, updates)
    assert fresh == {**honest, "a/fake": None}


def test_without_an_update_a_source_is_no_newer_than_the_others() -> None:
    fresh = freshness(
        {"a/future": "2089-01-01T00:00:00Z", "a/now": "2024-01-01T00:00:00Z", "a/none": None},
        [None, "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"],
    )
    assert fresh["a/future"] is None, "later than everybody is no evidence"
    assert fresh["a/now"] == "2024-01-01T00:00:00Z"
    assert fresh["a/none"] is None


def test_slips_far_from_the_rest_do_not_count(make: Make) -> None:
    slip = pl.DataFrame({"seen": [*DAYS[:100], date(2023, 12, 31)]})
    assert _newest(make, slip, "2025-06-01T00:00:00Z") == "2019-04-10T00:00:00Z"
    many = pl.DataFrame({"seen": [*DAYS, *DAYS, date(2024, 1, 1), date(2024, 5, 1)]})
    assert _newest(make, many, "2025-06-01T00:00:00Z") == "2020-12-31T00:00:00Z"


def test_years_count_from_their_first_day_also_as_headers(make: Make) -> None:
    updated = "2025-06-01T00:00:00Z"
    years = pl.DataFrame({"Crop_Year": [1999, 2003, 2001] * 10, "yield": [1.5, 2.5, 3.5] * 10})
    assert _newest(make, years, updated) == "2003-01-01T00:00:00Z"
    wide = pl.DataFrame({"country": ["a"], "2001": [1.0], "2002": [2.0], "2003": [3.0]})
    assert _newest(make, wide, updated) == "2003-01-01T00:00:00Z"


def test_no_time_is_no_evidence(make: Make) -> None:
    frame = pl.DataFrame({"height": [1998, 2001], "name": ["2024-01-01 and more", "x"]})
    assert _newest(make, frame, "2025-06-01T00:00:00Z") is None

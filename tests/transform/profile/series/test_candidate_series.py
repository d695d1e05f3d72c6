from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl

from extract.dataset import RawDataset
from transform.profile.columns import profile_columns
from transform.profile.profile import CandidateSeries, ColumnNote
from transform.profile.series.candidate_series import candidate_series
from transform.profile.series.time_axis import find_axes
from transform.rows.size import SizeConfig

MakeRaw = Callable[..., RawDataset]
N = 420
RNG = np.random.default_rng(7)
DAYS = [date(2021, 1, 4) + timedelta(days=i) for i in range(N)]
LEVEL = np.cumsum(RNG.normal(size=N)) + 50
SEASON = np.array([5, 1, 2, 9, 4, 8, 3])[np.arange(N) % 7]


def measured(
    make_raw: MakeRaw, frame: pl.DataFrame, known: tuple[str, ...] = ()
) -> tuple[CandidateSeries, ...]:
    (table,) = make_raw(t=frame).tables
    columns = profile_columns(table, frame).by_name
    axes = find_axes(frame, columns, SizeConfig())
    assert not isinstance(axes, str), axes
    notes = tuple(ColumnNote(name=name, why="planned") for name in known)
    view = axes[0].model_copy(update={"known_covariates": notes})
    return candidate_series(frame, columns, view, (), SizeConfig())


def names(series: tuple[CandidateSeries, ...]) -> set[str]:
    return {one.name for one in series}


def test_what_is_not_worth_forecasting(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame(
        {
            "day": DAYS,
            "level": LEVEL,
            "in fahrenheit": LEVEL * 1.8 + 32,
            "running total": np.cumsum(RNG.gamma(2, 3, N)),
            "month": [day.month for day in DAYS],
            "flag": RNG.integers(0, 2, N),
            "store": RNG.integers(1, 40, N),
            "latitude": RNG.normal(size=N),
            "mostly zero": np.where(RNG.random(N) < 0.95, 0, RNG.normal(size=N)),
        }
    )
    assert names(measured(make_raw, frame)) in ({"level"}, {"in fahrenheit"})


def test_a_noisy_season_has_room(make_raw: MakeRaw) -> None:
    exact, noise = SEASON + 0.01 * RNG.normal(size=N), RNG.normal(size=N)
    noisy = SEASON + 2 * RNG.normal(size=N)
    frame = pl.DataFrame({"day": DAYS, "exact": exact, "noise": noise, "noisy": noisy})
    by_name = {one.name: one for one in measured(make_raw, frame)}
    assert next(iter(by_name)) == "noisy"
    assert by_name["noisy"].likely > 0.5
    assert by_name["noisy"].room > 0.1
    assert by_name["exact"].likely == by_name["noise"].likely == 0
    assert abs(by_name["exact"].room) < 0.01


def test_nothing_behind_the_cutoff_is_looked_at(make_raw: MakeRaw) -> None:
    values = SEASON + 2 * RNG.normal(size=N)
    changed = np.where(np.arange(N) < 0.8 * N, values, RNG.normal(scale=99, size=N))
    one, other = (
        measured(make_raw, pl.DataFrame({"day": DAYS, "y": y})) for y in (values, changed)
    )
    assert one == other


def test_what_describes_a_series_is_left_out(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame({"day": DAYS}).join(
        pl.DataFrame({"site": [f"s{i}" for i in range(12)], "size": [i * 7.5 for i in range(12)]}),
        how="cross",
    )
    frame = frame.with_columns(y=pl.Series(RNG.normal(size=frame.height)))
    assert names(measured(make_raw, frame)) == {"y"}


def test_a_known_covariate_counts(make_raw: MakeRaw) -> None:
    promo = RNG.integers(0, 2, N)
    frame = pl.DataFrame({"day": DAYS, "promo": promo, "y": 3 * promo + RNG.normal(size=N)})
    (blind,) = measured(make_raw, frame)
    assert blind.likely == 0
    (informed,) = measured(make_raw, frame, ("promo",))
    assert informed.likely == 1

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl

from extract.dataset import RawDataset
from transform.profile import profile
from transform.propose.roles import RoleConfig, judge
from transform.propose.series import SeriesConfig, SeriesTarget, series_targets
from transform.propose.time_axis import TimeAxisConfig, find_axes
from transform.rows.size import SizeConfig

MakeRaw = Callable[..., RawDataset]
N = 420
RNG = np.random.default_rng(7)
DAYS = [date(2021, 1, 4) + timedelta(days=i) for i in range(N)]
LEVEL = np.cumsum(RNG.normal(size=N)) + 50
SEASON = np.array([5, 1, 2, 9, 4, 8, 3])[np.arange(N) % 7]


def looked(make_raw: MakeRaw, frame: pl.DataFrame) -> tuple[SeriesTarget, ...]:
    judged = judge(profile(make_raw(t=frame)).table("t"), RoleConfig())
    axes = find_axes(frame, judged, TimeAxisConfig(), SizeConfig())
    assert not isinstance(axes, str), axes
    return series_targets(frame, judged, axes[0], (), (), SeriesConfig(), SizeConfig())


def names(found: tuple[SeriesTarget, ...]) -> set[str]:
    return {target.name for target in found}


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
    assert names(looked(make_raw, frame)) in ({"level"}, {"in fahrenheit"})


def test_a_noisy_season_has_room(make_raw: MakeRaw) -> None:
    exact, noise = SEASON + 0.01 * RNG.normal(size=N), RNG.normal(size=N)
    noisy = SEASON + 2 * RNG.normal(size=N)
    frame = pl.DataFrame({"day": DAYS, "exact": exact, "noise": noise, "noisy": noisy})
    found = {target.name: target for target in looked(make_raw, frame)}
    assert next(iter(found)) == "noisy"
    assert found["noisy"].likely > 0.5
    assert found["noisy"].room > 0.1
    assert found["exact"].likely == found["noise"].likely == 0
    assert abs(found["exact"].room) < 0.01


def test_nothing_behind_the_cutoff_is_looked_at(make_raw: MakeRaw) -> None:
    values = SEASON + 2 * RNG.normal(size=N)
    changed = np.where(np.arange(N) < 0.8 * N, values, RNG.normal(scale=99, size=N))
    one, other = (looked(make_raw, pl.DataFrame({"day": DAYS, "y": y})) for y in (values, changed))
    assert one == other


def test_what_describes_a_series_is_left_out(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame({"day": DAYS}).join(
        pl.DataFrame({"site": [f"s{i}" for i in range(12)], "size": [i * 7.5 for i in range(12)]}),
        how="cross",
    )
    frame = frame.with_columns(y=pl.Series(RNG.normal(size=frame.height)))
    assert names(looked(make_raw, frame)) == {"y"}


def test_a_covariate_known_ahead_counts(make_raw: MakeRaw) -> None:
    promo = RNG.integers(0, 2, N)
    frame = pl.DataFrame({"day": DAYS, "promo": promo, "y": 3 * promo + RNG.normal(size=N)})
    judged = judge(profile(make_raw(t=frame)).table("t"), RoleConfig())
    axes = find_axes(frame, judged, TimeAxisConfig(), SizeConfig())
    assert not isinstance(axes, str), axes
    how = (SeriesConfig(), SizeConfig())
    (target,) = series_targets(frame, judged, axes[0], ("promo",), (), *how)
    assert target.alone.likely == 0
    assert target.likely == target.told.likely == 1

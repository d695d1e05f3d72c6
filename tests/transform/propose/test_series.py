from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl

from extract.dataset import RawDataset
from transform.profile import profile
from transform.propose.roles import RoleConfig, judge
from transform.propose.series import SeriesConfig, series_targets
from transform.propose.time_axis import Panel, TimeAxisConfig, find_panel
from transform.size import SizeConfig

MakeRaw = Callable[..., RawDataset]
N = 420
RNG = np.random.default_rng(7)
DAYS = [date(2021, 1, 4) + timedelta(days=i) for i in range(N)]
LEVEL = np.cumsum(RNG.normal(size=N)) + 50
SEASON = np.array([5, 1, 2, 9, 4, 8, 3])[np.arange(N) % 7]


def targets(make_raw: MakeRaw, frame: pl.DataFrame) -> dict[str, float]:
    judged = judge(profile(make_raw(t=frame)).table("t"), RoleConfig())
    panel = find_panel(frame, judged, TimeAxisConfig(), SizeConfig())
    assert isinstance(panel, Panel), panel
    found = series_targets(frame, judged, panel, SeriesConfig(), SizeConfig())
    return {target.name: target.room for target in found}


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
    assert set(targets(make_raw, frame)) in ({"level"}, {"in fahrenheit"})


def test_room_is_what_a_past_season_misses(make_raw: MakeRaw) -> None:
    exact = SEASON + 0.01 * RNG.normal(size=N)
    noisy = SEASON + 3 * RNG.normal(size=N)
    room = targets(make_raw, pl.DataFrame({"day": DAYS, "exact": exact, "noisy": noisy}))
    assert room["noisy"] > 0.1
    assert next(iter(room)) == "noisy"


def test_what_is_constant_in_each_series_is_left_out(make_raw: MakeRaw) -> None:
    frame = pl.DataFrame({"day": DAYS}).join(
        pl.DataFrame({"site": [f"s{i}" for i in range(12)], "size": [i * 7.5 for i in range(12)]}),
        how="cross",
    )
    frame = frame.with_columns(y=pl.Series(RNG.normal(size=frame.height)))
    assert set(targets(make_raw, frame)) == {"y"}

"""The seasonal naive forecast, by which the skill of other forecasts is normalised.

Takes the observed values of one series and the places to forecast; returns the last season
repeated. It knows nothing of calendars: a season is a number of observed values, so
that a series without weekends has a week of five.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.proposal import Frequency
from transform.series.frequency import FREQUENCIES

_OPEN_SHARE = 0.01
"""A weekday counts when it has more than this share of the instants; one extra Sunday does not."""


def season_length(frequency: Frequency, instants: pl.Series) -> int:
    """Observed values in a season; for daily data the number of weekdays that occur."""
    if frequency != "1d":
        return FREQUENCIES[frequency].season
    shares = instants.dt.weekday().value_counts(normalize=True, name=" share")[" share"]
    return max(1, int((shares > _OPEN_SHARE).sum()))


def seasonal_naive(
    history: npt.NDArray[np.float64], season: int, steps: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Forecasts for `steps` instants ahead (0 is the first): the value one or more seasons before.

    `history` holds the observed values in order of time, at least one; when it is shorter than a
    season its last value is repeated (Hyndman & Athanasopoulos, Forecasting, section 5.2).
    """
    last = history[-season:] if len(history) >= season else history[-1:]
    return last[np.asarray(steps, dtype=np.int64) % len(last)]

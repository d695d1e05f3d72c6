"""The grids on which forecasts are scored: one row of facts for each frequency.

Takes nothing, returns a table. Which of them a table is seen on is not decided here.
"""

from typing import NamedTuple

from transform.proposal import Frequency

_HOUR = 3_600
_DAY = 24 * _HOUR


class FrequencyFacts(NamedTuple):
    """What is known about one step of a grid."""

    every: str
    """The step as polars writes it."""
    words: str
    """The step in prose."""
    season: int
    """Steps after which values repeat; of days those that occur count, see `seasonal_naive.py`.

    A day of instants below a day (an hour of minutes), a week of days, else a year.
    """
    horizon: int
    """Most instants that a task scores, unless it is configured otherwise."""
    shortest: int
    """Seconds of the shortest step."""
    longest: int


FREQUENCIES: dict[Frequency, FrequencyFacts] = {
    "1min": FrequencyFacts("1m", "every minute", 60, 96, 60, 60),
    "5min": FrequencyFacts("5m", "every 5 minutes", 288, 96, 300, 300),
    "10min": FrequencyFacts("10m", "every 10 minutes", 144, 96, 600, 600),
    "15min": FrequencyFacts("15m", "every 15 minutes", 96, 96, 900, 900),
    "30min": FrequencyFacts("30m", "every 30 minutes", 48, 96, 1_800, 1_800),
    "1h": FrequencyFacts("1h", "every hour", 24, 48, _HOUR, _HOUR),
    "1d": FrequencyFacts("1d", "every day", 7, 28, _DAY, _DAY),
    "1w": FrequencyFacts("1w", "every week", 52, 26, 7 * _DAY, 7 * _DAY),
    "1mo": FrequencyFacts("1mo", "every month", 12, 24, 28 * _DAY, 31 * _DAY),
    "1q": FrequencyFacts("1q", "every quarter", 4, 24, 90 * _DAY, 92 * _DAY),
    "1y": FrequencyFacts("1y", "every year", 1, 24, 365 * _DAY, 366 * _DAY),
}

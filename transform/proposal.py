"""What a proposer hands over: an idea for tasks on one table, not yet executed.

A proposal names columns by their shipped names. It promises nothing about solvability; that is
the business of the validation room.
"""

from typing import Literal

from pydantic import Field

from extract.dataset import DatasetRef
from extract.noun import Noun

Problem = Literal["classification", "regression", "forecasting"]
FeatureType = Literal["number", "category", "time"]
Frequency = Literal["1min", "5min", "10min", "15min", "30min", "1h", "1d", "1w", "1mo", "1q", "1y"]
Aggregation = Literal["mean", "sum", "max", "min", "last", "count"]


class Feature(Noun):
    """One column that a solver may use."""

    name: str
    type: FeatureType


class TimeAxis(Noun):
    """The column that orders a table, and the grid on which a forecast is scored."""

    column: str
    frequency: Frequency
    """Step of the grid."""
    resample: bool
    """True when raw rows are aggregated into grid cells; False when each row is one cell."""


class Proposal(Noun):
    """One feasible problem on one table, with its reasons."""

    dataset: DatasetRef
    table: str
    problem: Problem
    targets: tuple[str, ...] = Field(min_length=1, max_length=3)
    features: tuple[Feature, ...]
    """In table order, without targets; for a forecast the other columns of the history."""
    time: TimeAxis | None = None
    """Forecasts: required."""
    split_column: str | None = None
    """Tabular: the time column by which rows are split, None for a random split."""
    group_column: str | None = None
    """Tabular: rows with the same value never straddle the split."""
    entities: tuple[str, ...] = ()
    """Forecasts: columns that tell one series from another; empty for a single series."""
    known_covariates: tuple[str, ...] = ()
    """Forecasts: covariates of the source whose future values are known when forecasting."""
    aggregations: tuple[tuple[str, Aggregation], ...] = ()
    """Forecasts with `time.resample`: how each target and covariate is aggregated."""
    horizon: int | None = None
    """Forecasts: most instants to score; None leaves it to the grid's frequency."""
    reasons: tuple[str, ...]
    """Why this is feasible and why these columns, one sentence each."""
    proposer: str
    """Name and version of the proposer, for example `heuristic-1`."""

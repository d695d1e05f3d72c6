"""Finds the instants that order a table, the grid they lie on, and the series they tell apart.

A frame and its judged columns enter; leave every `SeriesAxis` found, the plainest first, or the
reason why there is none. A table is taken as it is when its instants, alone or with up to three
entity columns, name its rows and step regularly; else as events, which are gathered into the cells
of a grid. Either may be seen on coarser grids too, and with fewer entities. Gaps such as weekends,
nights and holidays are allowed: the grid is what is observed. Not guaranteed: that anything on a
grid can be forecast.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import polars as pl
from pydantic import Field

from extract.evidence.vocabulary import YEAR, mentions
from extract.noun import Noun
from transform.profile import codes_of
from transform.proposal import Frequency, TimeAxis
from transform.propose.matrix import Ints
from transform.propose.roles import Judged
from transform.rows.size import SizeConfig
from transform.rows.split import as_instants, cells
from transform.series.frequency import FREQUENCIES, FrequencyFacts

_KEY = " entity"
_HOUR = 3_600
_GATHERED: tuple[Frequency, ...] = ("1d", "1w", "1mo", "1h", "30min", "15min")
"""Grids that rows are gathered into, the plainest first."""


class TimeAxisConfig(Noun):
    """What counts as a series."""

    max_missing: float = Field(default=0.05, ge=0, le=1)
    """Share of rows that may lack an instant."""
    unique_rows: float = Field(default=0.99, gt=0, le=1)
    """Share of rows that instant and entity must name."""
    regular: float = Field(default=0.6, gt=0, le=1)
    """Share of the steps within a series that must have the commonest length."""
    covered: float = Field(default=0.8, gt=0, le=1)
    """Events: share of the cells, or of the steps between cells, that must be as on a full grid."""
    max_entities: int = Field(default=500, ge=2)
    """Distinct series beyond which a column does not tell series but events."""
    entity_columns: int = Field(default=6, ge=1)
    """Columns, in table order, among which entities are looked for."""
    axes: int = Field(default=6, ge=1)
    """Ways to see one table as series."""


@dataclass(frozen=True)
class SeriesAxis:
    """A time axis that serves forecasts."""

    axis: TimeAxis
    entities: tuple[str, ...]
    n_series: int
    """Series with enough history."""
    n_instants: int
    is_events: bool
    """Whether the rows of the table are events rather than values of a series."""
    why: tuple[str, ...]


def time_columns(frame: pl.DataFrame, judged: Mapping[str, Judged], most: float) -> list[str]:
    """Columns of instants that may order the table, the earliest first.

    What begins something stands before what ends it: an outcome is no time axis.
    """
    names = [
        name
        for name, found in judged.items()
        if found.role == "time" and found.column.missing_share <= most
    ]
    middle = {name: as_instants(frame[name]).drop_nulls().sort() for name in names}
    return sorted(names, key=lambda name: middle[name][len(middle[name]) // 2])


def find_axes(
    frame: pl.DataFrame, judged: Mapping[str, Judged], config: TimeAxisConfig, size: SizeConfig
) -> tuple[SeriesAxis, ...] | str:
    """The axes of the first time column that has one, or why none has."""
    names = time_columns(frame, judged, config.max_missing)
    why = "no column of instants is complete enough to be a time axis"
    needed = size.shortest_history + size.min_instants
    for name in names[:3]:
        when = as_instants(frame[name])
        if when.n_unique() < needed:
            why = f"`{name}` has {when.n_unique()} instants, a forecast needs {needed}"
            continue
        rows = frame.with_columns(when).drop_nulls(name)
        found = islice(_axes(rows, name, judged, config, needed), config.axes)
        if axes := tuple(found):
            return axes
        why = f"the instants of `{name}` neither step regularly nor fill a grid"
    return why


def _axes(
    rows: pl.DataFrame,
    column: str,
    judged: Mapping[str, Judged],
    config: TimeAxisConfig,
    needed: int,
) -> Iterator[SeriesAxis]:
    able = _entity_columns(rows, column, judged, config)
    plain = _as_it_is(rows, column, able, config, needed)
    if plain is None:
        yield from _gathered(rows, column, able, config, needed)
    else:
        yield plain
        yield from _coarser(rows, plain, config, needed)


def _entity_columns(
    rows: pl.DataFrame, column: str, judged: Mapping[str, Judged], config: TimeAxisConfig
) -> list[str]:
    """Columns that may name series: few whole or textual values, each with many instants."""
    names = []
    for name, found in judged.items():
        profile = found.column
        kind = profile.type in ("text", "boolean", "integer")
        telling = found.role in ("category", "text", "number")
        complete = profile.missing_share <= 0.01
        few = 2 <= profile.n_unique <= min(config.max_entities, rows.height / 24)
        if kind and telling and complete and few and not is_calendar(rows[name], rows[column]):
            names.append(name)
    names.sort(key=lambda name: judged[name].column.type != "text")
    return names[: config.entity_columns]


# --- as it is --------------------------------------------------------------------------------


def _as_it_is(
    rows: pl.DataFrame, column: str, able: list[str], config: TimeAxisConfig, needed: int
) -> SeriesAxis | None:
    for entities in _choices(rows, column, able, config, config.max_entities):
        keyed = rows.select(column, _key(entities)).unique().sort(_KEY, column)
        counts = keyed.group_by(_KEY).len()
        n_series = int((counts["len"] >= needed).sum())
        found = _step(keyed, column)
        if n_series < min(2, len(entities) + 1) or found is None or found[1] < config.regular:
            continue
        frequency, share = found
        return SeriesAxis(
            TimeAxis(column=column, frequency=frequency, resample=False),
            entities,
            n_series,
            rows[column].n_unique(),
            False,
            (_says_rows(column, entities, n_series), _says_step(column, frequency, share)),
        )
    return None


def _says_rows(column: str, entities: tuple[str, ...], n_series: int) -> str:
    if not entities:
        return f"`{column}` alone names the rows: one series"
    names = ", ".join(f"`{name}`" for name in entities)
    return f"`{column}` with {names} names the rows: {n_series} series are long enough"


def _says_step(column: str, frequency: Frequency, share: float) -> str:
    return f"`{column}` steps by {frequency} in {share:.0%} of the rows"


def _choices(
    rows: pl.DataFrame, column: str, able: list[str], config: TimeAxisConfig, most: int
) -> Iterator[tuple[str, ...]]:
    """Sets of entity columns that name the rows, the smallest first."""
    for k in range(4):
        fitting = []
        for entities in combinations(able, k):
            n_series = rows.select(entities).n_unique() if entities else 1
            if n_series > most or (entities and n_series < 2):
                continue
            unique = rows.select(column, *entities).n_unique() / rows.height
            if unique >= config.unique_rows:
                fitting.append((n_series, entities))
        if fitting:
            yield min(fitting, key=lambda item: item[0])[1]
            return


def _key(entities: tuple[str, ...]) -> pl.Expr:
    return pl.struct(entities).alias(_KEY) if entities else pl.lit(0).alias(_KEY)


def _step(keyed: pl.DataFrame, column: str) -> tuple[Frequency, float] | None:
    """The commonest step within a series that is a grid's, and its share of all steps."""
    gap = pl.col(column).diff().over(_KEY).dt.total_microseconds() / 1e6
    gaps = keyed.select(gap.alias("gap"))["gap"].drop_nulls()
    if gaps.is_empty():
        return None
    counts = [
        (int(gaps.is_between(*_bounds(facts)).sum()), frequency)
        for frequency, facts in FREQUENCIES.items()
    ]
    count, frequency = max(counts, key=lambda item: item[0])
    return (frequency, count / len(gaps)) if count else None


def _bounds(facts: FrequencyFacts) -> tuple[float, float]:
    """Shortest and longest step in seconds; an hour is spared for daylight saving."""
    spare = _HOUR if facts.shortest > _HOUR else 0
    return facts.shortest - spare, facts.longest + spare


# --- gathered --------------------------------------------------------------------------------


def _gathered(
    rows: pl.DataFrame, column: str, able: list[str], config: TimeAxisConfig, needed: int
) -> Iterator[SeriesAxis]:
    """Events on every grid that they fill: told apart by a column where one does, then together."""
    totals = []
    for frequency in _GATHERED:
        grid = cells(rows[column], frequency)
        if not _is_enough(grid, frequency, config, needed):
            continue
        axis, n_instants = _axis(column, frequency), grid.n_unique() - 2
        entities, n_series = _gathered_entity(rows, grid, frequency, able, config, needed)
        why = f"events of `{column}` fill a grid of {frequency}: {grid.n_unique()} cells"
        total = SeriesAxis(axis, (), 1, n_instants, True, (why,))
        if entities:
            told = f"{n_series} values of `{entities[0]}` fill it each by themselves"
            yield SeriesAxis(axis, entities, n_series, n_instants, True, (why, told))
            totals.append(total)
        else:
            yield total
    yield from totals


def _coarser(
    rows: pl.DataFrame, plain: SeriesAxis, config: TimeAxisConfig, needed: int
) -> Iterator[SeriesAxis]:
    """The same series on coarser grids, then all or some series together."""
    column, finest = plain.axis.column, FREQUENCIES[plain.axis.frequency].longest
    names = sorted(_GATHERED, key=lambda name: FREQUENCIES[name].longest)
    coarser = [name for name in names if FREQUENCIES[name].shortest > finest]
    choices = [(name, plain.entities) for name in coarser]
    if plain.entities:
        some = combinations(plain.entities, len(plain.entities) - 1)
        together = sorted({*some, ()}, key=lambda entities: (-len(entities), entities))
        grids = (plain.axis.frequency, *coarser[:1])
        choices += [(name, entities) for entities in together for name in grids]
    for frequency, entities in choices:
        grid = cells(rows[column], frequency)
        if not _is_enough(grid, frequency, config, needed):
            continue
        keyed = rows.select(grid, _key(entities))
        lengths = keyed.group_by(_KEY).agg(pl.col(column).n_unique())[column]
        n_series = int((lengths - 2 >= needed).sum())
        if n_series >= min(2, len(entities) + 1):
            why = f"rows of `{column}` are gathered into a grid of {frequency}"
            axis, n_instants = _axis(column, frequency), grid.n_unique() - 2
            yield SeriesAxis(axis, entities, n_series, n_instants, False, (*plain.why, why))


def _axis(column: str, frequency: Frequency) -> TimeAxis:
    return TimeAxis(column=column, frequency=frequency, resample=True)


def _is_enough(grid: pl.Series, frequency: Frequency, config: TimeAxisConfig, needed: int) -> bool:
    """Whether there are cells enough; the first and the last one hold only a part."""
    return grid.n_unique() - 2 >= needed and _fills(grid, frequency, config)


def _gathered_entity(
    rows: pl.DataFrame,
    grid: pl.Series,
    frequency: Frequency,
    able: list[str],
    config: TimeAxisConfig,
    needed: int,
) -> tuple[tuple[str, ...], int]:
    """The column with the most values that fill the grid by themselves and hold most rows."""
    best: tuple[int, str] | None = None
    # Two values are a flag that an event gets, not two places where events happen.
    for name in (name for name in able if rows[name].n_unique() > 2):
        cell = pl.DataFrame({"key": rows[name], "cell": grid})
        long = cell.group_by("key").agg(pl.col("cell"), pl.len().alias("n")).sort("key")
        full = [
            n
            for values, n in zip(long["cell"], long["n"], strict=True)
            if values.n_unique() - 2 >= needed and _fills(values, frequency, config)
        ]
        if len(full) >= 2 and sum(full) >= rows.height / 2 and (not best or len(full) > best[0]):
            best = len(full), name
    return ((best[1],), best[0]) if best else ((), 1)


def _fills(grid: pl.Series, frequency: Frequency, config: TimeAxisConfig) -> bool:
    """Whether nearly all cells between the first and the last are there, or step by step."""
    distinct = grid.drop_nulls().unique().sort()
    first, last = distinct[0], distinct[-1]
    full = pl.datetime_range(first, last, FREQUENCIES[frequency].every, eager=True)
    if len(distinct) >= config.covered * len(full):
        return True
    found = _step(pl.DataFrame({"t": distinct, _KEY: 0}), "t")
    return found is not None and found[0] == frequency and found[1] >= config.covered


# --- calendar --------------------------------------------------------------------------------


def is_calendar(values: pl.Series, when: pl.Series) -> bool:
    """Whether a field of the calendar decides the values: weekday, month, `is_weekend`, season.

    A field says something only where each of its values occurs at three instants or more, and the
    week only where years repeat it: a promotion may fill a week.
    """
    table = pl.DataFrame({"v": values, "t": as_instants(when)}).drop_nulls().unique()
    if table["v"].n_unique() < 2:
        return False
    date, distinct = table["t"].dt, table["t"].unique()
    parts = [date.year(), date.quarter(), date.month(), date.day(), date.weekday(), date.hour()]
    weeks = distinct.dt.truncate("1w").n_unique()
    if weeks >= 2 * distinct.dt.week().n_unique():
        parts.append(date.week())
    codes = codes_of(table["v"])
    return any(_decides(codes, part.to_numpy(), len(distinct)) for part in parts)


def _decides(codes: Ints, part: Ints, n_instants: int) -> bool:
    groups = len(np.unique(part))
    if groups < 2 or n_instants < 3 * groups or codes.max() > groups:
        return False
    # Dense codes start at 1.
    return len(np.unique(part.astype(np.int64) * (groups + 1) + codes)) == groups


def year_column(
    frame: pl.DataFrame, judged: Mapping[str, Judged], config: TimeAxisConfig
) -> str | None:
    """A column of calendar years that, with entities, names the rows: series by years.

    A year that merely describes, such as that of a car, names nothing.
    """
    for name, found in judged.items():
        profile = found.column
        if profile.type != "integer" or not mentions(name, YEAR) or profile.n_unique < 5:
            continue
        if not 1_800 <= int(profile.minimum or 0) <= int(profile.maximum or 0) <= 2_100:
            continue
        rows = frame.drop_nulls(name)
        able = _entity_columns(rows, name, judged, config)
        able = [entity for entity in able if entity != name]
        if next(_choices(rows, name, able, config, rows.height // 2), ()):
            return name
    return None

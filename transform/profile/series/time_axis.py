"""The instants that order a table, the grid they lie on, and the series they tell apart.

Takes a frame and the profiles of its columns; returns every `SeriesView` there is, the plainest
first, or the reason why there is none. A table is taken as it is when its instants, alone or with
up to three entity columns, name its rows and step regularly; else as events, which are gathered
into the cells of a grid. Either may be seen on coarser grids too, and with fewer entities. Gaps
such as weekends, nights and holidays are allowed: the grid is what is observed. Not guaranteed:
that anything on a grid can be forecast.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations, islice

import polars as pl

from extract.evidence.vocabulary import YEAR, mentions
from transform.profile.profile import ColumnProfile, SeriesView
from transform.profile.series.calendar_columns import is_calendar
from transform.proposal import Frequency, TimeAxis
from transform.rows.size import SizeConfig
from transform.rows.split import as_instants, cells
from transform.series.frequency import FREQUENCIES, FrequencyFacts

_Columns = Mapping[str, ColumnProfile]
_KEY = " entity"
_HOUR = 3_600
_GATHERED: tuple[Frequency, ...] = ("1d", "1w", "1mo", "1h", "30min", "15min")
"""Grids that rows are gathered into, the plainest first."""
_MAX_MISSING = 0.05
"""Share of rows that may lack an instant; they are in no task that is split by time."""
_UNIQUE_ROWS = 0.99
"""Share of rows that instant and entity must name; the rest are doubled lines."""
_REGULAR = 0.6
"""Share of the steps within a series that must have the commonest length: of five trading days a
week, four steps in five are a day."""
_COVERED = 0.8
"""Events: share of the cells, or of the steps between cells, that must be as on a full grid."""
_MAX_ENTITIES = 500
"""Distinct series beyond which a column does not tell series but events."""
_ENTITY_ROWS = 24
"""Rows of a series on average; with fewer there are no instants to score."""
_ENTITY_COLUMNS = 6
"""Columns among which entities are looked for: up to three of six are 41 sets."""
_AXES = 6
"""Ways to see one table as series that are measured."""
_MIN_YEARS = 5
"""Years that a split by time needs."""
_TIME_COLUMNS = 3
"""Columns of instants, the earliest first, that are tried as an axis."""


def time_columns(frame: pl.DataFrame, columns: _Columns) -> list[str]:
    """Columns of instants that may order the table, the earliest first.

    What begins something stands before what ends it: an outcome is no time axis.
    """
    names = [
        name
        for name, column in columns.items()
        if column.role == "time" and column.missing_share <= _MAX_MISSING
    ]
    # The median, because a first or a last instant may be a typing error.
    middle = {name: as_instants(frame[name]).drop_nulls().sort() for name in names}
    return sorted(names, key=lambda name: middle[name][len(middle[name]) // 2])


def find_axes(
    frame: pl.DataFrame, columns: _Columns, size: SizeConfig
) -> tuple[SeriesView, ...] | str:
    """The axes of the first time column that has one, or why none has."""
    names = time_columns(frame, columns)
    why = "no column of instants is complete enough to be a time axis"
    needed = size.shortest_history + size.min_instants
    for name in names[:_TIME_COLUMNS]:
        when = as_instants(frame[name])
        if when.n_unique() < needed:
            why = f"`{name}` has {when.n_unique()} instants, a forecast needs {needed}"
            continue
        rows = frame.with_columns(when).drop_nulls(name)
        if axes := tuple(islice(_axes(rows, name, columns, needed), _AXES)):
            return axes
        why = f"the instants of `{name}` neither step regularly nor fill a grid"
    return why


def _axes(
    rows: pl.DataFrame,
    time: str,
    columns: _Columns,
    needed: int,
) -> Iterator[SeriesView]:
    able = _entity_columns(rows, time, columns)
    plain = _as_it_is(rows, time, able, needed)
    if plain is None:
        yield from _gathered(rows, time, able, needed)
    else:
        yield plain
        yield from _coarser(rows, plain, needed)


def _entity_columns(rows: pl.DataFrame, time: str, columns: _Columns) -> list[str]:
    """Columns that may name series: few whole or textual values, each with many instants."""
    names = []
    for name, column in columns.items():
        kind = column.type in ("text", "boolean", "integer")
        telling = column.role in ("category", "text", "number")
        complete = column.missing_share <= 0.01
        few = 2 <= column.n_unique <= min(_MAX_ENTITIES, rows.height / _ENTITY_ROWS)
        if kind and telling and complete and few and not is_calendar(rows[name], rows[time]):
            names.append(name)
    # Whole numbers are more often amounts than texts are.
    names.sort(key=lambda name: columns[name].type != "text")
    return names[:_ENTITY_COLUMNS]


# --- as it is --------------------------------------------------------------------------------


def _as_it_is(rows: pl.DataFrame, time: str, able: list[str], needed: int) -> SeriesView | None:
    for entities in _choices(rows, time, able, _MAX_ENTITIES):
        keyed = rows.select(time, _key(entities)).unique().sort(_KEY, time)
        counts = keyed.group_by(_KEY).len()
        n_series = int((counts["len"] >= needed).sum())
        step = _step(keyed, time)
        if n_series < min(2, len(entities) + 1) or step is None or step[1] < _REGULAR:
            continue
        frequency, share = step
        return SeriesView(
            axis=TimeAxis(column=time, frequency=frequency, resample=False),
            entities=entities,
            n_series=n_series,
            n_instants=rows[time].n_unique(),
            is_events=False,
            why=(_says_rows(time, entities, n_series), _says_step(time, frequency, share)),
        )
    return None


def _says_rows(time: str, entities: tuple[str, ...], n_series: int) -> str:
    if not entities:
        return f"`{time}` alone names the rows: one series"
    names = ", ".join(f"`{name}`" for name in entities)
    return f"`{time}` with {names} names the rows: {n_series} series are long enough"


def _says_step(time: str, frequency: Frequency, share: float) -> str:
    return f"`{time}` steps by {frequency} in {share:.0%} of the rows"


def _choices(
    rows: pl.DataFrame, time: str, able: list[str], most: int
) -> Iterator[tuple[str, ...]]:
    """Sets of entity columns that name the rows, the smallest first."""
    # More than three columns that name a series are a table of events.
    for k in range(4):
        fitting = []
        for entities in combinations(able, k):
            n_series = rows.select(entities).n_unique() if entities else 1
            if n_series > most or (entities and n_series < 2):
                continue
            unique = rows.select(time, *entities).n_unique() / rows.height
            if unique >= _UNIQUE_ROWS:
                fitting.append((n_series, entities))
        if fitting:
            yield min(fitting, key=lambda item: item[0])[1]
            return


def _key(entities: tuple[str, ...]) -> pl.Expr:
    return pl.struct(entities).alias(_KEY) if entities else pl.lit(0).alias(_KEY)


def _step(keyed: pl.DataFrame, time: str) -> tuple[Frequency, float] | None:
    """The commonest step within a series that is a grid's, and its share of all steps."""
    gap = pl.col(time).diff().over(_KEY).dt.total_microseconds() / 1e6
    gaps = keyed.select(gap.alias("gap"))["gap"].drop_nulls()
    if gaps.is_empty():
        return None
    counts = [
        (int(gaps.is_between(*_bounds(facts)).sum()), frequency)
        for frequency, facts in FREQUENCIES.items()
    ]
    # Of equal counts the finer grid comes first in the table of frequencies.
    count, frequency = max(counts, key=lambda item: item[0])
    return (frequency, count / len(gaps)) if count else None


def _bounds(facts: FrequencyFacts) -> tuple[float, float]:
    """Shortest and longest step in seconds; an hour is spared for daylight saving."""
    spare = _HOUR if facts.shortest > _HOUR else 0
    return facts.shortest - spare, facts.longest + spare


# --- gathered --------------------------------------------------------------------------------


def _gathered(rows: pl.DataFrame, time: str, able: list[str], needed: int) -> Iterator[SeriesView]:
    """Events on every grid that they fill: told apart by a column where one does, then together."""
    totals = []
    for frequency in _GATHERED:
        grid = cells(rows[time], frequency)
        if not _is_enough(grid, frequency, needed):
            continue
        entities, n_series = _gathered_entity(rows, grid, frequency, able, needed)
        why = f"events of `{time}` fill a grid of {frequency}: {grid.n_unique()} cells"
        total = SeriesView(
            axis=_axis(time, frequency),
            entities=(),
            n_series=1,
            n_instants=grid.n_unique() - 2,
            is_events=True,
            why=(why,),
        )
        if entities:
            each = f"{n_series} values of `{entities[0]}` fill it each by themselves"
            apart = {"entities": entities, "n_series": n_series, "why": (why, each)}
            yield total.model_copy(update=apart)
            totals.append(total)
        else:
            yield total
    # Kept apart first: a sum over places hides what each of them does.
    yield from totals


def _coarser(rows: pl.DataFrame, plain: SeriesView, needed: int) -> Iterator[SeriesView]:
    """The same series on coarser grids, then all or some series together."""
    time, finest = plain.axis.column, FREQUENCIES[plain.axis.frequency].longest
    names = sorted(_GATHERED, key=lambda name: FREQUENCIES[name].longest)
    coarser = [name for name in names if FREQUENCIES[name].shortest > finest]
    choices = [(name, plain.entities) for name in coarser]
    if plain.entities:
        some = combinations(plain.entities, len(plain.entities) - 1)
        together = sorted({*some, ()}, key=lambda entities: (-len(entities), entities))
        grids = (plain.axis.frequency, *coarser[:1])
        choices += [(name, entities) for entities in together for name in grids]
    for frequency, entities in choices:
        grid = cells(rows[time], frequency)
        if not _is_enough(grid, frequency, needed):
            continue
        keyed = rows.select(grid, _key(entities))
        lengths = keyed.group_by(_KEY).agg(pl.col(time).n_unique())[time]
        n_series = int((lengths - 2 >= needed).sum())
        if n_series >= min(2, len(entities) + 1):
            why = f"rows of `{time}` are gathered into a grid of {frequency}"
            yield SeriesView(
                axis=_axis(time, frequency),
                entities=entities,
                n_series=n_series,
                n_instants=grid.n_unique() - 2,
                is_events=False,
                why=(*plain.why, why),
            )


def _axis(time: str, frequency: Frequency) -> TimeAxis:
    return TimeAxis(column=time, frequency=frequency, resample=True)


def _is_enough(grid: pl.Series, frequency: Frequency, needed: int) -> bool:
    """Whether there are cells enough; the first and the last one hold only a part."""
    return grid.n_unique() - 2 >= needed and _fills(grid, frequency)


def _gathered_entity(
    rows: pl.DataFrame,
    grid: pl.Series,
    frequency: Frequency,
    able: list[str],
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
            if values.n_unique() - 2 >= needed and _fills(values, frequency)
        ]
        if len(full) >= 2 and sum(full) >= rows.height / 2 and (not best or len(full) > best[0]):
            best = len(full), name
    return ((best[1],), best[0]) if best else ((), 1)


def _fills(grid: pl.Series, frequency: Frequency) -> bool:
    """Whether nearly all cells between the first and the last are there, or step by step."""
    distinct = grid.drop_nulls().unique().sort()
    first, last = distinct[0], distinct[-1]
    full = pl.datetime_range(first, last, FREQUENCIES[frequency].every, eager=True)
    if len(distinct) >= _COVERED * len(full):
        return True
    step = _step(pl.DataFrame({"t": distinct, _KEY: 0}), "t")
    return step is not None and step[0] == frequency and step[1] >= _COVERED


def year_column(frame: pl.DataFrame, columns: _Columns) -> str | None:
    """A column of calendar years that, with entities, names the rows: series by years.

    A year that merely describes, such as that of a car, names nothing.
    """
    for name, column in columns.items():
        if column.type != "integer" or not mentions(name, YEAR) or column.n_unique < _MIN_YEARS:
            continue
        # As texts they may be cut, but whole numbers never are.
        if not 1_800 <= int(column.minimum or 0) <= int(column.maximum or 0) <= 2_100:
            continue
        rows = frame.drop_nulls(name)
        able = [entity for entity in _entity_columns(rows, name, columns) if entity != name]
        if next(_choices(rows, name, able, rows.height // 2), ()):
            return name
    return None

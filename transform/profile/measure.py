"""Measures a dataset before anybody proposes: the columns of every table, and what may be asked.

Takes a dataset; returns its `Profile`. Every table is profiled by its columns; of the largest that
share no rows, series, targets and what gives them away are measured too, on samples and on the past
that is surely not held out. Same data, same profile. Nothing is chosen here: what is measured
serves every proposer, and the checks of its proposals. Not guaranteed: that what was measured on a
sample holds for all rows.
"""

import numpy as np
import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.evidence.near_duplicates.distinct_tables import DistinctTable, distinct_tables
from extract.store import Store
from extract.stored_table import located, read_stored
from transform.profile.columns import profile_columns
from transform.profile.groups import find_group
from transform.profile.identities import copies
from transform.profile.matrix import Floats, SampledMatrix, encode
from transform.profile.profile import (
    MOST_FORECASTS,
    ColumnNote,
    Copies,
    Findings,
    Profile,
    SeriesView,
    TableProfile,
)
from transform.profile.series.calendar_columns import is_calendar
from transform.profile.series.candidate_series import candidate_series
from transform.profile.series.known_covariates import known_covariates
from transform.profile.series.time_axis import find_axes, time_columns, year_column
from transform.profile.signal import SAMPLED_ROWS, held_out
from transform.profile.targets import (
    MIN_FEATURES,
    TargetConfig,
    TargetTable,
    candidate_targets,
    prior,
    target_sets,
)
from transform.proposal import Proposal
from transform.rows.split import Splitting, as_instants, split_rows

_NEARLY = 0.6
"""Share of the best view's value from which a plainer one is taken: people ask about days."""
_MAX_COLUMNS = 60
"""Columns of a wide table among which targets and features are looked for; the time it takes grows
with their square."""


class ProfileConfig(TargetConfig):
    """What is measured."""

    tables: int = Field(default=2, ge=1)
    """Tables of a dataset that are looked at, the largest first."""


def profile(
    raw: RawDataset, config: ProfileConfig | None = None, splitting: Splitting | None = None
) -> Profile:
    """The profile of all tables, with findings for up to `config.tables` that share no rows.

    `splitting` says how rows will be held out, and how many a task needs.
    """
    config, splitting = config or ProfileConfig(), splitting or Splitting()
    chosen = distinct_tables(raw.tables)[: config.tables]
    by_name = {item.table.name: item for item in chosen}
    tables = []
    for table in raw.tables:
        item = by_name.get(table.name)
        columns = profile_columns(table, item.frame if item else read_stored(table))
        findings = _Measurement(raw, item, columns, config, splitting).findings() if item else None
        tables.append(columns.model_copy(update={"findings": findings}))
    return Profile(dataset=raw.ref, tables=tuple(tables), looked_at=tuple(by_name))


def stored_profile(
    raw: RawDataset, config: ProfileConfig, splitting: Splitting, store: Store
) -> Profile:
    """The same of a dataset as it travels, its tables in the store."""
    return profile(located(raw, store), config, splitting)


class _Measurement:
    """One table on its way to its findings."""

    def __init__(
        self,
        raw: RawDataset,
        chosen: DistinctTable,
        table: TableProfile,
        config: ProfileConfig,
        splitting: Splitting,
    ) -> None:
        self.raw, self.chosen, self.table = raw, chosen, table
        self.config, self.splitting = config, splitting
        self.frame, self.columns = chosen.frame, table.by_name
        self.title = f"{raw.title} {raw.subtitle} {raw.ref.slug}"

    def findings(self) -> Findings:
        """All that is measured of the table beyond its columns."""
        views, why = self._views()
        preferred = _preferred(views) if views else None
        view = None if preferred is None else views[preferred]
        time = view.axis.column if view and view.worth else self._split_column()
        # Rows that are split by time may not be split by group as well.
        group = None if time else find_group(self.frame, self.table)
        beside = _beside(view, self.table) if view else []
        targets = self._target_table(view, time, group, beside)
        candidates = candidate_targets(targets, beside) if targets else ()
        return Findings(
            shares_rows_with=self.chosen.instead_of,
            views=views,
            no_view=why,
            preferred=preferred,
            split_column=time,
            group_column=group,
            compared=targets.matrix.names if targets else (),
            copies=_copies(targets) if targets else (),
            candidates=candidates,
            target_sets=target_sets(targets, candidates, beside) if targets else (),
        )

    # --- series ------------------------------------------------------------------------------

    def _views(self) -> tuple[tuple[SeriesView, ...], str]:
        """Ways to see the table as series until one has enough worth forecasting, or why none."""
        axes = find_axes(self.frame, self.columns, self.splitting.size)
        if isinstance(axes, str):
            return (), axes
        constant = self._constant({name for axis in axes for name in axis.entities})
        views = []
        for axis in axes:
            view = self._with_known_covariates(axis)
            series = candidate_series(self.frame, self.columns, view, constant, self.splitting.size)
            views.append(view.model_copy(update={"series": series}))
            # The plainest come first; coarser ones need not be measured when this one will do.
            if views[-1].n_likely >= MOST_FORECASTS:
                break
        return tuple(views), ""

    def _with_known_covariates(self, view: SeriesView) -> SeriesView:
        axis = view.axis
        keys = frozenset({axis.column, *view.entities})
        notes = known_covariates(self.frame, self.columns, axis.column, keys)
        # Labels have no aggregate.
        notes = tuple(
            note for note in notes if not axis.resample or self.columns[note.name].role == "number"
        )
        return view.model_copy(update={"known_covariates": notes})

    def _constant(self, entities: set[str]) -> frozenset[str]:
        """Columns that describe a series: with its past, nothing is left to predict."""
        dependencies = self.table.dependencies
        return frozenset(d.dependent for d in dependencies if d.determinant in entities) - entities

    def _split_column(self) -> str | None:
        """The first column of instants, or of years, by which the table can be split."""
        times = time_columns(self.frame, self.columns)
        years = year_column(self.frame, self.columns)
        return next((name for name in (*times, years) if name and self._can_split(name)), None)

    def _can_split(self, column: str) -> bool:
        probe = Proposal(
            dataset=self.raw.ref,
            table=self.table.name,
            problem="regression",
            targets=(column,),
            features=(),
            split_column=column,
            reasons=(),
            proposer="profile",
        )
        return not isinstance(split_rows(self.frame, [probe], self.splitting), Drop)

    # --- targets -----------------------------------------------------------------------------

    def _target_table(
        self, view: SeriesView | None, time: str | None, group: str | None, beside: list[str]
    ) -> TargetTable | None:
        """What targets are measured by; None when there are too few columns."""
        names = self._promising(group, beside)
        if len(names) <= MIN_FEATURES:
            return None
        key = self.chosen.table.sha256
        matrix = encode(self.frame, names, SAMPLED_ROWS, key)
        groups = encode(self.frame, [group], SAMPLED_ROWS, key).codes[:, 0] if group else None
        order = self._order(time, matrix)
        entities = frozenset(view.entities if view else ())
        no_targets = self._calendar() | self._constant(set(entities))
        no_targets |= {note.name for note in view.known_covariates} if view else set()
        # The rows to forecast name their series, so a sibling must not ask for it.
        no_targets |= entities if beside else frozenset()
        # Also of columns that are no candidates: another proposer may ask for them.
        asked = [n for n in names if self.columns[n].target_kind or n in beside]
        return TargetTable(
            matrix=matrix,
            columns=self.columns,
            test=held_out(matrix, order, groups, key),
            title=self.title,
            no_targets=no_targets,
            entities=entities,
            copies={name: copies(matrix, name) for name in asked},
            config=self.config,
        )

    def _promising(self, group: str | None, beside: list[str]) -> list[str]:
        """All usable columns, of a wide table the most promising."""
        names = [n for n, column in self.columns.items() if column.usable and n != group]
        rank = {
            n: (-prior(self.columns, n, self.title), self.columns[n].missing_share) for n in names
        }
        best = sorted(names, key=lambda name: (name not in beside, rank[name]))
        kept = set(best[:_MAX_COLUMNS])
        return [name for name in names if name in kept]

    def _calendar(self) -> frozenset[str]:
        """Columns that a field of one of the table's instants decides."""
        frame = self.frame
        times = [name for name, column in self.columns.items() if column.role == "time"]
        usable = [n for n, column in self.columns.items() if column.usable and n not in times]
        return frozenset(n for n in usable if any(is_calendar(frame[n], frame[t]) for t in times))

    def _order(self, time: str | None, matrix: SampledMatrix) -> Floats | None:
        """Instants of the sampled rows as numbers, NaN where missing; None without a time axis."""
        if time is None:
            return None
        when = as_instants(self.frame[time])[matrix.rows.tolist()].to_physical().cast(pl.Float64)
        return np.asarray(when.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _copies(targets: TargetTable) -> tuple[Copies, ...]:
    return tuple(
        Copies(of=name, columns=tuple(ColumnNote(name=n, why=why) for n, why in same.items()))
        for name, same in targets.copies.items()
        if same
    )


def _preferred(views: tuple[SeriesView, ...]) -> int:
    """Place of the plainest view that is nearly as good as the best, with something to forecast."""
    most = max(view.value for view in views)
    good = [place for place, view in enumerate(views) if view.value >= _NEARLY * most]
    return next((place for place in good if views[place].worth), good[0])


def _beside(view: SeriesView, table: TableProfile) -> list[str]:
    """Series that are forecast beside predictions of single rows.

    Amounts add up to a series; other events are there to be predicted one by one first.
    """
    names = [series.name for series in view.worth]
    if view.is_events and not view.known_covariates:
        return [name for name in names if table.column(name).aggregation == "sum"][:1]
    return names[:MOST_FORECASTS]

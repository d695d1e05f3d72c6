"""The proposer that works offline: rules and small looks at the data, no language model.

A dataset and its profile enter; proposals with their reasons leave, or a `Drop`. Per table: judge
the columns, look for series worth forecasting, choose targets worth predicting with the features
that leave them room, and keep what the one split of the table can serve. Same data, same proposals.
Not guaranteed: that a proposal makes sense to a person, or passes the gates.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import polars as pl
from pydantic import Field

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.evidence.near_duplicates.distinct_tables import DistinctTable, distinct_tables
from extract.noun import Noun
from transform.profile import Profile, TableProfile
from transform.proposal import Aggregation, Feature, FeatureType, Proposal
from transform.propose.feasible import shortage
from transform.propose.groups import GroupsConfig, find_group
from transform.propose.known_covariates import known_covariates
from transform.propose.matrix import Floats, encode
from transform.propose.roles import Judged, Role, RoleConfig, judge
from transform.propose.series import SeriesConfig, SeriesTarget, aggregation, series_targets
from transform.propose.signal import held_out
from transform.propose.targets import (
    Look,
    Prospect,
    TargetsConfig,
    choose_targets,
    pair_targets,
    prior,
)
from transform.propose.time_axis import (
    SeriesAxis,
    TimeAxisConfig,
    find_axes,
    is_calendar,
    time_columns,
    year_column,
)
from transform.rows.split import Splitting, instants, split_rows

_TYPES: dict[Role, FeatureType] = {"number": "number", "category": "category", "time": "time"}
_LEFT_OUT = 12
"""Columns left out that a proposal names; more are counted."""
_NEARLY = 0.6
"""Share of the best axis' value from which a plainer one is taken."""
_MOSTLY = 0.75
"""Share of past origins at which a model must have told something, for instructions alone."""


class HeuristicConfig(Noun):
    """How much is proposed, and the thresholds of each look."""

    tables: int = Field(default=2, ge=1)
    """Tables of a dataset at most, the largest first."""
    forecasts: int = Field(default=3, ge=0)
    """Forecasting proposals per table at most."""
    likely: float = Field(default=0.5, ge=0, le=1)
    """Share of past origins at which a forecast must have been worth a task."""
    several_targets: bool = True
    """Whether one more proposal predicts two numbers at once, where a table has two."""
    max_columns: int = Field(default=60, ge=2)
    """Columns of a wide table that are looked at."""
    max_history: int = Field(default=30, ge=0)
    """Other columns of the history that a forecast ships, the most complete first."""
    roles: RoleConfig = RoleConfig()
    groups: GroupsConfig = GroupsConfig()
    time_axis: TimeAxisConfig = TimeAxisConfig()
    series: SeriesConfig = SeriesConfig()
    targets: TargetsConfig = TargetsConfig()


@dataclass(frozen=True)
class _Bench:
    """One table and what is known about it so far."""

    raw: RawDataset
    chosen: DistinctTable
    profile: TableProfile
    judged: Mapping[str, Judged]
    seen: SeriesAxis | str
    ahead: Mapping[str, str]
    """Covariates known in advance, with why."""
    time: str | None
    """Column by which rows are split."""
    group: str | None

    @property
    def frame(self) -> pl.DataFrame:
        return self.chosen.frame

    @property
    def is_events(self) -> bool:
        """Whether rows are gathered into cells rather than being cells."""
        return isinstance(self.seen, SeriesAxis) and self.seen.is_events

    @property
    def usable(self) -> tuple[str, ...]:
        """Columns that tasks may ship, in table order."""
        return tuple(name for name, column in self.judged.items() if column.usable)


@dataclass(frozen=True)
class HeuristicProposer:
    """Proposes by rules."""

    config: HeuristicConfig = field(default_factory=HeuristicConfig)
    splitting: Splitting = field(default_factory=Splitting)
    name: ClassVar[str] = "heuristic-1"

    def propose(self, raw: RawDataset, profile: Profile) -> tuple[Proposal, ...] | Drop:
        """Proposals for up to `config.tables` tables that share no rows."""
        found: list[Proposal] = []
        why: list[str] = []
        for chosen in distinct_tables(raw.tables)[: self.config.tables]:
            proposals, refused = self._table(raw, chosen, profile.table(chosen.table.name))
            found += proposals
            why += [f"table {chosen.table.name!r}: {reason}" for reason in refused]
        if found:
            return tuple(found)
        detail = "; ".join(why) or "the dataset has no table"
        return Drop(
            key=raw.ref.key,
            source=raw.ref.key,
            room="transform",
            reason=Reason.NO_PROPOSAL,
            detail=detail,
            evidence=detail,
        )

    def _table(
        self, raw: RawDataset, chosen: DistinctTable, profile: TableProfile
    ) -> tuple[tuple[Proposal, ...], list[str]]:
        """Proposals of one table that its split can serve, and why others were left out."""
        bench, series = self._bench(raw, chosen, profile)
        ahead = bench.ahead
        if bench.is_events and not ahead:
            # Amounts add up to a series; other events are there to be predicted one by one first.
            sums = [t.name for t in series if aggregation(bench.judged[t.name]) == "sum"]
            predictions = self._predictions(bench, sums[:1], frozenset(ahead))
            series = _unused(series, predictions)[: self.config.forecasts]
        else:
            series = series[: self.config.forecasts]
            names = [target.name for target in series]
            predictions = self._predictions(bench, names, frozenset(ahead))
        proposals = [*predictions, *(self._forecast(bench, target, ahead) for target in series)]
        refused = [bench.seen] if isinstance(bench.seen, str) else []
        if not proposals:
            refused.append("no column is worth predicting from the others")
        return self._served(chosen, proposals, refused)

    def _bench(
        self, raw: RawDataset, chosen: DistinctTable, profile: TableProfile
    ) -> tuple[_Bench, tuple[SeriesTarget, ...]]:
        """What is known about a table, and what may be forecast in it."""
        config, frame = self.config, chosen.frame
        judged = judge(profile, config.roles)
        seen, ahead, series = self._seen_as_series(frame, profile, judged)
        time = seen.axis.column if isinstance(seen, SeriesAxis) and series else None
        if time is None:
            times = time_columns(frame, judged, config.time_axis.max_missing)
            years = year_column(frame, judged, config.time_axis)
            able = [name for name in (*times, years) if name and self._divides(raw, chosen, name)]
            time = able[0] if able else None
        group = None if time else find_group(frame, profile, config.groups)
        return _Bench(raw, chosen, profile, judged, seen, ahead, time, group), series

    def _seen_as_series(
        self, frame: pl.DataFrame, profile: TableProfile, judged: Mapping[str, Judged]
    ) -> tuple[SeriesAxis | str, Mapping[str, str], tuple[SeriesTarget, ...]]:
        """The plainest axis that is nearly as good as the best, what is known ahead, targets.

        Good is where several targets are likely worth a task. Where none is, one that can be learnt
        still serves instructions.
        """
        config, size = self.config, self.splitting.size
        axes = find_axes(frame, judged, config.time_axis, size)
        if isinstance(axes, str):
            return axes, {}, ()
        fixed = _fixed(profile, {name for seen in axes for name in seen.entities})
        looks = []
        for seen in axes:
            ahead = _known_covariates(frame, judged, seen)
            found = series_targets(frame, judged, seen, ahead, fixed, config.series, size)
            worth = tuple(target for target in found if target.likely >= config.likely)
            value = sum(target.likely for target in worth[: config.forecasts])
            looks.append((value, seen, ahead, worth or _learnt(found)[:1]))
            if len(worth) >= config.forecasts:
                break
        most = max(value for value, *_ in looks)
        good = [look for look in looks if look[0] >= _NEARLY * most]
        _, seen, ahead, series = next((look for look in good if look[-1]), good[0])
        return seen, ahead, series

    def _divides(self, raw: RawDataset, chosen: DistinctTable, column: str) -> bool:
        """Whether the table can be split at an instant of the column."""
        probe = Proposal(
            dataset=raw.ref,
            table=chosen.table.name,
            problem="regression",
            targets=(column,),
            features=(),
            split_column=column,
            reasons=(),
            proposer=self.name,
        )
        return not isinstance(
            split_rows(chosen.frame, [probe], self.splitting, chosen.table.sha256), Drop
        )

    def _served(
        self, chosen: DistinctTable, proposals: list[Proposal], refused: list[str]
    ) -> tuple[tuple[Proposal, ...], list[str]]:
        """Proposals that have enough on both sides of the split that they themselves define."""
        while proposals:
            split = split_rows(chosen.frame, proposals, self.splitting, chosen.table.sha256)
            if isinstance(split, Drop):
                return (), [*refused, split.detail.partition(": ")[2]]
            short = [shortage(chosen.frame, p, split, self.splitting.size) for p in proposals]
            refused += [
                f"{p.problem} of {', '.join(p.targets)}: {why}"
                for p, why in zip(proposals, short, strict=True)
                if why
            ]
            if not any(short):
                break
            proposals = [p for p, why in zip(proposals, short, strict=True) if not why]
        return tuple(proposals), refused

    # --- predictions -------------------------------------------------------------------------

    def _predictions(
        self, bench: _Bench, forecast: Sequence[str], ahead: frozenset[str]
    ) -> tuple[Proposal, ...]:
        """Classifications and regressions, then one regression of two targets."""
        config = self.config.targets
        names = self._columns(bench, forecast)
        if len(names) <= config.min_features:
            return ()
        key = bench.chosen.table.sha256
        matrix = encode(bench.frame, names, config.signal.rows, key)
        groups = None
        if bench.group:
            groups = encode(bench.frame, [bench.group], config.signal.rows, key).codes[:, 0]
        order = _order(bench, matrix.rows.tolist())
        test = held_out(matrix, order, groups, key, config.signal)
        fixed = ahead | self._calendar(bench) | self._constant_in_series(bench)
        entities = frozenset(bench.seen.entities if isinstance(bench.seen, SeriesAxis) else ())
        # The rows to forecast name their series, so a sibling must not ask for it.
        fixed |= entities if forecast else frozenset()
        look = Look(matrix, bench.judged, test, _title(bench), fixed, entities, config)
        prospects = choose_targets(look, forecast)
        found = [self._prediction(bench, (prospect,), prospect.features) for prospect in prospects]
        several = pair_targets(look, prospects) if self.config.several_targets else ()
        if several:
            shared = tuple(n for n in several[0].features if n in several[1].features)
            found.append(self._prediction(bench, several, shared))
        return tuple(found)

    def _columns(self, bench: _Bench, forecast: Sequence[str]) -> list[str]:
        """Columns that predictions look at: all usable ones, of a wide table the most promising."""
        title = _title(bench)
        names = [name for name in bench.usable if name != bench.group]
        rank = {
            n: (-prior(bench.judged, n, title), bench.judged[n].column.missing_share) for n in names
        }
        best = sorted(names, key=lambda name: (name not in forecast, rank[name]))
        kept = set(best[: self.config.max_columns])
        return [name for name in names if name in kept]

    def _calendar(self, bench: _Bench) -> frozenset[str]:
        """Columns that a field of one of the table's instants decides."""
        times = [name for name, column in bench.judged.items() if column.role == "time"]
        frame, plain = bench.frame, [name for name in bench.usable if name not in times]
        return frozenset(n for n in plain if any(is_calendar(frame[n], frame[t]) for t in times))

    def _constant_in_series(self, bench: _Bench) -> frozenset[str]:
        """Columns that describe a series: with its past, nothing is left to predict."""
        if not isinstance(bench.seen, SeriesAxis):
            return frozenset()
        return _fixed(bench.profile, bench.seen.entities)

    def _prediction(
        self, bench: _Bench, prospects: Sequence[Prospect], names: Sequence[str]
    ) -> Proposal:
        metric = "macro-F1" if prospects[0].kind == "classification" else "R²"
        reasons = [
            f"`{one.target}` is learnt by a small forest: {metric} {one.score:.2f} on other rows"
            for one in prospects
        ]
        dropped = {name: why for prospect in prospects for name, why in prospect.dropped.items()}
        return Proposal(
            dataset=bench.raw.ref,
            table=bench.chosen.table.name,
            problem=prospects[0].kind,
            targets=tuple(prospect.target for prospect in prospects),
            features=_features(bench, names),
            split_column=bench.time,
            group_column=bench.group,
            reasons=(*reasons, *_says_split(bench), *dropped.values(), *_says_left_out(bench)),
            proposer=self.name,
        )

    # --- forecasts ---------------------------------------------------------------------------

    def _forecast(self, bench: _Bench, target: SeriesTarget, ahead: Mapping[str, str]) -> Proposal:
        seen = bench.seen
        assert isinstance(seen, SeriesAxis)
        taken = {seen.axis.column, *seen.entities, target.name}
        names = [name for name in bench.usable if name not in taken]
        how: tuple[tuple[str, Aggregation], ...] = ()
        if seen.axis.resample:
            names = [name for name in names if bench.judged[name].role == "number"]
        names = self._history(bench, names, ahead)
        if seen.axis.resample:
            how = tuple((n, aggregation(bench.judged[n])) for n in (target.name, *names))
        reasons = (
            *seen.why,
            f"a ridge on the past of `{target.name}` has room: R² {target.room:.2f} above simple "
            f"forecasts, in {target.likely:.0%} of past horizons",
            *ahead.values(),
        )
        return Proposal(
            dataset=bench.raw.ref,
            table=bench.chosen.table.name,
            problem="forecasting",
            targets=(target.name,),
            features=_features(bench, names),
            time=seen.axis,
            entities=seen.entities,
            known_covariates=tuple(ahead),
            aggregations=how,
            horizon=target.horizon,
            reasons=(*reasons, *_says_left_out(bench)),
            proposer=self.name,
        )

    def _history(self, bench: _Bench, names: list[str], ahead: Mapping[str, str]) -> list[str]:
        missing = {name: bench.judged[name].column.missing_share for name in names}
        best = sorted(names, key=lambda name: (name not in ahead, missing[name]))
        kept = set(best[: self.config.max_history])
        return [name for name in names if name in kept]


def _known_covariates(
    frame: pl.DataFrame, judged: Mapping[str, Judged], seen: SeriesAxis
) -> dict[str, str]:
    axis = seen.axis
    found = known_covariates(frame, judged, axis.column, frozenset({axis.column, *seen.entities}))
    # Labels have no aggregate.
    return {n: why for n, why in found.items() if not axis.resample or judged[n].role == "number"}


def _fixed(profile: TableProfile, entities: Collection[str]) -> frozenset[str]:
    found = profile.dependencies
    return frozenset(d.dependent for d in found if d.determinant in entities) - {*entities}


def _learnt(found: Sequence[SeriesTarget]) -> tuple[SeriesTarget, ...]:
    """Targets that a model mostly tells something about, the best first."""
    some = [target for target in found if target.learnt >= _MOSTLY]
    return tuple(sorted(some, key=lambda target: -round(target.learnt, 6)))


def _unused(
    series: Sequence[SeriesTarget], predictions: Sequence[Proposal]
) -> tuple[SeriesTarget, ...]:
    """Series whose values no prediction ships with the held-out rows."""
    used = {feature.name for proposal in predictions for feature in proposal.features}
    return tuple(target for target in series if target.name not in used)


def _title(bench: _Bench) -> str:
    return f"{bench.raw.title} {bench.raw.subtitle} {bench.raw.ref.slug}"


def _order(bench: _Bench, rows: list[int]) -> Floats | None:
    """Instants of the sampled rows as numbers, NaN where missing; None for an unordered table."""
    if bench.time is None:
        return None
    when = instants(bench.frame[bench.time])[rows].to_physical().cast(pl.Float64)
    return np.asarray(when.fill_null(float("nan")).to_numpy(), dtype=np.float64)


def _features(bench: _Bench, names: Sequence[str]) -> tuple[Feature, ...]:
    return tuple(Feature(name=name, type=_TYPES[bench.judged[name].role]) for name in names)


def _says_split(bench: _Bench) -> tuple[str, ...]:
    if bench.time:
        return (f"rows are split by `{bench.time}`, the time axis of the table",)
    if bench.group:
        return (f"rows are split by `{bench.group}`, whose values determine other columns",)
    return ()


def _says_left_out(bench: _Bench) -> tuple[str, ...]:
    """Columns of no use and tables that share rows, each with why, bounded."""
    lost = [f"`{n}` is left out: {c.why}" for n, c in bench.judged.items() if not c.usable]
    if len(lost) > _LEFT_OUT:
        lost = [*lost[:_LEFT_OUT], f"{len(lost) - _LEFT_OUT} more columns are left out"]
    twins = bench.chosen.instead_of
    names = ", ".join(twins[:_LEFT_OUT])
    return (
        *lost,
        *([f"tables that share rows with this one are not used: {names}"] if twins else []),
    )

"""The proposer that works offline: rules over what was measured, no language model.

Takes a profile; returns proposals with their reasons, or a `Drop`. Per table: the forecasts that
are likely worth a task, and the largest set of targets that go together beside them. Same profile,
same proposals. Not guaranteed: that a proposal makes sense to a person, or passes the gates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from extract.drop import Drop, Reason
from extract.noun import Noun
from transform.profile.profile import (
    MOST_FORECASTS,
    MOST_TARGETS,
    CandidateSeries,
    CandidateTarget,
    Findings,
    Profile,
    Role,
    SeriesView,
    TableProfile,
)
from transform.proposal import Aggregation, Feature, FeatureType, Proposal

if TYPE_CHECKING:
    from extract.evidence.evidence import SourceEvidence

_TYPES: dict[Role, FeatureType] = {"number": "number", "category": "category", "time": "time"}
_NAMED = 12
"""Columns left out that a proposal names; more are counted."""
_MAX_HISTORY = 30
"""Other columns of the history that a forecast ships, the most complete first."""
_VERSION = "heuristic-1"


class ProposeConfig(Noun):
    """How much is proposed."""

    targets: int = Field(default=5, ge=0, le=MOST_TARGETS)
    """Single targets per table at most."""
    forecasts: int = Field(default=3, ge=0, le=MOST_FORECASTS)
    """Forecasting proposals per table at most."""
    several_targets: bool = True
    """Whether one more proposal predicts two numbers at once, where a table has two."""


@dataclass(frozen=True)
class HeuristicProposer:
    """Proposes by rules."""

    config: ProposeConfig = field(default_factory=ProposeConfig)
    name: ClassVar[str] = _VERSION

    def propose(
        self, profile: Profile, evidence: "SourceEvidence | None" = None
    ) -> tuple[Proposal, ...] | Drop:
        """Proposals for all tables with findings; what the source says changes none."""
        # Rules judge by data; a language model will read what the source says.
        del evidence
        proposals: list[Proposal] = []
        why: list[str] = []
        for name in profile.looked_at:
            table = profile.table(name)
            assert table.findings is not None
            of_table = tuple(_Table(profile, table, table.findings, self.config).proposals())
            proposals += of_table
            if not of_table:
                why += [f"table {name!r}: {reason}" for reason in _refusals(table.findings)]
        return tuple(proposals) or _nothing(profile, "; ".join(why))


def _refusals(findings: Findings) -> list[str]:
    no_target = "no column is worth predicting from the others"
    return [findings.no_view, no_target] if findings.no_view else [no_target]


def _nothing(profile: Profile, why: str) -> Drop:
    key, detail = profile.dataset.key, why or "the dataset has no table"
    return Drop(
        key=key,
        source=key,
        room="transform",
        reason=Reason.NO_PROPOSAL,
        detail=detail,
        evidence=detail,
    )


@dataclass(frozen=True)
class _Table:
    """One table, and what is said about it in every proposal."""

    profile: Profile
    table: TableProfile
    findings: Findings
    config: ProposeConfig

    def proposals(self) -> Iterator[Proposal]:
        """Predictions, then forecasts."""
        predictions = tuple(self._predictions())
        yield from predictions
        view = self.findings.view
        if view:
            # Held-out rows of events ship the values that a later cell of the grid adds up.
            used = {feature.name for proposal in predictions for feature in proposal.features}
            shown = used if view.is_events and not view.known_covariates else set()
            series = [one for one in view.worth if one.name not in shown]
            yield from (self._forecast(view, one) for one in series[: self.config.forecasts])

    # --- predictions -------------------------------------------------------------------------

    def _predictions(self) -> Iterator[Proposal]:
        """Classifications and regressions, then one regression of two targets."""
        sets = self.findings.target_sets[: self.config.targets]
        if not sets:
            return
        for target in sets[-1].targets:
            yield self._prediction((target,), target.features)
        if pair := sets[-1].pair * self.config.several_targets:
            shared = tuple(name for name in pair[0].features if name in pair[1].features)
            yield self._prediction(pair, shared)

    def _prediction(self, targets: Sequence[CandidateTarget], names: Sequence[str]) -> Proposal:
        metric = "macro-F1" if targets[0].kind == "classification" else "R²"
        learnt = [
            f"`{one.target}` is learnt by a small forest: {metric} {one.score:.2f} on other rows"
            for one in targets
        ]
        dropped = {note.name: note.why for target in targets for note in target.dropped}
        return Proposal(
            dataset=self.profile.dataset,
            table=self.table.name,
            problem=targets[0].kind,
            targets=tuple(target.target for target in targets),
            features=self._features(names),
            split_column=self.findings.split_column,
            group_column=self.findings.group_column,
            reasons=(*learnt, *self._says_split(), *dropped.values(), *self._says_left_out()),
            proposer=_VERSION,
        )

    # --- forecasts ---------------------------------------------------------------------------

    def _forecast(self, view: SeriesView, series: CandidateSeries) -> Proposal:
        names = self._history(view, series.name)
        aggregations: tuple[tuple[str, Aggregation], ...] = ()
        if view.axis.resample:
            summed = (series.name, *names)
            aggregations = tuple((name, self.table.column(name).aggregation) for name in summed)
        room = (
            f"a ridge on the past of `{series.name}` has room: R² {series.room:.2f} above simple "
            f"forecasts, in {series.likely:.0%} of past horizons"
        )
        known = view.known_covariates
        return Proposal(
            dataset=self.profile.dataset,
            table=self.table.name,
            problem="forecasting",
            targets=(series.name,),
            features=self._features(names),
            time=view.axis,
            entities=view.entities,
            known_covariates=tuple(note.name for note in known),
            aggregations=aggregations,
            horizon=series.horizon,
            reasons=(*view.why, room, *(note.why for note in known), *self._says_left_out()),
            proposer=_VERSION,
        )

    def _history(self, view: SeriesView, target: str) -> list[str]:
        """Columns that a forecast ships beside its target, known covariates first."""
        taken = {view.axis.column, *view.entities, target}
        columns = [c for c in self.table.columns if c.usable and c.name not in taken]
        if view.axis.resample:
            # Labels have no aggregate.
            columns = [column for column in columns if column.role == "number"]
        known = {note.name for note in view.known_covariates}
        best = sorted(columns, key=lambda column: (column.name not in known, column.missing_share))
        kept = {column.name for column in best[:_MAX_HISTORY]}
        return [column.name for column in columns if column.name in kept]

    # --- reasons -----------------------------------------------------------------------------

    def _features(self, names: Sequence[str]) -> tuple[Feature, ...]:
        return tuple(Feature(name=n, type=_TYPES[self.table.column(n).role]) for n in names)

    def _says_split(self) -> tuple[str, ...]:
        time, group = self.findings.split_column, self.findings.group_column
        if time:
            return (f"rows are split by `{time}`, the time axis of the table",)
        if group:
            return (f"rows are split by `{group}`, whose values determine other columns",)
        return ()

    def _says_left_out(self) -> tuple[str, ...]:
        """Columns of no use and tables that share rows, each with why, bounded."""
        unused = [column for column in self.table.columns if not column.usable]
        lost = [f"`{column.name}` is left out: {column.role_reason}" for column in unused[:_NAMED]]
        if len(unused) > _NAMED:
            lost.append(f"{len(unused) - _NAMED} more columns are left out")
        same = ", ".join(self.findings.shares_rows_with[:_NAMED])
        if same:
            lost.append(f"tables that share rows with this one are not used: {same}")
        return tuple(lost)

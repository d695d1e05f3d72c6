"""Which columns of a table are worth predicting from which others.

Takes a matrix and the roles of its columns; returns candidate targets, and sets of them that go
together. What a target's features give away is left out first: copies, terms of identities,
whatever predicts it alone. Targets of one table are measured side by side, because a target of one
task may not be a feature of another: the held-out rows of both are the same. Not guaranteed: room
under another model than the forest looked at.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field

from extract.evidence.vocabulary import LIKELY, TARGET, mentions, words
from extract.noun import Noun
from transform.profile.identities import identities
from transform.profile.matrix import SampledMatrix
from transform.profile.profile import (
    MOST_TARGETS,
    CandidateTarget,
    ColumnNote,
    ColumnProfile,
    TargetKind,
    TargetSet,
)
from transform.profile.signal import Signal, forest_signal, single_feature_signal

MIN_FEATURES = 2
"""With one feature there is nothing to model."""
_MOST_OF_A_KIND = 3
"""Classifications and regressions in one set at most each, so that both come to their right."""
_CANDIDATES = 10
"""Columns that are measured, by their names and places; each takes a few forests."""
_SUSPICIOUS = 0.85
"""Score of the forest below which no feature can be said to give the target away."""
_MAX_SINGLE_FEATURE_SCORE = 0.95
"""Score of one feature above which it is left out."""
_SUSPECTS = 3
"""Features that are tried alone, the weightiest."""
_KEPT_SKILL = 0.6
"""Share of its skill that a target must keep when other targets stop being its features."""
_LEFT_OUT = 5
"""Features that may be left out because they give too much away; with more, the table does."""
_ENOUGH_SKILL = 0.5
"""Skill beyond which a target is not the better for more."""
_PRIOR_WEIGHT = 0.2
"""Skill that one hint of the name, place or title counts for."""


class TargetConfig(Noun):
    """What a target worth predicting looks like."""

    max_features: int = Field(default=30, ge=2)
    """Of more, those that a forest weighs most."""
    min_skill: float = Field(default=0.1, ge=0, lt=1)
    """Skill of the forest below which there is too little to learn."""
    max_score: float = Field(default=0.97, gt=0, le=1)
    """Score of the forest above which something gives the target away."""


@dataclass(frozen=True)
class TargetTable:
    """All that candidate targets of one table are measured by."""

    matrix: SampledMatrix
    columns: Mapping[str, ColumnProfile]
    """Columns of the matrix and others."""
    test: npt.NDArray[np.bool_]
    """Rows of the matrix on which forests are scored."""
    title: str
    """What the dataset calls itself; a column that occurs in it is a likelier target."""
    no_targets: frozenset[str]
    """Columns that may only be features: parts of the date, known covariates."""
    entities: frozenset[str]
    """Columns that name series: possible targets, but poor ones."""
    copies: Mapping[str, Mapping[str, str]]
    """Columns that alone tell a column, each with why, for every column that may be predicted."""
    config: TargetConfig


def candidate_targets(table: TargetTable, beside: Sequence[str]) -> tuple[CandidateTarget, ...]:
    """Targets each measured by itself, the best of each kind first, then the second best.

    `beside` are columns that forecasts of the table predict; neither they nor their copies become
    features.
    """
    # A forecast of the table holds these values out, so nothing else may show them.
    banned = _with_copies(table, beside)
    measured = (_measured(table, name, banned) for name in _likely(table))
    candidates = [candidate for candidate in measured if candidate]
    # Rounded, so that the last digits of a forest do not decide the order.
    candidates.sort(key=lambda candidate: -round(_worth(table, candidate), 6))
    rank = {
        candidate.target: [c.kind for c in candidates[:i]].count(candidate.kind)
        for i, candidate in enumerate(candidates)
    }
    return tuple(sorted(candidates, key=lambda candidate: rank[candidate.target]))


def target_sets(
    table: TargetTable, candidates: Sequence[CandidateTarget], beside: Sequence[str]
) -> tuple[TargetSet, ...]:
    """Sets of one target, of two, and so on: the best that go together, each by the last set."""
    banned = _with_copies(table, beside)
    sets: list[TargetSet] = []
    for candidate in candidates:
        chosen = sets[-1].targets if sets else ()
        kinds = [other.kind for other in chosen]
        if len(chosen) >= MOST_TARGETS or kinds.count(candidate.kind) >= _MOST_OF_A_KIND:
            continue
        if any(other.target in table.copies[candidate.target] for other in chosen):
            continue
        together = _together(table, (*chosen, candidate), banned)
        if together:
            sets.append(TargetSet(targets=together, pair=_pair(table, together)))
    return tuple(sets)


def _with_copies(table: TargetTable, names: Iterable[str]) -> frozenset[str]:
    names = frozenset(names)
    return names.union(*(table.copies.get(name, ()) for name in names))


def _pair(table: TargetTable, targets: Sequence[CandidateTarget]) -> tuple[CandidateTarget, ...]:
    """The two best regressions, with the features that neither of them forbids, or nothing."""
    pair = [candidate for candidate in targets if candidate.kind == "regression"][:2]
    if len(pair) < 2:
        return ()
    features = tuple(name for name in pair[0].features if name in pair[1].features)
    if len(features) < MIN_FEATURES:
        return ()
    dropped = _reasons(pair[0]) | _reasons(pair[1])
    both = tuple(_scored(table, candidate, features, dropped) for candidate in pair)
    return tuple(candidate for candidate in both if candidate) if all(both) else ()


def _reasons(candidate: CandidateTarget) -> dict[str, str]:
    return {note.name: note.why for note in candidate.dropped}


# --- candidates ------------------------------------------------------------------------------


def _likely(table: TargetTable) -> list[str]:
    """Columns that may be targets, the likeliest by name and place first."""
    names = [
        name
        for name in table.matrix.names
        if name not in table.no_targets and table.columns[name].target_kind
    ]
    names.sort(key=lambda name: -prior(table.columns, name, table.title))
    return names[:_CANDIDATES]


def prior(columns: Mapping[str, ColumnProfile], name: str, title: str) -> int:
    """How much its name, its place and the dataset's title speak for a target, 0 to 4."""
    # Shorter words are mostly articles and units.
    own = {word for word in words(name) if len(word) >= 4}
    last = list(columns)[-1] == name
    named = 2 if mentions(name, TARGET) else int(mentions(name, LIKELY))
    return named + bool(own & set(words(title))) + last


def _worth(table: TargetTable, candidate: CandidateTarget) -> float:
    """Skill beyond the half makes no better target; what the source means by one does."""
    likely = prior(table.columns, candidate.target, table.title)
    is_entity = candidate.target in table.entities
    return _PRIOR_WEIGHT * likely + min(candidate.skill, _ENOUGH_SKILL) - 0.5 * is_entity


def _measured(table: TargetTable, target: str, banned: frozenset[str]) -> CandidateTarget | None:
    """One target without banned features, None when it leaves no room."""
    kind = table.columns[target].target_kind
    assert kind is not None
    dropped = dict(table.copies[target])
    free = [n for n in table.matrix.names if n not in banned and n not in dropped and n != target]
    # Identities are of numbers; classes that a formula decides are caught by the forest.
    if kind == "regression":
        dropped |= identities(table.matrix, target, tuple(free))
    features = tuple(name for name in free if name not in dropped)
    candidate = _candidate(target, kind, features)
    return _scored(table, candidate, features, dropped)


def _candidate(target: str, kind: TargetKind, features: tuple[str, ...]) -> CandidateTarget:
    return CandidateTarget(target=target, kind=kind, features=features, score=0.0, skill=0.0)


def _scored(
    table: TargetTable,
    candidate: CandidateTarget,
    features: tuple[str, ...],
    dropped: Mapping[str, str],
) -> CandidateTarget | None:
    """The target with these features, less those that give too much away."""
    reasons = dict(dropped)
    for _ in range(_LEFT_OUT + 1):
        if len(features) < MIN_FEATURES:
            return None
        signal = forest_signal(table.matrix, candidate.target, features, candidate.kind, table.test)
        if signal is None or signal.skill < table.config.min_skill:
            return None
        leak = _leak(table, candidate, signal)
        if leak is None:
            return candidate.model_copy(
                update={
                    "features": _weightiest(features, signal, table.config.max_features),
                    "score": signal.score,
                    "skill": signal.skill,
                    "best_skill": max(candidate.best_skill, signal.skill),
                    "dropped": tuple(ColumnNote(name=n, why=w) for n, w in reasons.items()),
                }
            )
        reasons[leak.name] = leak.why
        features = tuple(name for name in features if name != leak.name)
    return None


def _leak(table: TargetTable, candidate: CandidateTarget, signal: Signal) -> ColumnNote | None:
    """A feature that gives the target away, with why."""
    target = candidate.target
    if signal.score < _SUSPICIOUS:
        return None
    heaviest = sorted(signal.weights, key=lambda name: -signal.weights[name])[:_SUSPECTS]
    for name in heaviest:
        score = single_feature_signal(table.matrix, target, name, candidate.kind, table.test)
        if score >= _MAX_SINGLE_FEATURE_SCORE:
            return ColumnNote(name=name, why=f"`{name}` alone predicts `{target}` with {score:.2f}")
    if signal.score <= table.config.max_score:
        return None
    why = f"with `{heaviest[0]}`, `{target}` is predicted with {signal.score:.2f}"
    return ColumnNote(name=heaviest[0], why=why)


def _weightiest(features: tuple[str, ...], signal: Signal, most: int) -> tuple[str, ...]:
    best = sorted(features, key=lambda name: -signal.weights[name])[:most]
    return tuple(name for name in features if name in best)


def _together(
    table: TargetTable, candidates: tuple[CandidateTarget, ...], banned: frozenset[str]
) -> tuple[CandidateTarget, ...]:
    """The same targets, none a feature of another; nothing when that leaves one without room."""
    # What gives a target away must not stand beside its held-out rows in a sibling's file either.
    leaking = (note.name for candidate in candidates for note in candidate.dropped)
    banned = banned.union(leaking, _with_copies(table, (c.target for c in candidates)))
    kept = []
    for candidate in candidates:
        features = tuple(name for name in candidate.features if name not in banned)
        again = (
            candidate
            if features == candidate.features
            else _scored(table, candidate, features, _reasons(candidate))
        )
        # A target may survive on weak features, but then it is another and a worse task.
        if again is None or again.skill < _KEPT_SKILL * candidate.best_skill:
            return ()
        kept.append(again)
    return tuple(kept)

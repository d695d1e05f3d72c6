"""Which columns of a table are worth predicting from which others.

Judged columns and a matrix enter; a set of `Prospect`s leaves, one per target. What a target's
features give away is left out first: copies, terms of identities, whatever predicts it alone. All
prospects of a table are chosen together, because a target of one may not be a feature of another:
the held-out rows of both are the same. Not guaranteed: room under another model than the forest
looked at.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from extract.evidence.vocabulary import LIKELY, PLACE, TARGET, is_code, mentions, words
from extract.noun import Noun
from transform.propose.identities import IdentityConfig, copies, identities
from transform.propose.matrix import Matrix
from transform.propose.roles import Judged
from transform.propose.signal import Signal, SignalConfig, alone, look

Kind = Literal["classification", "regression"]


class TargetsConfig(Noun):
    """What a target worth predicting looks like."""

    targets: int = Field(default=5, ge=0)
    """Single targets per table at most."""
    per_kind: int = Field(default=3, ge=0)
    """Of these, classifications and regressions at most each."""
    candidates: int = Field(default=10, ge=1)
    """Columns looked at, by their names and places."""
    max_classes: int = Field(default=20, ge=2)
    max_number_classes: int = Field(default=10, ge=2)
    """Distinct whole numbers that are classes rather than amounts."""
    min_class_rows: int = Field(default=25, ge=1)
    """Rows from which a class counts; rows of others are left out of tasks."""
    max_missing: float = Field(default=0.3, ge=0, lt=1)
    min_features: int = Field(default=2, ge=1)
    max_features: int = Field(default=30, ge=2)
    """Of more, those that a forest weighs most."""
    min_skill: float = Field(default=0.1, ge=0, lt=1)
    """Skill of the forest below which there is too little to learn."""
    max_score: float = Field(default=0.97, gt=0, le=1)
    """Score of the forest above which something gives the target away."""
    max_alone: float = Field(default=0.95, gt=0, le=1)
    """Score of one feature above which it is left out."""
    kept_skill: float = Field(default=0.6, ge=0, le=1)
    """Share of its skill that a target must keep when another one stops being its feature."""
    repairs: int = Field(default=5, ge=0)
    """Features that may be left out for that."""
    identities: IdentityConfig = IdentityConfig()
    signal: SignalConfig = SignalConfig()


@dataclass(frozen=True)
class Prospect:
    """One target with the features that leave it room."""

    target: str
    kind: Kind
    features: tuple[str, ...]
    """In table order."""
    score: float
    skill: float
    best_skill: float = 0.0
    """Its skill when nothing else of the table was a target."""
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Columns left out for this target, with why."""


@dataclass(frozen=True)
class Look:
    """All that choosing looks at in one table."""

    matrix: Matrix
    judged: Mapping[str, Judged]
    """Columns of the matrix and others."""
    test: npt.NDArray[np.bool_]
    """Rows of the matrix on which looks are scored."""
    title: str
    """What the dataset calls itself; a column that occurs in it is a likelier target."""
    no_targets: frozenset[str]
    """Columns that may only be features: parts of the date, covariates known ahead."""
    entities: frozenset[str]
    """Columns that name series: possible targets, but poor ones."""
    config: TargetsConfig


def choose_targets(table: Look, fixed: Sequence[str]) -> tuple[Prospect, ...]:
    """Prospects that go together, the best first.

    `fixed` are columns that forecasts of the table predict; neither they nor their copies become
    features.
    """
    config = table.config
    banned = frozenset(fixed).union(*(copies_of(table, name) for name in fixed))
    first = (_prospect(table, name, banned) for name in _candidates(table))
    chosen: tuple[Prospect, ...] = ()
    for candidate in _ranked(table, [prospect for prospect in first if prospect]):
        kinds = [prospect.kind for prospect in chosen]
        if len(chosen) >= config.targets or kinds.count(candidate.kind) >= config.per_kind:
            continue
        same = copies_of(table, candidate.target)
        if not any(prospect.target in same for prospect in chosen):
            chosen = _together(table, (*chosen, candidate), banned) or chosen
    return chosen


def _ranked(table: Look, prospects: list[Prospect]) -> list[Prospect]:
    """The best of each kind, then the second best of each, and so on."""
    prospects = sorted(prospects, key=lambda prospect: -round(_worth(table, prospect), 6))
    seen = {
        prospect.target: [p.kind for p in prospects[:i]].count(prospect.kind)
        for i, prospect in enumerate(prospects)
    }
    return sorted(prospects, key=lambda prospect: seen[prospect.target])


def pair_targets(table: Look, prospects: Sequence[Prospect]) -> tuple[Prospect, ...]:
    """The two best regressions for one task with two targets, or nothing.

    Both keep the features that neither of them forbids.
    """
    pair = [prospect for prospect in prospects if prospect.kind == "regression"][:2]
    if len(pair) < 2:
        return ()
    features = tuple(name for name in pair[0].features if name in pair[1].features)
    if len(features) < table.config.min_features:
        return ()
    dropped = {**pair[0].dropped, **pair[1].dropped}
    both = tuple(_scored(table, prospect, features, dropped) for prospect in pair)
    return tuple(prospect for prospect in both if prospect) if all(both) else ()


def copies_of(table: Look, name: str) -> frozenset[str]:
    """Columns of the matrix that alone tell a column."""
    if name not in table.matrix.place:
        return frozenset()
    return frozenset(copies(table.matrix, name, table.config.identities))


# --- candidates ------------------------------------------------------------------------------


def kind_of(column: Judged, config: TargetsConfig) -> Kind | None:
    """What predicting a column would be, judged by its values; None when it is no target."""
    profile = column.column
    if column.role not in ("number", "category") or profile.missing_share > config.max_missing:
        return None
    few = profile.integer_like and profile.n_unique <= config.max_number_classes
    if column.role == "category" or few:
        frequent = sum(item.count >= config.min_class_rows for item in profile.top)
        return "classification" if frequent >= 2 and _few(column, config) else None
    varied = profile.n_unique > config.max_number_classes and profile.top_share <= 0.7
    measured = not mentions(profile.name, PLACE) and not _is_code(column)
    return "regression" if varied and measured else None


def _is_code(column: Judged) -> bool:
    return column.column.integer_like and is_code(column.column.name)


def _few(column: Judged, config: TargetsConfig) -> bool:
    return column.column.n_unique <= config.max_classes and column.column.top_share <= 0.97


def _candidates(table: Look) -> list[str]:
    """Columns that may be targets, the likeliest by name and place first."""
    names = [
        name
        for name in table.matrix.names
        if name not in table.no_targets and kind_of(table.judged[name], table.config)
    ]
    names.sort(key=lambda name: -prior(table.judged, name, table.title))
    return names[: table.config.candidates]


def prior(judged: Mapping[str, Judged], name: str, title: str) -> int:
    """How much its name, its place and the dataset's title speak for a target, 0 to 4."""
    own = {word for word in words(name) if len(word) >= 4}
    last = list(judged)[-1] == name
    named = 2 if mentions(name, TARGET) else int(mentions(name, LIKELY))
    return named + bool(own & set(words(title))) + last


def _worth(table: Look, prospect: Prospect) -> float:
    """Skill beyond the half makes no better target; what the source means by one does."""
    likely = prior(table.judged, prospect.target, table.title)
    is_entity = prospect.target in table.entities
    return 0.2 * likely + min(prospect.skill, 0.5) - 0.5 * is_entity


# --- prospects -------------------------------------------------------------------------------


def _prospect(table: Look, target: str, banned: frozenset[str]) -> Prospect | None:
    """The prospect of one target without banned features, None when it leaves no room."""
    kind = kind_of(table.judged[target], table.config)
    assert kind is not None
    dropped = copies(table.matrix, target, table.config.identities)
    free = [n for n in table.matrix.names if n not in banned and n not in dropped and n != target]
    if kind == "regression":
        dropped |= identities(table.matrix, target, tuple(free), table.config.identities)
    features = tuple(name for name in free if name not in dropped)
    return _scored(table, Prospect(target, kind, features, 0.0, 0.0), features, dropped)


def _scored(
    table: Look, prospect: Prospect, features: tuple[str, ...], dropped: Mapping[str, str]
) -> Prospect | None:
    """The prospect with these features, less those that give too much away."""
    config, why = table.config, dict(dropped)
    for _ in range(config.repairs + 1):
        if len(features) < config.min_features:
            return None
        found = look(
            table.matrix, prospect.target, features, prospect.kind, table.test, table.config.signal
        )
        if found is None or found.skill < config.min_skill:
            return None
        guilty = _guilty(table, prospect, found)
        if guilty is None:
            features = _weightiest(features, found, config.max_features)
            best = max(prospect.best_skill, found.skill)
            return Prospect(
                prospect.target, prospect.kind, features, found.score, found.skill, best, why
            )
        why[guilty[0]] = guilty[1]
        features = tuple(name for name in features if name != guilty[0])
    return None


def _guilty(table: Look, prospect: Prospect, found: Signal) -> tuple[str, str] | None:
    """A feature that gives the target away, with why."""
    config, target = table.config, prospect.target
    if found.score < 0.85:
        return None
    heaviest = sorted(found.weights, key=lambda name: -found.weights[name])[:3]
    for name in heaviest:
        score = alone(table.matrix, target, name, prospect.kind, table.test)
        if score >= config.max_alone:
            return name, f"`{name}` alone predicts `{target}` with {score:.2f}"
    if found.score <= config.max_score:
        return None
    return heaviest[0], f"with `{heaviest[0]}`, `{target}` is predicted with {found.score:.2f}"


def _weightiest(features: tuple[str, ...], found: Signal, most: int) -> tuple[str, ...]:
    best = sorted(features, key=lambda name: -found.weights[name])[:most]
    return tuple(name for name in features if name in best)


def _together(
    table: Look, prospects: tuple[Prospect, ...], banned: frozenset[str]
) -> tuple[Prospect, ...]:
    """The same targets, none a feature of another; nothing when that leaves one without room."""
    names = [prospect.target for prospect in prospects]
    # What gives a target away must not stand beside its held-out rows in a sibling's file either.
    given = (name for prospect in prospects for name in prospect.dropped)
    banned = banned.union(names, given, *(copies_of(table, name) for name in names))
    kept = []
    for prospect in prospects:
        features = tuple(name for name in prospect.features if name not in banned)
        again = (
            prospect
            if features == prospect.features
            else _scored(table, prospect, features, prospect.dropped)
        )
        if again is None or again.skill < table.config.kept_skill * prospect.best_skill:
            return ()
        kept.append(again)
    return tuple(kept)

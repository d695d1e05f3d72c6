"""Every planted fault is stopped for its reason, and every clean counterpart is proven."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sklearn.exceptions import ConvergenceWarning

from extract.drop import Drop, Reason
from extract.evidence.evidence import SourceEvidence
from extract.evidence.near_duplicates.clusters import cluster
from extract.evidence.well_known import well_known_evidence
from extract.workers import Workers
from publish.selecting.gather import gather
from publish.selecting.split import SourceSplitConfig, split_sources
from tests.faults.copies import strangers
from tests.faults.fault import (
    LAYOUT,
    Base,
    Copied,
    Planted,
    Tampered,
    Told,
    folder_name,
    name_of,
)
from tests.faults.plants import FAULTS, table
from tests.faults.tampering import copied
from tests.faults.walking import Errand, Walker
from tests.judging import judged
from transform.files.task_folder import TaskFolder
from validate.environments.executor import Executor, ExecutorConfig
from validate.registry import gate_classes
from validate.verdict import Check

pytestmark = pytest.mark.slow

MISSED = {
    "source:swapped numbers": "an age may count days, a salary thousands: no rule is safe for both"
}
"""Faults that are known and not caught; one that is caught one day fails until it leaves here."""
TOLD = {name_of(f.place, f.name): f for f in FAULTS if isinstance(f, Told)}
COPIED = {name_of(f.place, f.name): f for f in FAULTS if isinstance(f, Copied)}
WALKED = {name_of(f.place, f.name): f for f in FAULTS if isinstance(f, Planted)}
TAMPERED = {name_of(f.place, f.name): f for f in FAULTS if isinstance(f, Tampered)}


@pytest.fixture(scope="module")
def walker(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Walker]:
    """Has started to walk whatever the selected tests ask for."""
    root = tmp_path_factory.mktemp("faults")
    gates = [gate() for gate in gate_classes()]
    with Workers(1) as readers, Executor(ExecutorConfig(), processes=2) as executor:
        walker = Walker(root, readers, executor, gates)
        for errand in _errands(request.session.items):
            walker.start(errand)
        yield walker
        walker.close()


def _errands(items: list[pytest.Item]) -> Iterator[Errand]:
    calls = (getattr(item, "callspec", None) for item in items)
    names = [call.params.get("name") for call in calls if call]
    for name in names:
        if name in TAMPERED:
            yield errand_of(TAMPERED[name].base)
    for name in names:
        if name in WALKED:
            yield WALKED[name].errand
            yield WALKED[name].counterpart


def _missed(name: str) -> object:
    """The name, marked where the fault is known to slip through."""
    if name not in MISSED:
        return name
    return pytest.param(name, marks=pytest.mark.xfail(reason=MISSED[name], strict=True))


def errand_of(base: Base) -> Errand:
    """The walk on which a base is proven."""
    return Errand(base.world, base.targets, (base.variant,))


def test_the_table_tells_every_fault() -> None:
    lines = table().splitlines()
    assert len(lines) == len(FAULTS) == len({name_of(f.place, f.name) for f in FAULTS})
    assert len({fault.name for fault in FAULTS}) >= 35


@pytest.mark.parametrize("name", WALKED)
def test_the_walk_stops_the_fault(walker: Walker, name: str) -> None:
    fault = WALKED[name]
    came = walker.start(fault.errand).result()
    stopped = came.stopped_by(fault.columns) or ((LAYOUT,) if came.proven else ())
    print(f"{name}: stopped by {', '.join(stopped) or 'nobody'}")
    still = [seen.task.spec.task_id for seen in came.proven if fault.shows(seen)]
    assert not still, f"proven all the same: {still}"
    assert set(stopped) & set(fault.expected), f"{stopped} instead of {fault.expected}"


@pytest.mark.parametrize("name", WALKED)
def test_the_counterpart_is_proven(walker: Walker, name: str) -> None:
    fault = WALKED[name]
    came = walker.start(fault.counterpart).result()
    refused = [t.result for t in came.trials if isinstance(t.result, Drop)]
    assert came.proven, came.drops or refused
    assert not refused
    for seen in came.proven:
        assert set(fault.keeps) <= seen.columns, "a look-alike was taken for the fault"


@pytest.mark.parametrize("name", TAMPERED)
def test_a_gate_stops_the_tampered_task(walker: Walker, name: str) -> None:
    fault = TAMPERED[name]
    stopped = tampered(walker, fault, fault.plant, folder_name(name))
    print(f"{name}: stopped by {stopped.name if stopped else 'nobody'}")
    assert stopped is not None, "proven all the same"
    assert stopped.verdict == "invalid", stopped
    assert stopped.name in fault.expected, stopped


@pytest.mark.parametrize("name", TAMPERED)
def test_the_tampered_counterpart_passes(walker: Walker, name: str) -> None:
    fault = TAMPERED[name]
    assert tampered(walker, fault, fault.counterpart, folder_name(f"{name} twin")) is None


def tampered(
    walker: Walker, fault: Tampered, change: Callable[[TaskFolder], TaskFolder], name: Path
) -> Check | None:
    """The first check of all gates that is not valid, after the change."""
    came = walker.start(errand_of(fault.base)).result()
    n_targets = fault.base.n_targets
    proven = (s.task for s in came.proven if len(s.plan.proposal.targets) == n_targets)
    base = next(proven, None)
    assert base is not None, f"the base is not proven: {came.trials}"
    copy = copied(base, walker.root / "tampered" / name)
    try:
        task = change(copy)
    except ConvergenceWarning as error:
        # What the trial of a plan says of a reference that raises.
        return Check(name=Reason.NO_FIT, verdict="invalid", evidence=str(error))
    return judged(task, walker.gates, walker.executor).refusal


# --- what sources say -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> tuple[SourceEvidence, ...]:
    """The tables of the well-known tables."""
    return well_known_evidence(tmp_path_factory.mktemp("books"))


@pytest.mark.parametrize("name", [_missed(name) for name in TOLD])
def test_the_source_is_told(walker: Walker, books: tuple[SourceEvidence, ...], name: str) -> None:
    fault = TOLD[name]
    observed = findings(walker.evidence(fault.bad), books)
    print(f"{name}: told by {', '.join(observed) or 'nobody'}")
    assert set(observed) & set(fault.expected), f"{observed} instead of {fault.expected}"


@pytest.mark.parametrize("name", TOLD)
def test_nothing_is_told_of_the_counterpart(
    walker: Walker, books: tuple[SourceEvidence, ...], name: str
) -> None:
    assert findings(walker.evidence(TOLD[name].good), books) == ()


def findings(evidence: SourceEvidence | Drop, books: tuple[SourceEvidence, ...]) -> tuple[str, ...]:
    """Everything that speaks against a source, or against evaluating on it."""
    if isinstance(evidence, Drop):
        return (evidence.reason,)
    checks = {
        "refused_table": bool(evidence.refused_tables),
        "no_update": evidence.last_update is None,
        # A table without any instant counts as oldest anyway.
        "old": evidence.newest_instant is not None and evidence.newest_instant < "2000",
        "well_known": bool(cluster([evidence], books).well_known),
    }
    doubts = (tag for tag in evidence.tags if not tag.startswith("note_"))
    return (*doubts, *(name for name, doubtful in checks.items() if doubtful))


# --- sources beside each other ----------------------------------------------------------------


@pytest.mark.parametrize("name", COPIED)
def test_a_source_published_again_is_one_cluster(walker: Walker, name: str) -> None:
    fault = COPIED[name]
    sources = (fault.original, fault.again, *strangers())
    known = [e for e in map(walker.evidence, sources) if isinstance(e, SourceEvidence)]
    assert len(known) == len(sources)
    clusters = cluster(known)
    print(f"{name}: {[(t.ours, t.theirs, t.share) for t in clusters.duplicates]}")
    original, again = fault.original.key, fault.again.key
    assert clusters.names[again] == clusters.names[original]
    sides = split_sources(
        {"open": {*clusters.names}}, gather(known, clusters), SourceSplitConfig()
    ).sides
    assert sides[again] == sides[original]
    assert set(sides.values()) == {"train", "eval"}


def test_strangers_stay_alone(walker: Walker) -> None:
    sources = (*{f.original.key: f.original for f in COPIED.values()}.values(), *strangers())
    known = [e for e in map(walker.evidence, sources) if isinstance(e, SourceEvidence)]
    clusters = cluster(known)
    assert clusters.names == {source.key: source.key for source in sources}, clusters.duplicates

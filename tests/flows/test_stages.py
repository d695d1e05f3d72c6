"""Stages remember what is final, owe what is not, and a fault costs its dataset only."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.evidence.evidence import SourceEvidence
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.workers import WorkerDied, Workers, WorkerTimeout
from flows import stages
from flows.settings import Settings, load
from flows.stages import (
    extract_dataset,
    plan_dataset,
    profile_dataset,
    propose_tasks,
    try_plan,
)
from tests.building import MIRROR_CONFIG
from transform.plan import Plan, Repair
from transform.profile.profile import Profile
from transform.proposal import Proposal
from transform.task import Task
from validate.environments.executor import Executor, ExecutorConfig
from validate.gates.size import Size
from validate.gates.wording import Wording
from validate.prover import MAX_REPAIRS
from validate.trial import Trial
from validate.verdict import Finding

NOBODY: Any = None
"""For tools that must not be asked: any use of it raises."""


@pytest.fixture
def settings(small_mirror: Path, tmp_path: Path) -> Settings:
    return load(
        MIRROR_CONFIG,
        ["workers.count=1"],
        {"source.mirror": str(small_mirror), "state": str(tmp_path)},
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(1) as workers:
        yield workers


def changed(settings: Settings, **fields: Any) -> Settings:
    return cast(Settings, settings.model_copy(update=fields))


def the_drop(result: tuple[object, ...]) -> Drop:
    (drop,) = result
    assert isinstance(drop, Drop)
    return drop


# --- faults -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "reason", "transient"),
    [
        (WorkerTimeout("no end"), "timeout", True),
        (WorkerDied("no more"), "worker_died", True),
        (ZeroDivisionError("oh"), "crashed", False),
        (AssertionError(), "crashed", False),
        (RecursionError("deep"), "crashed", False),
    ],
)
def test_a_fault_becomes_a_drop_with_its_error(
    *,
    small_mirror: Path,
    store: Store,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    raised: Exception,
    reason: str,
    transient: bool,
) -> None:
    def fail(*_: object) -> None:
        raise raised

    monkeypatch.setattr(stages, "read_dataset", fail)
    source = MirrorSource(small_mirror)
    for ref in source.refs()[:2]:
        drop = the_drop(extract_dataset(ref, source, store, NOBODY, settings))
        assert (drop.key, drop.source, drop.room) == (ref.key, ref.key, "extract")
        assert (drop.reason, drop.transient) == (reason, transient)
        assert type(raised).__name__ in drop.detail
        assert "in fail" in capsys.readouterr().err, "the traceback is for us"
        assert not drop.evidence, "paths of this machine may not be published"


def test_who_stops_the_build_is_heard(
    small_mirror: Path, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "read_dataset", stop)
    source = MirrorSource(small_mirror)
    with pytest.raises(KeyboardInterrupt):
        extract_dataset(source.refs()[0], source, store, NOBODY, settings)


# --- profile, propose, plan: remembered -------------------------------------------------------


def profiled(raw: RawDataset, store: Store, workers: Workers, settings: Settings) -> Profile:
    (measured,) = profile_dataset(raw, store, workers, settings)
    assert isinstance(measured, Profile)
    return measured


def planned(
    raw: RawDataset, store: Store, workers: Workers, settings: Settings
) -> tuple[Plan | Drop, ...]:
    measured = profiled(raw, store, workers, settings)
    proposed = propose_tasks((measured, evidence(raw)), store, settings)
    proposals = tuple(item for item in proposed if isinstance(item, Proposal))
    return plan_dataset((raw, measured, proposals), store, workers, settings)


def evidence(raw: RawDataset) -> SourceEvidence:
    nothing: tuple[Any, ...] = ()
    return SourceEvidence(
        ref=raw.ref,
        newest=None,
        updated=None,
        tags=nothing,
        quotes=nothing,
        refused_tables=nothing,
        personal=nothing,
        tables=nothing,
    )


@pytest.mark.slow
def test_plans_are_remembered_until_something_they_depend_on_changes(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings, workers: Workers
) -> None:
    raw = raws["bob/shops"]
    first = planned(raw, store, workers, settings)
    assert {plan.variant for plan in first if isinstance(plan, Plan)} >= {"ts-xf", "ts-cf"}
    assert planned(raw, store, NOBODY, settings) == first
    assert planned(raw, store, NOBODY, changed(settings, workers=NOBODY)) == first
    renamed = raw.model_copy(update={"title": "Another"})
    others = [(renamed, settings), (raw, changed(settings, seed=8))]
    for other, knobs in others:
        assert the_drop(profile_dataset(other, store, NOBODY, knobs)).reason == "crashed"


@pytest.mark.slow
def test_other_knobs_of_proposing_measure_nothing_again(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings, workers: Workers
) -> None:
    raw = raws["bob/shops"]
    first = profiled(raw, store, workers, settings)
    fewer = changed(settings, propose=settings.propose.model_copy(update={"forecasts": 0}))
    measured = profiled(raw, store, NOBODY, fewer)
    assert measured == first
    proposals = propose_tasks((measured, evidence(raw)), store, fewer)
    assert "forecasting" not in {p.problem for p in proposals if isinstance(p, Proposal)}
    longer = changed(settings, profile=settings.profile.model_copy(update={"min_skill": 0.3}))
    assert the_drop(profile_dataset(raw, store, NOBODY, longer)).reason == "crashed"


@pytest.mark.slow
def test_a_torn_result_counts_as_none(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings, workers: Workers
) -> None:
    raw = raws["bob/shops"]
    first = planned(raw, store, workers, settings)
    (result,) = (store.root / "results" / "plan").glob("*.json")
    whole = result.read_bytes()
    result.write_bytes(whole[: len(whole) // 2])
    assert planned(raw, store, workers, settings) == first
    assert result.read_bytes() == whole


@pytest.mark.slow
def test_measuring_without_end_is_pending_and_forgotten(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings
) -> None:
    hasty = changed(
        settings, workers=settings.workers.model_copy(update={"design_timeout_s": 0.001})
    )
    with Workers(1) as workers:
        drop = the_drop(profile_dataset(raws["ann/rents"], store, workers, hasty))
        assert (drop.reason, drop.transient, drop.room) == ("timeout", True, "transform")
        assert not (store.root / "results").exists()
        again = planned(raws["ann/rents"], store, workers, settings)
    assert all(isinstance(item, Plan) for item in again)


# --- try: pending, remembered, repaired -----------------------------------------------------------


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with Executor(ExecutorConfig()) as executor:
        yield executor


@pytest.fixture
def item(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings, workers: Workers
) -> tuple[Plan, RawDataset]:
    """The plan of one open task, with its dataset."""
    raw = raws["ann/rents"]
    plans = planned(raw, store, workers, settings)
    return next((p, raw) for p in plans if isinstance(p, Plan) and p.variant == "reg-mm")


def the_trial(result: tuple[object, ...]) -> Trial:
    (trial,) = result
    assert isinstance(trial, Trial)
    return trial


@pytest.mark.slow
def test_a_gate_that_raises_is_owed_and_asked_again(
    item: tuple[Plan, RawDataset],
    store: Store,
    settings: Settings,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def moody(*_: object) -> None:
        raise OSError("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(Size, "check", moody)
        drop = the_trial(try_plan(item, store, executor, settings)).result
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.room, drop.transient) == ("size", "validate", True)
    assert "the disk is away" in drop.evidence
    assert not (store.root / "results" / "try").exists(), "what owes work is not remembered"
    healed = try_plan(item, store, executor, settings)
    assert isinstance(the_trial(healed).result, Task)
    assert try_plan(item, store, NOBODY, settings) == healed


@pytest.mark.slow
def test_a_refusal_is_final_and_names_its_gate(
    item: tuple[Plan, RawDataset],
    store: Store,
    settings: Settings,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = settings.gates.size.model_copy(update={"min_val_rows": 10**6})
    strict = changed(settings, gates=settings.gates.model_copy(update={"size": size}))
    first = try_plan(item, store, executor, strict)
    drop = the_trial(first).result
    assert isinstance(drop, Drop)
    assert drop.threshold == 10**6
    monkeypatch.setattr(Wording, "check", None)
    assert try_plan(item, store, NOBODY, strict) == first


@pytest.mark.slow
def test_a_repair_is_granted_twice_and_every_attempt_is_kept(
    item: tuple[Plan, RawDataset],
    store: Store,
    settings: Settings,
    executor: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound: Callable[..., Finding] = Wording.check
    column = item[0].proposal.features[0].name

    def picky(gate: Wording, task: Task, executor: Executor) -> Finding:
        """Refuses while the first feature is shipped."""
        if column in {spec.name for spec in task.spec.instructions.columns}:
            return gate.refused(1, 0, column, Repair(without_columns=(column,)))
        return sound(gate, task, executor)

    with monkeypatch.context() as patch:
        patch.setattr(Wording, "check", picky)
        mended = the_trial(try_plan(item, store, executor, settings))
        patch.setattr(Wording, "check", lambda gate, *_: gate.refused(repair=Repair(salt=1)))
        lost = the_trial(try_plan(item, Store(store.root / "other"), executor, settings))
    assert isinstance(mended.result, Task)
    assert [attempt.repair.without_columns for attempt in mended.attempts] == [(), (column,)]
    assert isinstance(lost.result, Drop)
    assert [attempt.repair.salt for attempt in lost.attempts] == list(range(MAX_REPAIRS + 1))

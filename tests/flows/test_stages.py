"""Stages remember what is final, owe what is not, and a fault costs its dataset only."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import TypeAdapter
from pydantic_core import to_json

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.evidence.evidence import SourceEvidence
from extract.stored_table import file_of, unlocated
from extract.workers import WorkerDied, WorkerTimeout
from flows import stages
from flows.resources import Resources, opened
from flows.settings import Settings, load
from flows.stages import (
    extract_dataset,
    inspect_source,
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
from validate.gates.size import Size
from validate.gates.wording import Wording
from validate.prover import MAX_REPAIRS
from validate.trial import Trial
from validate.verdict import Finding

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(small_mirror: Path, tmp_path: Path) -> Settings:
    return load(
        MIRROR_CONFIG,
        ["workers.count=1", "environments.library_versions=[]"],
        {"source.mirror": str(small_mirror), "state": str(tmp_path / "state")},
    )


@pytest.fixture
def at(settings: Settings) -> Iterator[Resources]:
    """What this process has open for the settings."""
    with opened(settings) as at:
        yield at


@pytest.fixture
def stored(raws: Mapping[str, RawDataset], at: Resources) -> Mapping[str, RawDataset]:
    """Datasets as they travel, with their tables in the store."""
    for raw in raws.values():
        for table in raw.tables:
            at.store.add(file_of(table))
    return {
        key: raw.model_copy(update={"tables": tuple(map(unlocated, raw.tables))})
        for key, raw in raws.items()
    }


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
        (OSError("the disk is away"), "crashed", True),
        (ZeroDivisionError("oh"), "crashed", False),
        (AssertionError(), "crashed", False),
        (RecursionError("deep"), "crashed", False),
    ],
)
def test_a_fault_becomes_a_drop_with_its_error(
    *,
    at: Resources,
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
    for ref in at.refs[:2]:
        drop = the_drop(extract_dataset(ref, settings))
        assert (drop.key, drop.source, drop.room) == (ref.key, ref.key, "extract")
        assert (drop.reason, drop.transient) == (reason, transient)
        assert type(raised).__name__ in drop.detail
        assert "in fail" in capsys.readouterr().err, "the traceback is for us"
        assert not drop.evidence, "paths of this machine may not be published"


def test_who_stops_the_build_is_heard(
    at: Resources, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "read_dataset", stop)
    with pytest.raises(KeyboardInterrupt):
        extract_dataset(at.refs[0], settings)


# --- profile, propose, plan: remembered -------------------------------------------------------


def evidence(raw: RawDataset, settings: Settings) -> SourceEvidence:
    (observed,) = inspect_source(raw, settings)
    assert isinstance(observed, SourceEvidence)
    return observed


def profiled(raw: RawDataset, settings: Settings) -> Profile:
    (measured,) = profile_dataset(raw, settings)
    assert isinstance(measured, Profile)
    return measured


def proposed(raw: RawDataset, settings: Settings) -> tuple[Proposal, ...]:
    results = propose_tasks((profiled(raw, settings), evidence(raw, settings)), settings)
    return tuple(result for result in results if isinstance(result, Proposal))


def planned(raw: RawDataset, settings: Settings) -> tuple[Plan | Drop, ...]:
    parts = (raw, profiled(raw, settings), proposed(raw, settings))
    return plan_dataset(parts, settings)


@pytest.mark.slow
def test_plans_are_remembered_until_something_they_depend_on_changes(
    stored: Mapping[str, RawDataset], at: Resources, settings: Settings
) -> None:
    raw = stored["bob/shops"]
    first = planned(raw, settings)
    assert {plan.variant for plan in first if isinstance(plan, Plan)} >= {"ts-xf", "ts-cf"}
    computed = at.memory.computed.total()
    assert planned(raw, settings) == first
    assert at.memory.computed.total() == computed
    planned(raw.model_copy(update={"title": "Another"}), settings)
    assert at.memory.computed.total() >= computed + 3
    with opened(changed(settings, seed=8)) as other:
        planned(raw, other.settings)
        # It measures the same, so the same is proposed.
        assert other.memory.computed == {"profile": 1, "plan": 1}
        assert other.memory.remembered["inspect"] == 1


@pytest.mark.slow
def test_other_knobs_of_proposing_measure_nothing_again(
    stored: Mapping[str, RawDataset], settings: Settings
) -> None:
    raw = stored["bob/shops"]
    assert {p.problem for p in proposed(raw, settings)} >= {"forecasting"}
    fewer = changed(settings, propose=settings.propose.model_copy(update={"forecasts": 0}))
    with opened(fewer) as other:
        assert "forecasting" not in {p.problem for p in proposed(raw, fewer)}
        assert other.memory.computed == {"propose": 1}


@pytest.mark.slow
def test_a_torn_result_counts_as_none(
    stored: Mapping[str, RawDataset], at: Resources, settings: Settings
) -> None:
    raw = stored["bob/shops"]
    first = planned(raw, settings)
    (result,) = Path(at.store.url, "results", "plan").glob("*.json")
    whole = result.read_bytes()
    result.write_bytes(whole[: len(whole) // 2])
    assert planned(raw, settings) == first
    assert result.read_bytes() == whole


@pytest.mark.slow
def test_measuring_without_end_is_pending_and_forgotten(
    stored: Mapping[str, RawDataset], settings: Settings
) -> None:
    raw = stored["ann/rents"]
    limits = settings.workers.model_copy(update={"dataset_timeout_s": 0.001})
    with opened(changed(settings, workers=limits)) as hasty:
        drop = the_drop(profile_dataset(raw, hasty.settings))
        assert (drop.reason, drop.transient, drop.room) == ("timeout", True, "transform")
        assert not Path(hasty.store.url, "results").exists()
    assert all(isinstance(plan, Plan) for plan in planned(raw, settings))


@pytest.mark.slow
def test_a_fresh_process_needs_its_arguments_and_the_settings_alone(
    stored: Mapping[str, RawDataset], settings: Settings, tmp_path: Path
) -> None:
    raw = stored["ann/rents"]
    here = planned(raw, settings)
    plan = next(p for p in here if isinstance(p, Plan) and p.variant == "reg-mm")
    (trial,) = try_plan((plan, raw), settings)
    program = """
import json, sys
from pydantic import TypeAdapter
from extract.dataset import RawDataset
from flows.settings import Settings
from flows.stages import inspect_source, plan_dataset, profile_dataset, try_plan
from transform.plan import Plan
from transform.proposal import Proposal

raw, plan, proposals, settings = (open(path).read() for path in sys.argv[1:5])
raw, plan = RawDataset.model_validate_json(raw), Plan.model_validate_json(plan)
proposals = TypeAdapter(tuple[Proposal, ...]).validate_json(proposals)
settings = Settings.model_validate_json(settings)
(measured,) = profile_dataset(raw, settings)
results = {
    "inspect": inspect_source(raw, settings),
    "profile": [measured],
    "plan": plan_dataset((raw, measured, proposals), settings),
    "try": try_plan((plan, raw), settings),
}
print(json.dumps({k: [one.model_dump(mode="json") for one in v] for k, v in results.items()}))
"""
    # Another state, so that nothing is remembered: the store alone is handed on.
    with opened(settings) as at:
        other = Path(at.store.url).with_name("other")
        copied = changed(settings, state=other)
        with opened(copied) as elsewhere:
            for sha256 in (*(t.sha256 for t in raw.tables), plan.split.sha256):
                elsewhere.store.add(at.store.path(sha256))
        there = changed(settings, state=tmp_path / "new", store=str(other))
    arguments = []
    items = {"raw": raw, "plan": plan, "proposals": proposed(raw, settings), "settings": there}
    for name, item in items.items():
        path = tmp_path / f"{name}.json"
        path.write_bytes(to_json(item, by_alias=True))
        arguments.append(str(path))
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads(done.stdout.splitlines()[-1])
    assert results["inspect"] == [evidence(raw, settings).model_dump(mode="json")]
    assert results["profile"] == [profiled(raw, settings).model_dump(mode="json")]
    assert results["plan"] == [one.model_dump(mode="json") for one in here]
    (again,) = TypeAdapter(tuple[Trial, ...]).validate_python(results["try"])
    assert isinstance(trial, Trial)
    assert again.model_copy(update={"cpu_s": {}}) == trial.model_copy(update={"cpu_s": {}})
    assert isinstance(again.result, Task)


# --- try: pending, remembered, repaired -----------------------------------------------------------


@pytest.fixture
def item(stored: Mapping[str, RawDataset], settings: Settings) -> tuple[Plan, RawDataset]:
    """The plan of one open task, with its dataset."""
    raw = stored["ann/rents"]
    plans = planned(raw, settings)
    return next((p, raw) for p in plans if isinstance(p, Plan) and p.variant == "reg-mm")


def the_trial(result: tuple[object, ...]) -> Trial:
    (trial,) = result
    assert isinstance(trial, Trial)
    return trial


@pytest.mark.slow
def test_a_gate_that_raises_is_pending_and_asked_again(
    item: tuple[Plan, RawDataset],
    at: Resources,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def moody(*_: object) -> None:
        raise OSError("the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr(Size, "check", moody)
        drop = the_trial(try_plan(item, settings)).result
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.room, drop.transient) == ("size", "validate", True)
    assert "the disk is away" in drop.evidence
    healed = try_plan(item, settings)
    assert isinstance(the_trial(healed).result, Task)
    assert at.memory.computed["execute"] == 1, "what was executed is known"
    computed = at.memory.computed.total()
    assert try_plan(item, settings) == healed
    assert at.memory.computed.total() == computed


@pytest.mark.slow
def test_another_threshold_asks_that_gate_alone(
    item: tuple[Plan, RawDataset], settings: Settings
) -> None:
    assert isinstance(the_trial(try_plan(item, settings)).result, Task)
    room = settings.gates.headroom.model_copy(update={"room": 0.11})
    gates = settings.gates.model_copy(update={"headroom": room})
    with opened(changed(settings, gates=gates)) as other:
        try_plan(item, other.settings)
        assert other.memory.computed == {"gate headroom": 1}


@pytest.mark.slow
def test_a_refusal_is_final_and_names_its_gate(
    item: tuple[Plan, RawDataset], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = settings.gates.size.model_copy(update={"min_val_rows": 10**6})
    strict = changed(settings, gates=settings.gates.model_copy(update={"size": size}))
    with opened(strict):
        first = try_plan(item, strict)
        drop = the_trial(first).result
        assert isinstance(drop, Drop)
        assert drop.threshold == 10**6
        monkeypatch.setattr(Wording, "check", None)
        assert try_plan(item, strict) == first


@pytest.mark.slow
def test_a_repair_is_granted_twice_and_every_attempt_is_kept(
    item: tuple[Plan, RawDataset],
    at: Resources,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sound: Callable[..., Finding] = Wording.check
    column = item[0].proposal.features[0].name

    def picky(gate: Wording, task: Any, executor: Any) -> Finding:
        """Refuses while the first feature is shipped."""
        if column in {spec.name for spec in task.spec.instructions.columns}:
            return gate.refused(1, 0, column, Repair(without_columns=(column,)))
        return sound(gate, task, executor)

    with monkeypatch.context() as patch:
        patch.setattr(Wording, "check", picky)
        mended = the_trial(try_plan(item, settings))
    assert isinstance(mended.result, Task)
    assert [attempt.repair.without_columns for attempt in mended.attempts] == [(), (column,)]
    shutil.rmtree(Path(at.store.url, "results", "gate wording"))
    with monkeypatch.context() as patch:
        patch.setattr(Size, "check", lambda gate, *_: gate.refused(repair=Repair(salt=1)))
        size = settings.gates.size.model_copy(update={"min_val_rows": 101})
        strict = changed(settings, gates=settings.gates.model_copy(update={"size": size}))
        with opened(strict):
            lost = the_trial(try_plan(item, strict))
    assert isinstance(lost.result, Drop)
    assert [attempt.repair.salt for attempt in lost.attempts] == list(range(MAX_REPAIRS + 1))

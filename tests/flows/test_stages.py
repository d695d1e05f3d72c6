"""Stages remember what is final, owe what is not, and a fault costs its dataset only."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.mirror import MirrorSource
from extract.store import Store
from extract.workers import WorkerDied, Workers, WorkerTimeout
from flows import stages
from flows.settings import Settings, load
from flows.stages import design_dataset, execute_drafts, extract_dataset, validate_tasks
from publish.release import Released
from tests.building import MIRROR_CONFIG
from transform.task import Draft, Task
from validate.gates.size import Size
from validate.gates.wording import Wording
from validate.lab import Laboratory
from validate.verdict import Check

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
    small_mirror: Path,
    store: Store,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
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
        assert "in fail" in drop.evidence
        assert len(drop.evidence) <= 2000


def test_who_stops_the_build_is_heard(
    small_mirror: Path, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "read_dataset", stop)
    source = MirrorSource(small_mirror)
    with pytest.raises(KeyboardInterrupt):
        extract_dataset(source.refs()[0], source, store, NOBODY, settings)


# --- design: remembered -----------------------------------------------------------------------


@pytest.mark.slow
def test_a_design_is_remembered_until_something_it_depends_on_changes(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings, workers: Workers
) -> None:
    raw = raws["bob/shops"]
    first = design_dataset(raw, store, workers, settings)
    assert {draft.spec.instructions.variant for draft in first if isinstance(draft, Draft)} >= {
        "ts-xf",
        "ts-cf",
    }
    assert design_dataset(raw, store, NOBODY, settings) == first
    assert design_dataset(raw, store, NOBODY, changed(settings, workers=NOBODY)) == first
    renamed = raw.model_copy(update={"title": "Another"})
    others = [(renamed, settings), (raw, changed(settings, seed=8))]
    for other, knobs in others:
        assert the_drop(design_dataset(other, store, NOBODY, knobs)).reason == "crashed"


@pytest.mark.slow
def test_a_torn_result_counts_as_none(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings, workers: Workers
) -> None:
    raw = raws["bob/shops"]
    first = design_dataset(raw, store, workers, settings)
    (result,) = (store.root / "results" / "design").glob("*.json")
    whole = result.read_bytes()
    result.write_bytes(whole[: len(whole) // 2])
    assert design_dataset(raw, store, workers, settings) == first
    assert result.read_bytes() == whole


@pytest.mark.slow
def test_a_design_without_end_is_owed_and_forgotten(
    raws: Mapping[str, RawDataset], store: Store, settings: Settings
) -> None:
    hasty = changed(
        settings, workers=settings.workers.model_copy(update={"design_timeout_s": 0.001})
    )
    with Workers(1) as workers:
        drop = the_drop(design_dataset(raws["ann/rents"], store, workers, hasty))
        assert (drop.reason, drop.transient, drop.room) == ("timeout", True, "transform")
        assert not (store.root / "results").exists()
        again = design_dataset(raws["ann/rents"], store, workers, settings)
    assert all(isinstance(item, Draft) for item in again)


# --- execute ----------------------------------------------------------------------------------


class Refuser:
    """A laboratory in which every estimator refuses."""

    def execute(self, draft: Draft, answer: Path) -> None:
        raise ValueError("Input X contains NaN")


def test_what_no_estimator_fits_is_refused_and_its_siblings_go_on(
    tasks: Mapping[str, Task], store: Store, settings: Settings
) -> None:
    drafts = tuple(
        Draft(spec=t.spec, folder=t.folder, truth=None if v == "reg-if" else t.truth)
        for v, t in tasks.items()
        if v in ("reg-if", "reg-mm")
    )
    results = execute_drafts(drafts, store, cast(Laboratory, Refuser()), settings)
    (drop,) = (item for item in results if isinstance(item, Drop))
    assert (drop.reason, drop.variant, drop.transient) == ("no_fit", "reg-if", False)
    assert "contains NaN" in drop.evidence
    assert [item.spec.instructions.variant for item in results if isinstance(item, Task)] == [
        "reg-mm"
    ]
    assert execute_drafts(drafts, store, NOBODY, settings) == results


# --- validate: owed ---------------------------------------------------------------------------


def test_a_gate_that_raises_is_owed_and_asked_again(
    tasks: Mapping[str, Task], store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = (tasks["reg-mm"], tasks["class-mm"])
    sound: Callable[..., Check] = Size.check

    def moody(gate: Size, task: Task, lab: object) -> Check:
        if task.spec.instructions.variant == "reg-mm":
            raise OSError("the disk is away")
        return sound(gate, task, lab)

    with monkeypatch.context() as patch:
        patch.setattr(Size, "check", moody)
        results = validate_tasks(both, store, NOBODY, settings)
    drop, released = results
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.room, drop.transient) == ("size", "validate", True)
    assert "the disk is away" in drop.evidence
    assert isinstance(released, Released)
    assert not (store.root / "results").exists(), "what owes work is not remembered"
    healed = validate_tasks(both, store, NOBODY, settings)
    assert [type(item) for item in healed] == [Released, Released]
    assert validate_tasks(both, store, NOBODY, settings) == healed


def test_a_refusal_is_final_and_names_its_gate(
    tasks: Mapping[str, Task], store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = tasks["reg-mm"]
    spec = task.spec.model_copy(update={"question": task.spec.question + "\nBe nice."})
    blurred = (task.model_copy(update={"spec": spec}),)
    drop = the_drop(validate_tasks(blurred, store, NOBODY, settings))
    assert (drop.reason, drop.variant, drop.transient) == ("wording", "reg-mm", False)
    assert "Be nice." in drop.evidence
    monkeypatch.setattr(Wording, "check", None)
    assert the_drop(validate_tasks(blurred, store, NOBODY, settings)) == drop


def test_other_thresholds_are_judged_anew(
    tasks: Mapping[str, Task], store: Store, settings: Settings
) -> None:
    mine = (tasks["reg-mm"],)
    assert isinstance(validate_tasks(mine, store, NOBODY, settings)[0], Released)
    limits = settings.gates.size.limits.model_copy(update={"min_val_rows": 10**6})
    gates = settings.gates.model_copy(
        update={"size": settings.gates.size.model_copy(update={"limits": limits})}
    )
    drop = the_drop(validate_tasks(mine, store, NOBODY, changed(settings, gates=gates)))
    assert (drop.reason, drop.threshold) == ("size", 10**6)

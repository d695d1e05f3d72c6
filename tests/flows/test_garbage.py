"""`opendare gc` deletes what the last finished build of the settings did not ask for."""

from pathlib import Path

import pytest

from extract.memory import Memory, Stage
from extract.store import Store, sha256_of
from flows.garbage import collect_garbage, forget_reached, note_reached
from flows.resources import store_of
from flows.settings import Settings, load
from tests.building import MIRROR_CONFIG

STAGE = Stage("read", (sha256_of,))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "mirror").mkdir()
    places = {"source.mirror": str(tmp_path / "mirror"), "state": str(tmp_path / "state")}
    return load(MIRROR_CONFIG, named=places)


@pytest.fixture
def store(settings: Settings) -> Store:
    settings.state.mkdir()
    return store_of(settings).opened()


def added(store: Store, folder: Path, content: bytes) -> str:
    (folder / "data").write_bytes(content)
    return store.add(folder / "data")


def built(store: Store, sha256: str) -> Memory:
    """The memory of a build that asked for one result, which names one file."""
    memory = Memory(store)
    memory.recall(STAGE, ("an input",), str, lambda: sha256, files=lambda result: (result,))
    return memory


def test_what_is_reached_stays_and_all_else_goes(
    settings: Settings, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = added(store, tmp_path, b"reached")
    note_reached(settings, built(store, reached))
    kept = store.names()
    added(store, tmp_path, bytes(1_900_000))
    store.save("read", "another key", "x" * 99_998)
    everything = store.names()
    assert len(everything) == len(kept) + 2

    assert collect_garbage(settings, dry_run=True) == 0
    assert "would delete 2 files of 2.0 MB; 2 are reached" in capsys.readouterr().out
    assert store.names() == everything

    assert collect_garbage(settings, dry_run=False) == 0
    assert "deleted 2 files of 2.0 MB; 2 are reached" in capsys.readouterr().out
    assert store.names() == kept
    assert built(store, reached).counts() == {"read": (0, 1)}, "the next build computes nothing"


def test_without_a_finished_build_nothing_is_deleted(
    settings: Settings, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = added(store, tmp_path, b"reached")
    memory = built(store, reached)
    everything = store.names()

    def refused(asked: Settings) -> bool:
        code = collect_garbage(asked, dry_run=False)
        return code == 2 and "run: opendare build" in capsys.readouterr().err

    assert refused(settings), "none has ended"
    note_reached(settings, memory)
    assert refused(settings.model_copy(update={"seed": 9})), "it had other settings"
    forget_reached(settings)
    assert refused(settings), "another one has begun since"
    note_reached(settings, memory)
    (settings.state / "reached.json").write_text("{")
    assert refused(settings), "what it noted is damaged"
    assert store.names() == everything

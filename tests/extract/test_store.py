"""The store: all of a thing or nothing, whatever kills the writer."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import fsspec
import pytest
from pydantic import TypeAdapter

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.store import MissingError, Store, StoreError, sha256_of

REF = DatasetRef(owner="a", slug="b", version=3)
DROP = Drop(key="a/b", source="a/b", room="extract", reason="no_table", detail="x")
EITHER = TypeAdapter[DatasetRef | Drop](DatasetRef | Drop)


def test_files_are_found_by_content(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "state"))
    source = tmp_path / "data"
    source.write_bytes(b"abc")
    digest = store.add(source)
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    source.write_bytes(b"changed")
    assert store.path(digest).read_bytes() == b"abc"
    assert sha256_of(store.path(digest)) == digest
    assert store.add(store.path(digest)) == digest


def test_results_come_back_typed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for key, noun in (("k/1", REF), ("k/2", DROP)):
        store.save("read", key, noun)
        assert store.load("read", key, EITHER) == noun
    store.save("read", "pair", (REF, DROP))
    assert store.load("read", "pair", tuple[DatasetRef | Drop, ...]) == (REF, DROP)
    assert store.load("read", "k/1", DatasetRef) == REF
    assert store.load("read", "k/3", EITHER) is None
    assert store.load("other", "k/1", EITHER) is None


@pytest.mark.parametrize("content", [b"", b'{"owner": "a"', b"\xff\xfe", b"{}", b"null"])
def test_a_torn_result_is_absent(tmp_path: Path, content: bytes) -> None:
    store = Store(str(tmp_path))
    store.save("read", "key", REF)
    next((tmp_path / "results" / "read").iterdir()).write_bytes(content)
    assert store.load("read", "key", EITHER) is None
    store.save("read", "key", REF)
    assert store.load("read", "key", EITHER) == REF


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_leaves_nothing_torn(tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(1 << 20) * 64)
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from extract.dataset import DatasetRef
        from extract.store import Store
        store, n = Store(sys.argv[1]), 0
        print("begun", flush=True)
        while True:
            n += 1
            store.save("read", str(n), tuple(DatasetRef(owner="a", slug="b") for _ in range(9999)))
            store.add(Path(sys.argv[2]))
            (store.path(store.add(Path(sys.argv[2])))).unlink()
        """
    )
    kind = tuple[DatasetRef, ...]
    for wait in (0.02, 0.11, 0.3):
        state = tmp_path / str(wait)
        writer = subprocess.Popen(
            [sys.executable, "-c", script, str(state), str(big)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        store = Store(str(state))
        results = [store.load("read", str(n), kind) for n in range(1, 200)]
        assert all(result is None or len(result) == 9999 for result in results)
        for path in (state / "objects").glob("*/*"):
            unfinished = path.name.startswith(".unfinished-")
            assert unfinished or sha256_of(path) == path.parent.name + path.name


@pytest.fixture(params=["folder", "file://", "memory://"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A new store at an address of each kind."""
    if request.param == "folder":
        return Store(str(tmp_path / "store")).opened()
    place = tmp_path / "store"
    return Store(f"{request.param}{place}", tmp_path / "cache").opened()


def test_every_address_holds_files_and_results(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_bytes(b"abc")
    digest = store.add(source)
    assert store.has(digest)
    assert not store.has("0" * 64)
    assert store.path(digest).read_bytes() == b"abc"
    store.save("read", "key", REF)
    assert pickle.loads(pickle.dumps(store)).load("read", "key", DatasetRef) == REF
    names = store.names()
    result = Store.name_of_result("read", "key")
    assert set(names) == {Store.name_of_file(digest), result}
    assert names[Store.name_of_file(digest)] == 3
    assert names[result] > len(REF.model_dump_json())
    for name in names:
        store.remove(name)
    assert store.names() == {}
    assert store.load("read", "key", DatasetRef) is None
    with store.scratch() as folder:
        assert list(folder.iterdir()) == []
    assert not folder.exists()


@pytest.mark.parametrize("digit", [b"1", b"9"])
def test_a_result_with_one_changed_digit_is_absent(store: Store, digit: bytes) -> None:
    """Valid JSON of the right shape, and not what was written."""
    store.save("read", "key", REF)
    place = store._at(Store.name_of_result("read", "key"))
    written = bytes(store._fs.cat_file(place))
    store._fs.pipe_file(place, written.replace(b'"version":3', b'"version":' + digit))
    assert store.load("read", "key", DatasetRef) is None


def test_the_command_that_clears_holds_a_strange_folder_together(tmp_path: Path) -> None:
    folder = tmp_path / "a b; touch c"
    (folder / "objects").mkdir(parents=True)
    with pytest.raises(StoreError) as refused:
        Store(str(folder)).opened()
    command = str(refused.value).rpartition("clear them: ")[2]
    subprocess.run(["sh", "-c", command], check=True, cwd=tmp_path)
    assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [folder]


def test_a_file_that_is_lost_is_told(store: Store) -> None:
    with pytest.raises(MissingError, match="has no objects/00"):
        store.path("0" * 64)


def test_a_fetched_file_is_held_against_its_name(tmp_path: Path) -> None:
    store = Store(f"memory://{tmp_path}", tmp_path / "cache").opened()
    source = tmp_path / "data"
    source.write_bytes(b"abc")
    digest = store.add(source)
    fsspec.filesystem("memory").pipe_file(f"{tmp_path}/{Store.name_of_file(digest)}", b"abd")
    with pytest.raises(MissingError, match="was damaged"):
        store.path(digest)
    assert not (tmp_path / "cache" / Store.name_of_file(digest)).exists()


def test_a_damaged_file_is_removed_and_comes_again(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "data"
    source.write_bytes(b"abc")
    digest = store.add(source)
    store._fs.pipe_file(store._at(Store.name_of_file(digest)), b"abd")
    with pytest.raises(MissingError, match="was damaged"):
        store.path(digest)
    assert not store.has(digest)
    assert store.add(source) == digest
    assert store.path(digest).read_bytes() == b"abc"


@pytest.mark.parametrize("folder", ["objects", "results"])
def test_a_store_of_an_older_version_is_refused_with_the_command(
    tmp_path: Path, folder: str
) -> None:
    (tmp_path / folder).mkdir()
    with pytest.raises(StoreError, match=f"older version.*rm -rf -- .*{tmp_path}/{folder}"):
        Store(str(tmp_path)).opened()


@pytest.mark.parametrize("marker", ['{"format": 1}', '{"format": 3}', "{}", "", "[]"])
def test_another_format_is_refused(tmp_path: Path, marker: str) -> None:
    (tmp_path / "store.json").write_text(marker)
    with pytest.raises(StoreError, match="rm -rf -- "):
        Store(str(tmp_path)).opened()

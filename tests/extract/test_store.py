"""The store: all of a thing or nothing, whatever kills the writer."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.store import Store, code_fingerprint, sha256_of

REF = DatasetRef(owner="a", slug="b", version=3)
DROP = Drop(key="a/b", source="a/b", room="extract", reason="no_table", detail="x")
EITHER = TypeAdapter[DatasetRef | Drop](DatasetRef | Drop)


def test_files_are_found_by_content(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    source = tmp_path / "data"
    source.write_bytes(b"abc")
    digest = store.add(source)
    assert digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    source.write_bytes(b"changed")
    assert store.path(digest).read_bytes() == b"abc"
    assert sha256_of(store.path(digest)) == digest
    assert store.add(store.path(digest)) == digest


def test_results_come_back_typed(tmp_path: Path) -> None:
    store = Store(tmp_path)
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
    store = Store(tmp_path)
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
        store, n = Store(Path(sys.argv[1])), 0
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
        store = Store(state)
        results = [store.load("read", str(n), kind) for n in range(1, 200)]
        assert all(result is None or len(result) == 9999 for result in results)
        for path in (state / "objects").glob("*/*"):
            unfinished = path.name.startswith(".unfinished-")
            assert unfinished or sha256_of(path) == path.parent.name + path.name


def test_fingerprint_depends_on_the_rooms() -> None:
    assert code_fingerprint("extract") == code_fingerprint("extract")
    both = code_fingerprint("extract", "transform")
    assert both == code_fingerprint("transform", "extract") != code_fingerprint("extract")

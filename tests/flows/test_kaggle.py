"""From Kaggle to a release: through faults that pass, faults that last, and kill -9."""

import hashlib
import itertools
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.building import (
    MARK,
    OPENDARE,
    ROOT,
    Built,
    digests,
    environment,
    kaggle_arguments,
    run_opendare,
    survivors,
)
from tests.servers.kaggle import KEY, Faults, LoopbackKaggle, Request

pytestmark = pytest.mark.slow

_KILLS = 20
_MIB = 1 << 20


@pytest.fixture
def place(small_build: Built, tmp_path: Path) -> Path:
    """A folder whose state remembers what was computed from the same tables."""
    shutil.copytree(small_build.state, tmp_path / "state", symlinks=True)
    return tmp_path


def through(server: LoopbackKaggle, verb: str, place: Path, *more: str) -> Built:
    """Run a verb of `opendare` to its end; `more` are further arguments."""
    arguments = kaggle_arguments(verb, place, *more)
    return run_opendare(arguments, place, place / "mirror", environment(server.environment))


def rejects(release: Path) -> dict[str, str]:
    (shard,) = release.glob("data/rejects/*.parquet")
    return {row["key"]: row["reason"] for row in pq.ParquetFile(shard).read().to_pylist()}


def said(built: Built) -> str:
    return built.printed + built.complained


# --- faults that pass ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_passing_faults_change_no_byte(small_build: Built, place: Path, seed: int) -> None:
    with LoopbackKaggle(small_build.mirror, faults=Faults.passing(seed)) as server:
        built = through(server, "build", place)
        met = {request.fault for request in server.requests}
    assert built.code == 0, built.complained
    assert digests(built.out) == digests(small_build.out)
    assert len(met) > 12, "faults were met"
    assert KEY not in said(built)
    assert "X-Goog-Signature" not in said(built)
    assert no_secret_below(place)


def no_secret_below(place: Path) -> bool:
    """No file of a run holds the key."""
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return not [path for path in files if KEY.encode() in path.read_bytes()]


def test_a_token_logs_in_as_well(small_build: Built, tmp_path: Path) -> None:
    with LoopbackKaggle(small_build.mirror) as server:
        given = {k: v for k, v in server.environment.items() if k not in ("KAGGLE_KEY",)}
        arguments = kaggle_arguments("fetch", tmp_path)
        told = environment({**given, "KAGGLE_API_TOKEN": server.token})
        built = run_opendare(arguments, tmp_path, tmp_path / "mirror", told)
    assert built.code == 0, built.complained
    assert server.token not in said(built)


# --- the mirror is the cache --------------------------------------------------------------------


def test_a_fetched_mirror_builds_offline_and_is_fetched_once(
    small_build: Built, place: Path
) -> None:
    with LoopbackKaggle(small_build.mirror) as server:
        first = through(server, "fetch", place)
        asked = len(server.requests)
        assert through(server, "fetch", place).code == 0
        again = server.requests[asked:]
    assert first.code == 0, first.complained
    assert {request.rpc for request in again} == {"ListDatasets", "GetDatasetMetadata"}
    metadata = {request.ref for request in again if request.rpc == "GetDatasetMetadata"}
    assert metadata <= {"bad/forbidden", "bad/nobody-knows", "bad/metadata"}, "refused before data"
    offline = ["build", "--config", str(ROOT / "configs" / "mirror.yaml")]
    folders = ["--mirror", "mirror", "--out", "release", "--state", "state"]
    built = run_opendare([*offline, *folders], place, place / "mirror", environment())
    assert built.code == 0, built.complained
    assert digests(built.out) == digests(small_build.out)


def test_only_new_versions_are_fetched(small_build: Built, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(small_build.mirror / "ann" / "churn", newer)
    with (newer / "customers.csv").open("a") as file:
        file.write("30,1,1,1,Hof,plus,2020-01-01,no\n")
    with LoopbackKaggle(small_build.mirror) as server:
        assert through(server, "fetch", tmp_path).code == 0
        server.publish("ann/churn", newer, 3)
        before = len(server.requests)
        assert through(server, "fetch", tmp_path).code == 0
        stored = [r for r in server.requests[before:] if r.rpc == "Storage"]
    assert [(request.ref, request.version) for request in stored] == [("ann/churn", 3)]
    versions = tmp_path / "mirror" / ".versions" / "ann" / "churn"
    assert sorted(path.name for path in versions.iterdir()) == ["2", "3"]
    shown = tmp_path / "mirror" / "ann" / "churn"
    assert (shown / "customers.csv").read_bytes() == (newer / "customers.csv").read_bytes()
    record = json.loads((shown / "fetch-record.json").read_text())
    (file_record,) = record["files"]
    content = (newer / "customers.csv").read_bytes()
    assert file_record["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_changed_file_of_the_mirror_is_owed_not_released(small_build: Built, place: Path) -> None:
    with LoopbackKaggle(small_build.mirror) as server:
        assert through(server, "fetch", place).code == 0
        (place / "mirror" / "ann" / "rents" / "rents.csv").write_text("area\n1\n")
        built = through(server, "build", place)
    # Another size is seen before anything is read, and the version is fetched again.
    assert built.code == 0, built.complained
    assert digests(built.out) == digests(small_build.out)
    path = place / "mirror" / "ann" / "rents" / "rents.csv"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1", b"2"))
    with LoopbackKaggle(small_build.mirror) as server:
        built = through(server, "build", place)
    assert built.code == 3
    assert "damaged" in built.complained
    assert "rm -r" in built.complained


# --- faults that last -----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["*", "DownloadDataset"])
def test_credentials_that_are_not_taken_stop_the_build(
    small_build: Built, tmp_path: Path, where: str
) -> None:
    with LoopbackKaggle(small_build.mirror, faults=Faults(lasting={where: 401})) as server:
        built = through(server, "build", tmp_path)
        n_asked = server.count("DownloadDataset")
    assert built.code == 2
    assert "kaggle.com/settings" in built.complained
    assert "export KAGGLE_USERNAME" in built.complained
    assert "Traceback" not in built.complained
    assert not built.out.exists()
    assert n_asked <= 4, "nobody goes on asking"
    assert KEY not in said(built)


def test_no_credentials_are_told_before_anything_is_asked(
    small_build: Built, tmp_path: Path
) -> None:
    with LoopbackKaggle(small_build.mirror) as server:
        told = {k: v for k, v in server.environment.items() if k != "KAGGLE_KEY"}
        arguments = kaggle_arguments("fetch", tmp_path)
        built = run_opendare(arguments, tmp_path, tmp_path / "mirror", environment(told))
        assert server.requests == []
    assert built.code == 2
    assert "found half a key" in built.complained


@pytest.mark.parametrize(("rpc", "status"), [("DownloadDataset", 403), ("GetDatasetMetadata", 404)])
def test_a_dataset_that_is_not_given_is_a_drop(
    small_build: Built, place: Path, rpc: str, status: int
) -> None:
    faults = Faults(lasting={f"{rpc} bob/wards": status})
    with LoopbackKaggle(small_build.mirror, faults=faults) as server:
        built = through(server, "build", place)
        assert server.count(rpc, "bob/wards") == 1, "a refusal is not asked again"
    assert built.code == 0, built.complained
    assert rejects(built.out)["bob/wards"] == "unavailable"
    others = rejects(small_build.out)
    assert others.items() <= rejects(built.out).items() | {
        (key, reason) for key, reason in others.items() if "bob__wards" in key
    }


@pytest.mark.parametrize("fault", [503, "hang"])
def test_an_outage_is_owed_and_the_same_command_continues(
    small_build: Built, place: Path, fault: int | str
) -> None:
    faults = Faults(lasting={"Storage": fault}, hang_s=600)
    start = time.monotonic()
    with LoopbackKaggle(small_build.mirror, faults=faults) as server:
        built = through(server, "build", place, *_quick())
        n_stored = server.count("Storage")
    assert built.code == 3
    assert "unreachable" in built.complained
    assert "continue with: opendare build" in built.complained
    assert not built.out.exists()
    assert n_stored <= 2 * 9, "after some datasets nobody goes on asking"
    assert time.monotonic() - start < 120
    with LoopbackKaggle(small_build.mirror) as server:
        built = through(server, "build", place)
    assert built.code == 0, built.complained
    assert digests(built.out) == digests(small_build.out)


def _quick() -> list[str]:
    knobs = ["patience.attempts=2", "transfer.read_timeout_s=1", "call_timeout_s=1"]
    return [part for knob in knobs for part in ("--set", f"source.kaggle.service.{knob}")]


@pytest.mark.parametrize("fault", ["hang", "drip", 500, "repeated-token", "html"])
def test_a_search_without_an_end_is_owed(
    small_build: Built, tmp_path: Path, fault: int | str
) -> None:
    faults = Faults(lasting={"ListDatasets": fault}, hang_s=600, drip_s=600)
    with LoopbackKaggle(small_build.mirror, faults=faults) as server:
        built = through(server, "fetch", tmp_path, *_quick())
    assert built.code == 3, said(built)
    assert "continue with: opendare fetch" in built.complained
    assert "Traceback" not in built.complained


# --- killed ---------------------------------------------------------------------------------------

_PACE, _N_LARGE = 3 * _MIB, 8
_FETCHER = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from flows.settings import load
from flows.sources import open_source
if __name__ == "__main__":
    config, mirror, state = sys.argv[1:]
    settings = load(Path(config), [], {"source.mirror": mirror, "state": state})
    with open_source(settings, dict(os.environ)) as source, ThreadPoolExecutor(3) as threads:
        found = list(threads.map(source.listing, source.refs()))
    print("fetched", len(found))
"""
"""What the flow of `opendare fetch` does, without the seconds that Prefect needs to start."""


@pytest.fixture(scope="module")
def large_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Datasets that take a while to come: 2 to 5 MiB that no compression makes less."""
    root = tmp_path_factory.mktemp("large")
    rng = random.Random("large")
    for number in range(_N_LARGE):
        folder = root / "big" / f"table-{number}"
        folder.mkdir(parents=True)
        info = {"id": f"big/table-{number}", "title": "Big", "licenses": [{"name": "CC0-1.0"}]}
        (folder / "dataset-metadata.json").write_text(json.dumps(info))
        record = {"currentVersionNumber": 1, "licenseName": "CC0: Public Domain"}
        (folder / "list-record.json").write_text(json.dumps(record))
        (folder / "bytes.csv").write_bytes(rng.randbytes(rng.randint(2, 5) * _MIB))
    return root


def test_a_fetch_that_is_killed_twenty_times_loses_nothing(
    large_mirror: Path, tmp_path: Path
) -> None:
    rng = random.Random("kills")
    kept: dict[str, int] = {}
    partial, twice = 0, Counter[str]()
    with LoopbackKaggle(large_mirror, pace=_PACE) as server:
        told = environment({**server.environment, MARK: str(tmp_path)})
        for _ in range(_KILLS):
            begun = len(server.requests)
            process = _start_fetch(tmp_path, told)
            while len(server.requests) == begun and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 1.2))
            process.kill()
            process.wait()
            assert survivors(str(tmp_path)) == []
            twice += _again(server.requests[begun:], kept)
            kept = _on_disk(tmp_path / "mirror")
            partial += any(0 < size < _MIB for size in kept.values())
            if len(list((tmp_path / "mirror").glob("big/*"))) == _N_LARGE:
                # All is here; the next kill is to meet something.
                shutil.rmtree(tmp_path / "mirror")
                kept = {}
        begun = len(server.requests)
        process = _start_fetch(tmp_path, told)
        assert process.wait(120) == 0
        twice += _again(server.requests[begun:], kept)
    assert partial >= 3, "kills met archives on their way"
    assert max(twice.values(), default=0) <= _MIB, "bytes that were on disk and came again"
    for folder in sorted(large_mirror.glob("big/*")):
        shown = tmp_path / "mirror" / "big" / folder.name / "bytes.csv"
        assert shown.read_bytes() == (folder / "bytes.csv").read_bytes()
    assert list((tmp_path / "mirror" / ".partial").iterdir()) == []


def _start_fetch(place: Path, told: Mapping[str, str]) -> subprocess.Popen[bytes]:
    arguments = kaggle_arguments("fetch", place)
    given = dict(itertools.pairwise(arguments))
    folders = [given[flag] for flag in ("--config", "--mirror", "--state")]
    command = [sys.executable, "-c", _FETCHER, *folders]
    return subprocess.Popen(
        command, cwd=ROOT, env={**told, "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    )


def _again(requests: Sequence[Request], kept: Mapping[str, int]) -> Counter[str]:
    """By dataset, the bytes that were on disk before and were asked for once more."""
    first: dict[str, int] = {}
    for request in requests:
        if request.rpc == "Storage":
            first.setdefault(request.ref, request.start)
    return Counter({ref: max(0, kept.get(ref, 0) - start) for ref, start in first.items()})


def _on_disk(mirror: Path) -> dict[str, int]:
    """Bytes of archives that are there, by dataset."""
    found = {}
    for folder in mirror.glob(".partial/*"):
        owner, slug, _ = folder.name.split("~")
        sizes = [path.stat().st_size for path in folder.glob("archive.zip*") if _is_data(path)]
        found[f"{owner}/{slug}"] = max(sizes, default=0)
    return found


def _is_data(path: Path) -> bool:
    return path.name in ("archive.zip", "archive.zip.part")


def test_the_command_itself_is_killed_and_goes_on(large_mirror: Path, tmp_path: Path) -> None:
    with LoopbackKaggle(large_mirror, pace=_PACE) as server:
        told = environment({**server.environment, MARK: str(tmp_path)})
        process = subprocess.Popen(
            [str(OPENDARE), *kaggle_arguments("fetch", tmp_path)], env=told, cwd=tmp_path
        )
        while server.count("Storage") < 2:
            time.sleep(0.05)
            assert process.poll() is None
        process.kill()
        process.wait()
        assert survivors(str(tmp_path)) == []
        built = through(server, "fetch", tmp_path)
    assert built.code == 0, built.complained
    assert "in the mirror" in built.printed

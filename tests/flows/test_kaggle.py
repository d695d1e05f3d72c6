"""From Kaggle to a release: through faults that pass, faults that last, and kill -9."""

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
import yaml

from tests.building import (
    MARK,
    OPENDARE,
    ROOT,
    Built,
    build,
    digests,
    environment,
    kaggle_arguments,
    remember,
    run_opendare,
    survivors,
)
from tests.servers.kaggle import KEY, Faults, LoopbackKaggle, Request

pytestmark = pytest.mark.slow

_QUICK_OPENDARE = f"""
import sys
from functools import partial
import extract.sources.kaggle as kaggle
kaggle.KaggleLimits = partial(
    kaggle.KaggleLimits,
    first_pause_s=0.05, longest_pause_s=1, read_timeout_s=3, address_s=30, page_size=5,
)
if __name__ == "__main__":
    from flows.cli import main
    sys.argv[0] = {str(OPENDARE)!r}
    sys.exit(main())
"""
"""The command without long pauses and waits, and with small pages."""
_KILLS = 20
_MIB = 1 << 20


@pytest.fixture
def place(small_build: Built, tmp_path: Path) -> Path:
    """A folder whose state remembers what was computed from the same tables."""
    remember(small_build.state, tmp_path / "state")
    return tmp_path


def through(server: LoopbackKaggle, verb: str, place: Path, *more: str) -> Built:
    """Run a verb of `opendare` to its end; `more` are further arguments."""
    arguments = kaggle_arguments(verb, place, *more)
    variables = environment(server.environment)
    return run_opendare(arguments, place, place / "mirror", variables, _QUICK_OPENDARE)


def rejects(release: Path) -> dict[str, str]:
    (shard,) = release.glob("data/rejects/*.parquet")
    return {row["key"]: row["reason"] for row in pq.ParquetFile(shard).read().to_pylist()}


def said(built: Built) -> str:
    return built.printed + built.complained


# --- faults -------------------------------------------------------------------------------------


def test_passing_faults_change_no_byte(small_build: Built, place: Path) -> None:
    with LoopbackKaggle(small_build.mirror, faults=Faults.passing(1)) as server:
        built = through(server, "build", place)
        met = {request.fault for request in server.requests}
    assert built.code == 0, built.complained
    assert digests(built.out) == digests(small_build.out)
    assert len(met) > 12, "faults were met"
    assert KEY not in said(built)
    assert "X-Goog-Signature" not in said(built)
    assert _holding(KEY, place) == []


def _holding(secret: str, place: Path) -> list[Path]:
    files = (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if secret.encode() in path.read_bytes()]


def test_lasting_faults_are_drops_or_owed_and_the_same_command_continues(
    small_build: Built, place: Path
) -> None:
    lasting = {"DownloadDataset bob/wards": 403, "GetDatasetMetadata ann/rents": 404}
    outage = {**lasting, "Storage ann/churn": 503}
    with LoopbackKaggle(small_build.mirror, faults=Faults(lasting=outage)) as server:
        # Only what lasts may fail: a slow machine has all the time that it needs.
        built = through(server, "build", place, *_set("attempts=2", "call_timeout_s=60"))
    assert built.code == 3, said(built)
    assert "pending: ann/churn: unreachable: storage: HTTP 503" in built.complained
    assert f"continue with: {OPENDARE} build" in built.complained
    assert not built.out.exists()
    with LoopbackKaggle(small_build.mirror, faults=Faults(lasting=lasting)) as server:
        built = through(server, "build", place)
        fetched = {request.ref for request in server.requests if request.rpc == "Storage"}
    assert built.code == 0, built.complained
    assert fetched == {"ann/churn"}, "the others are here"
    reasons = rejects(built.out)
    assert (reasons["bob/wards"], reasons["ann/rents"]) == ("unavailable", "unavailable")
    sources = {ref.split("__")[1] for ref in _task_ids(built.out)}
    assert sources == {ref.split("__")[1] for ref in _task_ids(small_build.out)} - {
        "wards",
        "rents",
    }


def _task_ids(release: Path) -> list[str]:
    shards = sorted(release.glob("data/tasks*/*.parquet"))
    return [
        task for shard in shards for task in pq.ParquetFile(shard).read()["task_id"].to_pylist()
    ]


def test_credentials_that_are_not_taken_stop_the_build(small_build: Built, tmp_path: Path) -> None:
    with LoopbackKaggle(small_build.mirror, faults=Faults(lasting={"*": 401})) as server:
        built = through(server, "build", tmp_path)
    assert built.code == 2
    assert "kaggle.com/settings" in built.complained
    assert "export KAGGLE_USERNAME" in built.complained
    assert "Traceback" not in built.complained
    assert not built.out.exists()
    assert KEY not in said(built)


def test_credentials_that_are_taken_back_stop_the_rest(small_build: Built, tmp_path: Path) -> None:
    faults = Faults(lasting={"DownloadDataset": 401})
    with LoopbackKaggle(small_build.mirror, faults=faults) as server:
        built = through(server, "build", tmp_path)
        n_asked = server.count("DownloadDataset")
    assert built.code == 2
    assert "no_access" in built.complained
    assert "kaggle.com/settings" in built.complained
    assert n_asked <= 4, "nobody goes on asking"
    assert "inspect" not in built.complained, "nothing is computed that cannot be used"


@pytest.mark.parametrize("fault", ["drip", "html"])
def test_a_search_without_an_end_is_owed(
    small_build: Built, tmp_path: Path, fault: int | str
) -> None:
    faults = Faults(lasting={"ListDatasets": fault}, hang_s=600, drip_s=600)
    with LoopbackKaggle(small_build.mirror, faults=faults) as server:
        built = through(server, "fetch", tmp_path, *_set("attempts=2", "call_timeout_s=1"))
    assert built.code == 3, said(built)
    assert f"continue with: {OPENDARE} fetch" in built.complained
    assert "Traceback" not in built.complained


def _set(*knobs: str) -> list[str]:
    return [part for knob in knobs for part in ("--set", f"source.kaggle.{knob}")]


# --- the mirror is the cache --------------------------------------------------------------------


def test_a_fetched_mirror_builds_offline(small_build: Built, place: Path) -> None:
    with LoopbackKaggle(small_build.mirror) as server:
        variables = environment({**server.environment, "KAGGLE_API_TOKEN": server.token})
        variables.pop("KAGGLE_KEY")
        given = kaggle_arguments("fetch", place)
        fetched = run_opendare(given, place, place / "mirror", variables)
        assert server.token not in said(fetched)
    assert fetched.code == 0, fetched.complained
    assert "bytes of archives came" in fetched.printed
    offline = build(place / "mirror", place)
    assert offline.code == 0, offline.complained
    assert digests(offline.out) == digests(small_build.out)


# --- killed ---------------------------------------------------------------------------------------

_PACE, _N_LARGE = 3 * _MIB, 8
_FETCHER = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from extract.licenses import LicenceConfig
from extract.source import Opening
from extract.sources.kaggle import KaggleConfig
if __name__ == "__main__":
    config = KaggleConfig.model_validate_json(sys.argv[1])
    opening = Opening(Path(sys.argv[2]), LicenceConfig(), dict(os.environ))
    with config.open(opening) as source, ThreadPoolExecutor(3) as threads:
        list(threads.map(source.fetch, source.refs()))
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
        variables = environment({**server.environment, MARK: str(tmp_path)})
        for _ in range(_KILLS):
            begun = len(server.requests)
            process = _start_fetch(tmp_path, variables)
            while len(server.requests) == begun and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 2))
            process.kill()
            process.wait()
            assert survivors(str(tmp_path)) == []
            twice += _again(server.requests[begun:], kept)
            kept = _on_disk(tmp_path / "mirror")
            parts = (tmp_path / "mirror").glob(".partial/*/archive.zip.part")
            partial += any(path.stat().st_size for path in parts)
            if len(list((tmp_path / "mirror").glob("big/*"))) == _N_LARGE:
                # All is here; the next kill is to meet something.
                shutil.rmtree(tmp_path / "mirror")
                kept = {}
        begun = len(server.requests)
        process = _start_fetch(tmp_path, variables)
        assert process.wait(900) == 0
        twice += _again(server.requests[begun:], kept)
    assert partial >= 3, "kills met archives on their way"
    assert max(twice.values(), default=0) <= _MIB, "bytes that were on disk and came again"
    for folder in sorted(large_mirror.glob("big/*")):
        shown = tmp_path / "mirror" / "big" / folder.name / "bytes.csv"
        assert shown.read_bytes() == (folder / "bytes.csv").read_bytes()
    assert list((tmp_path / "mirror" / ".partial").iterdir()) == []


def _start_fetch(place: Path, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    config = yaml.safe_load(Path(kaggle_arguments("fetch", place)[2]).read_text())
    knobs = json.dumps(config["source"]["kaggle"])
    return subprocess.Popen(
        [sys.executable, "-c", _FETCHER, knobs, str(place / "mirror")],
        cwd=ROOT,
        env={**variables, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
    sizes_by_dataset = {}
    for folder in mirror.glob(".partial/*"):
        owner, slug, _ = folder.name.split("~")
        sizes = [path.stat().st_size for path in folder.glob("archive.zip*") if _is_data(path)]
        sizes_by_dataset[f"{owner}/{slug}"] = max(sizes, default=0)
    return sizes_by_dataset


def _is_data(path: Path) -> bool:
    return path.name in ("archive.zip", "archive.zip.part")


def test_the_command_itself_is_killed_and_goes_on(large_mirror: Path, tmp_path: Path) -> None:
    with LoopbackKaggle(large_mirror, pace=_PACE) as server:
        variables = environment({**server.environment, MARK: str(tmp_path)})
        process = subprocess.Popen(
            [str(OPENDARE), *kaggle_arguments("fetch", tmp_path)], env=variables, cwd=tmp_path
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

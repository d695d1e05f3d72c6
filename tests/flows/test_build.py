"""The whole build as a user runs it: killed, repeated, disturbed, and always the same bytes."""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.building import (
    MARK,
    MIRROR_CONFIG,
    OPENDARE,
    Built,
    arguments,
    build,
    digests,
    environment,
    remember,
    survivors,
)
from tests.small_mirror import BAD, GOOD

pytestmark = pytest.mark.slow
MOMENTS = {"read": 3, "inspect": 2, "profile": 2, "execute": 4, "gate sensitive": 1}
"""Results of stages, in the order in which a build makes them, after which one is killed."""


def part_of(mirror: Path, place: Path, *keys: str) -> Path:
    """A mirror with some of the datasets."""
    for key in keys:
        shutil.copytree(mirror / key, place / key)
    return place


def results(state: Path) -> dict[str, int]:
    """When each remembered result was written."""
    return {str(path): path.stat().st_mtime_ns for path in state.glob("results/*/*.json")}


def rejects(release: Path) -> dict[str, str]:
    """Reason by key."""
    (shard,) = release.glob("data/rejects/*.parquet")
    return {row["key"]: row["reason"] for row in pq.ParquetFile(shard).read().to_pylist()}


# --- one build --------------------------------------------------------------------------------


def test_a_build_says_what_came_of_it(small_build: Built) -> None:
    assert small_build.code == 0, small_build.complained
    lines = [" ".join(line.split()) for line in small_build.printed.splitlines()]
    assert f"sources {len(GOOD) + len(BAD)}" in lines
    assert f"their sources {len(GOOD)}" in lines
    for stage in ("extract", "inspect", "compare", "profile", "propose", "plan", "try", "publish"):
        assert re.search(rf"^  {stage} +\d+\.\d$", small_build.printed, re.MULTILINE)
    assert small_build.printed.splitlines()[-1] == f"release written: {small_build.out}"


def test_it_complains_about_nothing(small_build: Built) -> None:
    said = [line for line in small_build.complained.splitlines() if not _is_progress(line)]
    assert said == []


def _is_progress(line: str) -> bool:
    stage = re.match(r"(extract|inspect|compare|profile|propose|plan|try) \d+/\d+ ", line)
    return bool(stage) or line.startswith("making the environment of libraries ")


def test_bad_datasets_end_as_drops(small_build: Built) -> None:
    reasons = rejects(small_build.out)
    assert {key: reasons.get(key) for key in BAD} == BAD
    assert "crashed" not in reasons.values()


# --- again ------------------------------------------------------------------------------------


def test_a_second_run_computes_nothing_and_says_unchanged(
    small_build: Built, tmp_path: Path
) -> None:
    remember(small_build.state, tmp_path / "state")
    shutil.copytree(small_build.out, tmp_path / "release")
    before = results(tmp_path / "state")
    again = build(small_build.mirror, tmp_path)
    assert again.code == 0
    assert again.printed.splitlines()[-1] == f"release unchanged: {again.out}"
    assert before
    assert results(again.state) == before
    assert digests(again.out) == digests(small_build.out)
    assert sum(_seconds(again)) < sum(_seconds(small_build)) / 4, "asking the memory takes no time"


def _seconds(built: Built) -> list[float]:
    """Of the stages that remember what they have computed."""
    stages = r"^  (?:inspect|compare|profile|propose|plan|try) +(\d+\.\d)$"
    seconds = [float(text) for text in re.findall(stages, built.printed, re.MULTILINE)]
    assert len(seconds) == 6
    return seconds


def test_neither_seeds_nor_threads_nor_workers_shape_a_release(
    small_build: Built, tmp_path: Path
) -> None:
    changes = {
        "PYTHONHASHSEED": "77",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_NUM_THREADS": "2",
        "POLARS_MAX_THREADS": "1",
        "TZ": "Asia/Kolkata",
        "LC_ALL": "C",
    }
    other = build(small_build.mirror, tmp_path, "--set", "workers.count=1", changes=changes)
    assert other.code == 0, other.complained
    assert digests(other.out) == digests(small_build.out)


# --- killed -----------------------------------------------------------------------------------


def test_a_killed_build_goes_on_and_leaves_nobody_behind(
    small_build: Built, tmp_path: Path
) -> None:
    rng = random.Random("moments")
    state = tmp_path / "state"
    moments: list[tuple[str, Callable[[], bool]]] = []
    for stage, n in MOMENTS.items():
        folder = state / "results" / stage
        moments.append((f"{stage} {n}", lambda f=folder, n=n: _count(f) >= n))  # type: ignore[misc]
    moments.append(("publish", (tmp_path / ".release.staged").exists))
    for name, reached in moments:
        process = _start(small_build.mirror, tmp_path)
        assert _wait(reached, process), f"the build ended before it was killed: {name}"
        time.sleep(0 if name == "publish" else rng.uniform(0, 0.4))
        _kill(process)
        assert survivors(str(tmp_path)) == [], f"killed at {name}"
        assert not (tmp_path / "release").exists(), f"killed at {name}"
    last = build(small_build.mirror, tmp_path)
    assert last.code == 0, last.complained
    assert digests(last.out) == digests(small_build.out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["release", "state"]


def _count(folder: Path) -> int:
    return len(list(folder.glob("*.json")))


def _start(mirror: Path, place: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(OPENDARE), *arguments(mirror, place)],
        env=environment({MARK: str(place)}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _wait(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """True when it was reached while the build ran; looks often, as publishing takes a moment."""
    while process.poll() is None:
        if reached():
            return True
        time.sleep(0.005)
    return False


def _kill(process: subprocess.Popen[bytes]) -> None:
    """As nobody can refuse, and that process alone."""
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=300)


# --- disturbed --------------------------------------------------------------------------------

_CRASHING = """
import sys
import flows.stages as stages
from flows.cli import main

read = stages.read_dataset

def crash(source, ref, *rest):
    if ref.key == "ann/churn":
        raise ZeroDivisionError("a fault of ours")
    return read(source, ref, *rest)

stages.read_dataset = crash
sys.exit(main())
"""


def test_a_crash_costs_its_dataset_only(small_build: Built, tmp_path: Path) -> None:
    keys = ("ann/churn", "ann/rents", "bob/shops")
    mirror = part_of(small_build.mirror, tmp_path / "mirror", *keys)
    built = build(mirror, tmp_path, program=_CRASHING)
    assert built.code == 0, built.complained
    assert "extract: crashed" in built.printed
    reasons = rejects(built.out)
    assert reasons["ann/churn"] == "crashed"
    assert _hashes(built.out) == {
        key: value
        for key, value in _hashes(small_build.out).items()
        if key.startswith(("ann__rents", "bob__shops"))
    }


def _hashes(release: Path) -> dict[str, str]:
    """`task_hash` by task id."""
    hashes = {}
    for path in release.glob("data/tasks*/*.parquet"):
        rows = pq.ParquetFile(path).read(["task_id", "task_hash"]).to_pylist()
        hashes |= {row["task_id"]: row["task_hash"] for row in rows}
    return hashes


def test_owed_work_stops_the_release_and_the_same_command_continues(
    small_build: Built, tmp_path: Path
) -> None:
    mirror = part_of(small_build.mirror, tmp_path / "mirror", "ann/rents", "bob/shops")
    hasty = ("--set", "workers.executor.timeout_s=0.001")
    owing = build(mirror, tmp_path, *hasty)
    assert owing.code == 3
    assert not owing.out.exists()
    last = owing.complained.splitlines()[-1]
    command = last.partition("continue with: ")[2]
    assert shlex.split(command) == [str(OPENDARE), *arguments(mirror, tmp_path, *hasty)]
    pending = [line for line in owing.complained.splitlines() if line.startswith("pending: ")]
    reasons = [re.sub(r"^pending: \S+( and \d+ more)?:? ", "", line) for line in pending]
    assert len(set(reasons)) == len(reasons), "equal reasons are told once"
    assert all("WorkerTimeout: " in reason for reason in reasons)
    n_plans = int(re.search(r"plans +(\d+)", owing.printed)[1])  # type: ignore[index]
    assert last.startswith(f"no release: {n_plans} items are pending")

    done_before = {path for path in results(owing.state) if "/plan/" in path}
    continued = build(mirror, tmp_path)
    assert continued.code == 0, continued.complained
    assert {path for path in results(owing.state) if "/plan/" in path} == done_before
    assert _hashes(continued.out).items() <= _hashes(small_build.out).items()


# --- what the user can repair -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--set", "gates.size.min_train_rows=-1"), ("min_train_rows", "-1", "greater")),
        (("--set", "gates.sise.min_train_rows=1"), ("sise", "size", "allowed")),
        (("--set", "workers.count=many"), ("workers.count", "'many'", "integer")),
        (("--set", "publish.release=tomorrow"), ("publish.release", "'tomorrow'", "dev")),
    ],
)
def test_a_wrong_configuration_stops_at_once(
    small_mirror: Path, tmp_path: Path, more: Sequence[str], said: Sequence[str]
) -> None:
    refused = build(small_mirror, tmp_path, *more)
    assert refused.code == 2
    assert all(word in refused.complained for word in said), refused.complained
    assert "Traceback" not in refused.complained
    assert list(tmp_path.iterdir()) == []


def test_too_little_for_a_release_is_told(small_mirror: Path, tmp_path: Path) -> None:
    mirror = part_of(small_mirror, tmp_path / "mirror", *BAD)
    refused = build(mirror, tmp_path)
    assert refused.code == 2
    assert "at least 2 unrelated sources" in refused.complained
    assert "Traceback" not in refused.complained
    assert not refused.out.exists()
    assert not list(tmp_path.glob(".release*"))


def test_a_folder_that_is_no_release_is_not_replaced(small_build: Built, tmp_path: Path) -> None:
    precious = tmp_path / "release"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    command = [str(OPENDARE), "build", "--config", str(MIRROR_CONFIG), "--out", str(precious)]
    remember(small_build.state, tmp_path / "state")
    places = ["--mirror", str(small_build.mirror), "--state", str(tmp_path / "state")]
    refused = subprocess.run(
        [*command, *places], env=environment(), capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "thesis.txt" in refused.stderr
    assert os.listdir(precious) == ["thesis.txt"]

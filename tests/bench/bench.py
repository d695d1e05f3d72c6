"""`make bench`: what a build costs, and what long-lived workers save, as ratios.

Builds from an empty state and prints wall seconds and the peak memory of the whole process tree;
then executes the reference of every instruction task of the release in a long-lived worker and, the
peer's way, each `solution.py` in a fresh interpreter, and prints tasks per CPU second of both. CPU
seconds count user and system time of the processes that did the work, start-up included on the
fresh side and, once, on the side of the worker. Last, what it cost to verify each of these tasks
(all attempts, from the ledger of the build) is divided by what its program costs in a fresh
interpreter. Nothing here is a test; numbers depend on the machine.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from validate import score

_SAMPLE_S = 0.2
_LEFT_OUT = ("older_libraries", "draft")
"""Purposes that are not part of verifying: other library versions, and making the task."""


class _PeakMemory(threading.Thread):
    """Samples the proportional set size (shared pages counted once) of a process tree, in bytes."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._root = psutil.Process(pid)

    def run(self) -> None:
        while self._root.is_running() and self._root.status() != psutil.STATUS_ZOMBIE:
            self.peak = max(self.peak, sum(self._sizes()))
            time.sleep(_SAMPLE_S)

    def _sizes(self) -> Iterator[int]:
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                yield process.memory_full_info().pss
            except psutil.Error:
                continue


def build(config: str, out: Path, state: Path, mirror: Path | None) -> None:
    """Build from an empty state and print wall seconds and peak memory."""
    command = [str(Path(sys.executable).with_name("opendare")), "build", "--config", config]
    command += ["--out", str(out), "--state", str(state)]
    command += ["--mirror", str(mirror)] if mirror else []
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memory = _PeakMemory(process.pid)
    memory.start()
    code = process.wait()
    wall_s = time.monotonic() - start
    memory.join()
    print(f"build {config}: exit {code}, {wall_s:.0f} s wall, peak {memory.peak / 2**30:.2f} GiB")


def compare(release: Path, state: Path | None = None) -> None:
    """Print tasks per CPU second of a long-lived worker and of fresh interpreters.

    With the state of the build, also what verifying a task costs.
    """
    tasks = instruction_tasks(release)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [lay_out(release, task, Path(scratch)) for task in tasks]
        with _cpu_seconds() as lasting:
            subprocess.run(
                [sys.executable, __file__, "--worker", *map(str, folders)],
                check=True,
                env=_one_thread(),
            )
        fresh = {folder.name: _run_fresh(folder) for folder in folders}
        equal = sum(_is_truth(release, folder) for folder in folders)
    ratio = sum(fresh.values()) / lasting[0]
    print(f"{len(tasks)} instruction tasks, {equal} with equal predictions")
    print(f"long-lived worker {len(tasks) / lasting[0]:6.2f} tasks per CPU second")
    print(f"fresh interpreter {len(tasks) / sum(fresh.values()):6.2f} tasks per CPU second")
    print(f"ratio             {ratio:6.2f}")
    if state is not None:
        verified(state, fresh)


def _run_fresh(folder: Path) -> float:
    """CPU seconds of the program in an interpreter of its own."""
    command = [sys.executable, "solution.py"]
    with _cpu_seconds() as spent:
        subprocess.run(command, cwd=folder, check=True, env=_one_thread(), capture_output=True)
    return spent[0]


def verified(state: Path, fresh: dict[str, float]) -> None:
    """Print CPU of verifying a task, without older libraries, over that of its program alone."""
    costs = {}
    for line in (state / "ledger.jsonl").read_text(encoding="utf-8").splitlines():
        trial = json.loads(line)
        if trial["task_id"] in fresh:
            spent = trial["cpu_s"]
            costs[trial["task_id"]] = {n: s for n, s in spent.items() if n not in _LEFT_OUT}
    ratios = np.array([sum(costs[task].values()) / fresh[task] for task in sorted(costs)])
    low, high = np.percentile(ratios, [50, 90])
    print(f"verified tasks    {len(ratios)}; CPU over one fresh run of the program:")
    print(f"  median {low:.2f}, mean {ratios.mean():.2f}, 90th percentile {high:.2f}")
    total = sum(fresh[task] for task in costs)
    for purpose in sorted({name for spent in costs.values() for name in spent}):
        share = sum(spent.get(purpose, 0.0) for spent in costs.values()) / total
        print(f"  {purpose:<18} {share:6.3f}")


def instruction_tasks(release: Path) -> list[dict[str, object]]:
    columns = ["task_id", "variant", "question", "files"]
    tables = [
        pq.read_table(p, columns=columns) for p in sorted(release.glob("data/tasks*/*.parquet"))
    ]
    rows = pa.concat_tables(tables).to_pylist()
    return [row for row in rows if str(row["variant"]).endswith("-if")]


def lay_out(release: Path, task: dict[str, object], scratch: Path) -> Path:
    """A folder with the public files, the text and the shipped program."""
    folder = scratch / str(task["task_id"])
    folder.mkdir()
    for file in task["files"]:  # type: ignore[attr-defined]
        (folder / file["name"]).write_bytes(_contents(release)[file["sha256"]])
    (folder / "question.txt").write_text(str(task["question"]))
    (folder / "solution.py").write_text(_solutions(release)[str(task["task_id"])])
    return folder


def _contents(release: Path) -> dict[str, bytes]:
    if not _CACHE:
        for path in sorted(release.glob("data/files/*.parquet")):
            table = pq.read_table(path, columns=["sha256", "content"])
            _CACHE.update(
                zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
            )
    return _CACHE


_CACHE: dict[str, bytes] = {}


def _solutions(release: Path) -> dict[str, str]:
    tables = [
        pq.read_table(path, columns=["task_id", "solution"])
        for path in sorted(release.glob("data/answers/*.parquet"))
    ]
    rows = pa.concat_tables(tables).to_pylist()
    return {row["task_id"]: row["solution"] for row in rows}


def _is_truth(release: Path, folder: Path) -> bool:
    """Both the worker's answer and the program's score 1 against the shipped truth."""
    (answer,) = score.load_answers(release, [folder.name])
    predictions = [folder / "prediction.csv", folder / "worker.parquet"]
    return all(score.score(answer, prediction).score == 1.0 for prediction in predictions)


def _run_in_worker(folders: list[str]) -> None:
    """All references in one long-lived process, from the text and the public files."""
    from transform import wording
    from transform.files.parquet import write_parquet
    from transform.run.execute import compute_answer

    for folder in map(Path, folders):
        instructions = wording.read((folder / "question.txt").read_text())
        write_parquet(compute_answer(instructions, folder), folder / "worker.parquet")


def _one_thread() -> dict[str, str]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "POLARS_MAX_THREADS")
    return {**os.environ, **dict.fromkeys(names, "1")}


@contextmanager
def _cpu_seconds() -> Iterator[list[float]]:
    """User and system seconds of the child processes that end inside the block."""
    spent = [0.0]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    yield spent
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent[0] = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    """Run the whole bench, or one part of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mirror", type=Path, help="also build and compare on this mirror")
    parser.add_argument("--release", type=Path, help="compare on this release, build nothing")
    parser.add_argument("--state", type=Path, help="with --release: the state of its build")
    parser.add_argument("--worker", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        _run_in_worker(options.worker)
        return
    if options.release:
        compare(options.release, options.state)
        return
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        build("configs/bundled.yaml", place / "bundled", place / "state-bundled", None)
        compare(place / "bundled", place / "state-bundled")
        if options.mirror:
            _CACHE.clear()
            build("configs/mirror.yaml", place / "mirror", place / "state-mirror", options.mirror)
            compare(place / "mirror", place / "state-mirror")


if __name__ == "__main__":
    main()

"""Workers: a lost call costs itself only, limits hold, nothing outlives the parent."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.workers import WorkerDied, Workers, WorkerTimeout, run_patiently


def double(x: int) -> int:
    return 2 * x


def exit_at_once(code: int) -> None:
    os._exit(code)


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def allocate(mb: int) -> int:
    return len(b"x" * (mb << 20))


def environment(names: list[str]) -> list[str | None]:
    return [os.environ.get(name) for name in names]


def loaded(names: list[str]) -> list[bool]:
    return [name in sys.modules for name in names]


class Untransportable(Exception):
    def __init__(self, a: int, b: int) -> None:
        super().__init__("one argument")


def raise_value_error() -> None:
    raise ValueError("what was found")


def raise_untransportable() -> None:
    raise Untransportable(1, 2)


def raise_timeout_error() -> None:
    raise TimeoutError("its own")


def return_a_lock() -> object:
    return threading.Lock()


def fail_first(marker: str) -> str:
    """Dies on the first call, answers on the second."""
    if not Path(marker).exists():
        Path(marker).touch()
        os._exit(3)
    return "second"


def when(seconds: float) -> tuple[float, float]:
    begun = time.monotonic()
    time.sleep(seconds)
    return begun, time.monotonic()


def slow_first(marker: str) -> tuple[float, float]:
    if not Path(marker).exists():
        Path(marker).touch()
        time.sleep(60)
    return when(1)


def frames() -> int:
    import io

    import polars as pl
    import pyarrow.parquet as pq

    frame = pl.DataFrame({"a": range(100_000), "b": ["text"] * 100_000})
    out = io.BytesIO()
    frame.write_parquet(out, compression="zstd")
    return int(pq.read_table(io.BytesIO(out.getvalue())).num_rows)


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as workers:
        yield workers


def test_run_returns_the_result(workers: Workers) -> None:
    assert [workers.run(double, x, timeout_s=300) for x in range(5)] == [0, 2, 4, 6, 8]


@pytest.mark.parametrize("code", [1, 77])
def test_exit_costs_only_its_call(workers: Workers, code: int) -> None:
    with pytest.raises(WorkerDied, match="exit_at_once"):
        workers.run(exit_at_once, code, timeout_s=300)
    assert workers.run(double, 4, timeout_s=300) == 8


def test_kill_costs_only_its_call(workers: Workers) -> None:
    with pytest.raises(WorkerDied):
        workers.run(kill_self, timeout_s=300)
    assert workers.run(double, 4, timeout_s=300) == 8


def test_timeout_costs_only_its_call(workers: Workers) -> None:
    with pytest.raises(WorkerTimeout, match=r"sleep did not end within 0\.5 s"):
        workers.run(sleep, 60, timeout_s=0.5)
    assert workers.run(double, 4, timeout_s=300) == 8


def test_exceptions_propagate(workers: Workers) -> None:
    with pytest.raises(ValueError, match="what was found") as caught:
        workers.run(raise_value_error, timeout_s=300)
    assert "raise_value_error" in "".join(caught.value.__notes__)
    with pytest.raises(TimeoutError, match="its own"):
        workers.run(raise_timeout_error, timeout_s=300)


def test_what_does_not_travel_is_an_error_and_not_a_hang(workers: Workers) -> None:
    with pytest.raises(RuntimeError, match="Untransportable: one argument"):
        workers.run(raise_untransportable, timeout_s=300)
    with pytest.raises(RuntimeError, match="SystemExit"):
        workers.run(sys.exit, timeout_s=300)
    with pytest.raises(TypeError, match="pickle"):
        workers.run(return_a_lock, timeout_s=300)
    with pytest.raises(Exception, match="pickle"):
        workers.run(double, threading.Lock(), timeout_s=300)
    assert workers.run(double, 4, timeout_s=300) == 8


@pytest.mark.slow
def test_many_deaths_and_calls_at_once(workers: Workers) -> None:
    answers: list[object] = []

    def call(x: int) -> None:
        try:
            answers.append(
                workers.run(exit_at_once if x % 4 == 0 else double, x or 1, timeout_s=300)
            )
        except WorkerDied:
            answers.append("died")

    threads = [threading.Thread(target=call, args=(x,)) for x in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert answers.count("died") == 6
    assert sorted(a for a in answers if isinstance(a, int)) == [2 * x for x in range(24) if x % 4]


def test_environment_is_set_before_the_interpreter_and_not_in_the_parent() -> None:
    before = dict(os.environ)
    names = ["OMP_NUM_THREADS", "POLARS_MAX_THREADS", "OPENDARE_TEST", "PYTHONHASHSEED"]
    with Workers(1, environment={"OPENDARE_TEST": "x", "PYTHONHASHSEED": "7"}) as workers:
        assert workers.run(environment, names, timeout_s=300) == ["1", "1", "x", "7"]
        assert workers.run(hash, "opendare", timeout_s=300) == int(
            subprocess.run(
                [sys.executable, "-c", "print(hash('opendare'))"],
                env={**os.environ, "PYTHONHASHSEED": "7"},
                capture_output=True,
                check=True,
            ).stdout
        )
    assert dict(os.environ) == before


def test_preload() -> None:
    with Workers(1, preload=("colorsys",)) as workers:
        assert workers.run(loaded, ["colorsys", "smtplib"], timeout_s=300) == [True, False]


@pytest.mark.slow
def test_memory_limit() -> None:
    with Workers(1, memory_mb=1000) as workers:
        with pytest.raises(WorkerDied):
            workers.run(allocate, 1500, timeout_s=300)
        assert workers.run(allocate, 100, timeout_s=300) == 100 << 20
        assert workers.run(frames, timeout_s=300) == 100_000


def test_patience_gives_a_second_try(workers: Workers, tmp_path: Path) -> None:
    assert run_patiently(workers, fail_first, str(tmp_path / "marker"), timeout_s=300) == "second"
    with pytest.raises(WorkerDied):
        run_patiently(workers, exit_at_once, 1, timeout_s=300)


@pytest.mark.slow
def test_the_second_try_is_alone(workers: Workers, tmp_path: Path) -> None:
    others: list[tuple[float, float]] = []
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            others.append(workers.run(when, 0.2, timeout_s=300))

    thread = threading.Thread(target=keep_busy)
    thread.start()
    try:
        begun, ended = run_patiently(workers, slow_first, str(tmp_path / "marker"), timeout_s=4)
    finally:
        stop.set()
        thread.join()
    assert len(others) >= 2
    assert all(end <= begun or start >= ended for start, end in others)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the death signal is Linux's")
def test_no_orphans_after_kill(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import threading, time, os
            from extract.workers import Workers
            if __name__ == "__main__":
                workers = Workers(2)
                def first():
                    print(workers.run(os.getpid, timeout_s=300), flush=True)
                # Started from a thread that ends: its workers must not die with it.
                thread = threading.Thread(target=first); thread.start(); thread.join()
                threading.Thread(target=lambda: workers.run(time.sleep, 300, timeout_s=300)).start()
                time.sleep(1)
                print(workers.run(os.getpid, timeout_s=300), flush=True)
                time.sleep(300)
            """
        )
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert parent.stdout is not None
    pids = {int(parent.stdout.readline()) for _ in range(2)}
    children = {
        int(p.name)
        for p in Path("/proc").iterdir()
        if p.name.isdigit() and alive(int(p.name)) and _parent(int(p.name)) == parent.pid
    }
    assert pids < children
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 300
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in children if alive(pid)]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])
    except FileNotFoundError:
        return -1

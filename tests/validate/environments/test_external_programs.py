"""Programs in another interpreter: by the same rules as in ours, and it outlives nobody."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extract.workers import WorkerDied, WorkerTimeout
from tests.building import MARK, ROOT, environment, survivors
from transform.run.fork_server import ProgramDied, ProgramFailed
from validate.environments.external_programs import ExternalPrograms

pytestmark = pytest.mark.slow
MEMORY_MB = 1000
GOOD = """
import pandas as pd
table = pd.read_csv("val.csv")
table.assign(y=table["x"] * 2)[["row_id", "y"]].to_csv("prediction.csv", index=False)
"""
EXPECTED = "row_id,y\n0,2\n1,4\n"


@pytest.fixture(scope="module")
def spent() -> list[float]:
    return []


@pytest.fixture(scope="module")
def programs(
    tmp_path_factory: pytest.TempPathFactory, spent: list[float]
) -> Iterator[ExternalPrograms]:
    """The running interpreter stands for the other: what matters is that it is another process."""
    log = tmp_path_factory.mktemp("foreign") / "log"
    variables = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    programs = ExternalPrograms(Path(sys.executable), variables, log, spent.append)
    yield programs
    programs.close()


@pytest.fixture
def public(tmp_path: Path) -> Path:
    folder = tmp_path / "public"
    folder.mkdir()
    (folder / "val.csv").write_text("row_id,x\n0,1\n1,2\n")
    return folder


def test_a_good_program_leaves_its_answer(
    programs: ExternalPrograms, public: Path, tmp_path: Path, spent: list[float]
) -> None:
    start = time.monotonic()
    for n in range(4):
        found = programs.run(GOOD, public, tmp_path / "task", 30, MEMORY_MB)
        assert found.read_text() == EXPECTED
        if n == 0:
            start = time.monotonic()
    # Only the first has to wait for an interpreter.
    assert (time.monotonic() - start) / 3 < 1
    assert len(spent) == 4
    assert all(0 < cpu_s < 5 for cpu_s in spent)


@pytest.mark.parametrize(
    ("program", "error", "said"),
    [
        ("1 / 0", ProgramFailed, "ZeroDivisionError"),
        ("print('my last words \\u00e9'); raise SystemExit(3)", ProgramFailed, "my last words"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", ProgramDied, "status -9"),
        ("import time; time.sleep(600)", WorkerTimeout, "more than 2"),
        ("pass", ProgramFailed, "answer False"),
    ],
)
def test_a_program_that_fails_says_how(
    programs: ExternalPrograms,
    public: Path,
    tmp_path: Path,
    program: str,
    error: type[Exception],
    said: str,
) -> None:
    with pytest.raises(error, match=said):
        programs.run(program, public, tmp_path / "task", 2, MEMORY_MB)
    found = programs.run(GOOD, public, tmp_path / "task", 30, MEMORY_MB)
    assert found.read_text() == EXPECTED


def test_a_process_that_is_lost_is_replaced(
    programs: ExternalPrograms, public: Path, tmp_path: Path
) -> None:
    for murder, error in (("SIGKILL", WorkerDied), ("SIGSTOP", WorkerTimeout)):
        program = f"import os, signal, time\nos.kill(os.getppid(), signal.{murder})\ntime.sleep(60)"
        with pytest.raises(error):
            programs.run(program, public, tmp_path / "task", 1, MEMORY_MB)
        found = programs.run(GOOD, public, tmp_path / "task", 30, MEMORY_MB)
        assert found.read_text() == EXPECTED


def test_an_interpreter_that_cannot_serve_says_why(public: Path, tmp_path: Path) -> None:
    false = Path("/bin/false")
    programs = ExternalPrograms(false, {}, tmp_path / "log", lambda cpu_s: None)
    with pytest.raises(WorkerDied, match="/bin/false ended"):
        programs.run(GOOD, public, tmp_path / "task", 5, MEMORY_MB)


def test_it_needs_nothing_but_the_standard_library() -> None:
    """What `serve` imports is what an interpreter without our packages must have."""
    program = (
        "import sys; before = set(sys.modules); import transform.run.serve_programs; "
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {*done.stdout.split()} <= {*sys.stdlib_module_names, "extract", "transform"}


_HANGING = """
import sys
from pathlib import Path
from validate.environments.external_programs import ExternalPrograms

if __name__ == "__main__":
    public, marker = Path(sys.argv[1]), sys.argv[2]
    programs = ExternalPrograms(Path(sys.executable), {%r: sys.argv[3]}, Path("log"), print)
    program = f"open({marker!r}, 'w').close()\\nimport time; time.sleep(600)"
    programs.run(program, public, Path("task"), 600, 1000)
"""


def test_it_dies_with_a_killed_build(public: Path, tmp_path: Path) -> None:
    (tmp_path / "hanging.py").write_text(_HANGING % MARK)
    running = tmp_path / "running"
    parent = subprocess.Popen(
        [sys.executable, "hanging.py", str(public), str(running), str(tmp_path)],
        cwd=tmp_path,
        env=environment({MARK: str(tmp_path), "PYTHONPATH": str(ROOT)}),
    )
    while not running.exists():
        assert parent.poll() is None
        time.sleep(0.02)
    assert len(survivors(str(tmp_path), patience_s=0)) >= 3
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait(timeout=30)
    assert survivors(str(tmp_path), patience_s=10) == []

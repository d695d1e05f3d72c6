"""Programs in a fork of a warm worker: none of them costs more than its own answer."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from extract.workers import Workers
from transform.run.fork_server import PRELOAD, ProgramFailed, run_program

MEMORY_MB = 1000
GOOD = """
import pandas as pd
table = pd.read_csv("val.csv")
table.assign(y=table["x"] * 2)[["row_id", "y"]].to_csv("prediction.csv", index=False)
"""
EXPECTED = "row_id,y\n0,2\n1,4\n"

Run = Callable[..., Path]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    """One warm worker for all tests: each test also proves that those before left it alive."""
    with Workers(1, preload=PRELOAD) as workers:
        workers.run(os.getpid, timeout_s=300)
        yield workers


@pytest.fixture
def run(workers: Workers, tmp_path: Path) -> Iterator[Run]:
    """`run(program, timeout_s=60)`; afterwards the same worker still runs a good program."""
    public = tmp_path / "public"
    public.mkdir()
    (public / "val.csv").write_text("row_id,x\n0,1\n1,2\n")
    worker = workers.run(os.getpid, timeout_s=300)

    def run(program: str, timeout_s: float = 60.0) -> Path:
        place = (public, tmp_path / "scratch" / "task")
        limits = (timeout_s, MEMORY_MB)
        place[1].parent.mkdir(exist_ok=True)
        return workers.run(run_program, program, *place, *limits, timeout_s=300)

    yield run
    assert run(GOOD).read_text() == EXPECTED
    assert workers.run(os.getpid, timeout_s=300) == worker
    assert [path.name for path in public.iterdir()] == ["val.csv"]


def test_a_good_program_leaves_its_answer(run: Run) -> None:
    assert [run(GOOD).read_text() for _ in range(5)] == [EXPECTED] * 5


def test_a_program_finds_its_libraries_loaded(run: Run) -> None:
    loaded = "import sys\nassert {'pandas', 'numpy'} <= set(sys.modules)\n"
    assert run(loaded + GOOD).read_text() == EXPECTED


@pytest.mark.parametrize(
    ("program", "ending"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("this is no Python", "SyntaxError"),
        ("import sys; print('my last words'); sys.exit(3)", "my last words"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import os; os._exit(0)", "answer False"),
        ("import os; os._exit(7)", "status 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "status -11"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "status -9"),
        ("import os; os.abort()", "status -6"),
        ("def f(n): return f(n + 1)\nf(0)", "RecursionError"),
        ("pass", "answer False"),
        ("import os; os.mkdir('prediction.csv')", "answer False"),
    ],
)
def test_a_program_that_dies_says_how(run: Run, program: str, ending: str) -> None:
    with pytest.raises(ProgramFailed, match=ending):
        run(program)


def test_an_answer_does_not_make_up_for_a_bad_end(run: Run) -> None:
    with pytest.raises(ProgramFailed, match="status 1, answer True"):
        run(GOOD + "raise SystemError('after all')")


def test_the_answer_of_an_earlier_run_is_gone(run: Run) -> None:
    run(GOOD)
    with pytest.raises(ProgramFailed, match="answer False"):
        run("pass")


def test_a_program_that_does_not_end_is_killed(run: Run) -> None:
    start = time.monotonic()
    for endless in ("while True: pass", "import time; time.sleep(600)"):
        with pytest.raises(TimeoutError, match=r"more than 1\.0 s"):
            run(endless, timeout_s=1.0)
    assert time.monotonic() - start < 300


def test_its_own_children_go_with_it(run: Run, tmp_path: Path) -> None:
    program = f"""
import os, time
for _ in range(3):
    if os.fork() == 0:
        time.sleep(600)
open({str(tmp_path / "pids")!r}, "w").write(str(os.getpgid(0)))
time.sleep(600)
"""
    with pytest.raises(TimeoutError):
        run(program, timeout_s=4.0)
    group = int((tmp_path / "pids").read_text())
    assert _is_gone(group)


def test_children_do_not_outlive_a_program_that_ends(run: Run, tmp_path: Path) -> None:
    program = f"""
import os, time
if os.fork() == 0:
    time.sleep(600)
open({str(tmp_path / "pids")!r}, "w").write(str(os.getpgid(0)))
"""
    assert run(program + GOOD).read_text() == EXPECTED
    assert _is_gone(int((tmp_path / "pids").read_text()))


def _is_gone(group: int) -> bool:
    """True when no process of the group is left, zombies that wait for their parent aside."""
    for _ in range(3000):
        alive = [
            path
            for path in Path("/proc").glob("[0-9]*/stat")
            if (fields := _stat(path)) and int(fields[2]) == group and fields[0] != "Z"
        ]
        if not alive:
            return True
        time.sleep(0.02)
    return False


def _stat(path: Path) -> list[str]:
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


def test_too_much_memory_is_an_error_of_the_program(run: Run) -> None:
    with pytest.raises(ProgramFailed, match="MemoryError"):
        run(f"import numpy as np\nnp.ones({2 * MEMORY_MB} * 2**17)")


def test_much_output_does_no_harm(run: Run, tmp_path: Path) -> None:
    chatty = (
        "import sys\nfor _ in range(300): print('x' * 10_000); print('y' * 10, file=sys.stderr)\n"
    )
    assert run(chatty + GOOD).read_text() == EXPECTED
    with pytest.raises(ProgramFailed) as failed:
        run(chatty + "raise ValueError('the end')")
    assert "the end" in str(failed.value)
    assert len(str(failed.value)) < 5000


def test_output_without_an_end_fills_no_disk(run: Run, tmp_path: Path) -> None:
    with pytest.raises((ProgramFailed, TimeoutError)):
        run("while True: print('x' * 1_000_000, flush=True)", timeout_s=2.0)
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert written < 300 * 2**20


def test_what_a_program_changes_stays_its_own(run: Run) -> None:
    vandal = "import os, pandas as pd\npd.read_csv = None\nos.chdir('/')\nos.environ.clear()"
    with pytest.raises(ProgramFailed, match="answer False"):
        run(vandal)
    assert run(GOOD).read_text() == EXPECTED


def test_a_large_answer_is_cut_off_with_an_error(run: Run) -> None:
    with pytest.raises(ProgramFailed, match="File too large"):
        run("with open('prediction.csv', 'wb') as file: file.truncate(2**30)")


def test_a_program_sees_only_the_public_files(run: Run) -> None:
    shows = 'import os\nopen("prediction.csv", "w").write(repr(sorted(os.listdir("."))))'
    assert run(shows).read_text() == "['prediction.csv', 'val.csv']"


def test_a_program_runs_as_a_main_module(run: Run) -> None:
    program = f'if __name__ == "__main__":\n    exec({GOOD!r})'
    assert run(program).read_text() == EXPECTED

"""Runs reference programs in a fork, so that none pays for an interpreter and its imports.

Called inside a long-lived worker that has imported numpy, pandas and scikit-learn but never polars
(a forked child of a process that used polars hangs). The child sees a folder that holds copies of
the public files alone, has its own process group, bounded memory, time and size of files, and
leaves `prediction.csv`. It is no sandbox: it runs only programs that this project wrote.

Standard library only, because interpreters that have none of our packages run it too
(`serve_programs.py`).
"""

import os
import resource
import shutil
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path

from extract.process import die_with_parent

PRELOAD = (
    "numpy",
    "pandas",
    "sklearn.discriminant_analysis",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.naive_bayes",
    "sklearn.neural_network",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
)
"""Modules to import in the worker before the first fork."""

_POLL_S = 0.002
_FILE_BYTES = 256 * 2**20
"""Largest file that a program may write, its output included."""
_ENDING_BYTES = 2000
"""Output that is quoted when a program fails."""


class ProgramFailed(Exception):
    """A program ended without an answer; the message ends with what it printed last."""


class ProgramDied(ProgramFailed):
    """Something outside ended a program, the lack of memory perhaps: it says nothing about it."""


def run_program(program: str, public: Path, folder: Path, timeout_s: float, memory_mb: int) -> Path:
    """Run `program` in `folder`, made anew with copies of the files in `public`.

    Returns the path of `prediction.csv`. Raises `ProgramFailed`, `ProgramDied` where a signal ended
    the program, or `TimeoutError` after `timeout_s`.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(public, folder)
    log = folder.parent / f"{folder.name}.log"
    worker = os.getpid()
    child = os.fork()
    if child == 0:
        die_with_parent(worker)
        _run_in_child(program, folder, log, memory_mb, 2 * int(timeout_s) + 1)
    status = _wait(child, timeout_s)
    answer = folder / "prediction.csv"
    if status != 0 or not answer.is_file():
        failure = ProgramDied if status < 0 else ProgramFailed
        raise failure(f"status {status}, answer {answer.is_file()}: {_ending(log)}")
    return answer


def _run_in_child(program: str, folder: Path, log: Path, memory_mb: int, cpu_s: int) -> None:
    """Never returns: whatever happens, the child ends here and not in the worker's loop."""
    status = 1
    try:
        os.setsid()
        limit = memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        # Where the system does not end a child with its worker, this does.
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
        os.chdir(folder)
        sink = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        exec(compile(program, "solution.py", "exec"), {"__name__": "__main__"})
        status = 0
    except MemoryError:
        # The limit is ours, so it says nothing about the program: it ends as one that was killed.
        traceback.print_exc()
        os.kill(os.getpid(), signal.SIGKILL)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(child: int, timeout_s: float) -> int:
    """Exit status of the child; raises when the time is up. Either way its group is killed."""
    deadline = time.monotonic() + timeout_s
    ended = None
    while ended is None and time.monotonic() < deadline:
        # Left unreaped, so that its number still names the group and nothing else.
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        time.sleep(0 if ended else _POLL_S)
    # A child that has only just begun may not lead a group yet.
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if ended is None:
        raise TimeoutError(f"the program ran for more than {timeout_s} s")
    return os.waitstatus_to_exitcode(status)


def _ending(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _ENDING_BYTES))
        return file.read().decode(errors="replace")

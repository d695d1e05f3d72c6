"""Reference programs in an interpreter that has older libraries and nothing of ours.

A long-lived process of that interpreter runs `transform/run/serve_programs.py`, which needs the
standard library alone, and forks for each program as `transform/run/fork_server.py` does for the
libraries of today. It dies with this process, and a process that is lost is replaced with the next
call.

Not guaranteed: isolation; it runs only programs that this project wrote.
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import transform.run.serve_programs as server
from extract.process import starter
from extract.workers import WorkerDied, WorkerTimeout
from transform.run.fork_server import ProgramDied, ProgramFailed

_START_TIMEOUT_S = 120
"""For the imports of a cold interpreter."""
_ROOT = Path(server.__file__).parents[2]
"""Folder of our packages, of which the other interpreter sees two modules."""
_SAID = 1000
"""Letters of a lost process's last words that are quoted."""
_INHERITED = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")
_FAULTS: Mapping[str, type[Exception]] = {
    "failed": ProgramFailed,
    "died": ProgramDied,
    "timeout": WorkerTimeout,
}


class ExternalPrograms:
    """One process of another interpreter; `run` may be called from any thread."""

    def __init__(
        self,
        python: Path,
        environment: Mapping[str, str],
        log: Path,
        on_cpu: Callable[[float], None],
    ) -> None:
        """Prepare; the process starts with the first call.

        `environment` is all that it gets beside paths; what it says on standard error goes to
        `log`; `on_cpu` is told the CPU seconds of each call.
        """
        self._python = python
        self._environment = environment
        self._log = log
        self._on_cpu = on_cpu
        self._process: subprocess.Popen[str] | None = None
        self._one_at_a_time = threading.Lock()

    def run(
        self, program: str, public: Path, folder: Path, timeout_s: float, memory_mb: int
    ) -> Path:
        """`prediction.csv` of a program, as `fork_server.run_program`.

        Raises `ProgramFailed`, `ProgramDied`, `WorkerTimeout`, or `WorkerDied` for the process that
        should have run it.
        """
        request = {
            "program": program,
            "public": str(public.resolve()),
            "folder": str(folder.resolve()),
            "timeout_s": timeout_s,
            "memory_mb": memory_mb,
        }
        with self._one_at_a_time:
            process = self._started()
            reply = json.loads(self._ask(process, json.dumps(request), 2 * timeout_s))
        self._on_cpu(reply["cpu_s"])
        if reply["outcome"] != "answer":
            raise _FAULTS[reply["outcome"]](reply["said"])
        return Path(reply["said"])

    def close(self) -> None:
        """Kill the process and wait for its end."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None:
            self._process = starter.submit(self._start).result()
            ready = self._ask(self._process, None, _START_TIMEOUT_S)
            assert ready.strip() == server.READY, ready
        return self._process

    def _start(self) -> "subprocess.Popen[str]":
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        alone: dict[str, Any] = {"PYTHONPATH": str(_ROOT), "PYTHONNOUSERSITE": "1"}
        with self._log.open("w") as log:
            return subprocess.Popen(
                [str(self._python), "-P", "-m", server.__name__, str(os.getpid())],
                env={**inherited, **alone, **self._environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def _ask(self, process: "subprocess.Popen[str]", line: str | None, timeout_s: float) -> str:
        """The next line of the process, which is killed when there is none in time."""
        assert process.stdin is not None
        assert process.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        watch = threading.Timer(timeout_s, end)
        watch.start()
        try:
            if line is not None:
                print(line, file=process.stdin, flush=True)
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        finally:
            watch.cancel()
        if answer:
            return answer
        self.close()
        said = self._log.read_text(errors="replace")[-_SAID:]
        if late.is_set():
            raise WorkerTimeout(f"{self._python} gave no answer within {timeout_s:g} s: {said}")
        raise WorkerDied(f"{self._python} ended: {said}")

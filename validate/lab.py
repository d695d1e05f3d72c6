"""The laboratory: long-lived worker processes in which tasks are drafted, executed and tried.

Truth comes from the `reference` member of the panel; the other members differ from it in what may
not matter (`panel.py`), and reference programs run in forks of processes that have never loaded the
code that computed truth. Everything heavy that a gate does goes through here, so that the flow's
threads only wait. Scratch files live as long as the laboratory.

A call that exceeds its limit, or whose worker dies, is tried again alone with four times as much.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field

from extract.noun import Noun
from extract.workers import PATIENCE, WorkerDied, Workers, run_patiently
from transform.execute import execute
from transform.task import Draft, Task, Truth
from transform.warm import PRELOAD, run_program

T = TypeVar("T")


class LabConfig(Noun):
    """Limits of one run of a task."""

    timeout_s: float = Field(default=60, gt=0)
    """For one call; a call that exceeds it is tried again alone with four times as much."""
    memory_mb: int = Field(default=2000, ge=500)
    """For one worker, and for one program."""


class Laboratory:
    """Worker processes and a scratch folder, used as a context manager; usable from any thread."""

    def __init__(self, config: LabConfig, processes: int = 1) -> None:
        """Prepare for `processes` tasks side by side; workers start with their first call."""
        self._config = config
        self._reference = Workers(processes, memory_mb=config.memory_mb)
        self._second = Workers(1, memory_mb=config.memory_mb)
        self._programs = Workers(1, preload=PRELOAD)
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Open the scratch folder."""
        self._scratch = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        for workers in (self._reference, self._second, self._programs):
            self._open.enter_context(workers)
        return self

    def __exit__(self, *exception: object) -> None:
        """Kill the processes, then remove the folder."""
        self._open.close()

    def compute(self, function: Callable[..., T], *args: Any) -> T:
        """`function(*args)` in a worker with the environment of the reference.

        Function, arguments and result must pickle. Raises what the function raises, `WorkerTimeout`
        or `WorkerDied`.
        """
        return run_patiently(self._reference, function, *args, timeout_s=self._config.timeout_s)

    def execute(self, draft: Draft, answer: Path) -> Truth:
        """Truth of a draft by the reference; the answer is written to `answer`."""
        return self.compute(execute, draft, answer)

    def execute_again(self, task: Task) -> Path:
        """Parquet answer computed from the spec in another process than truth was."""
        answer = self._scratch / f"{task.spec.task_id}.parquet"
        return run_patiently(
            self._second, execute, task, answer, timeout_s=self._config.timeout_s
        ).path

    def run_program(self, task: Task, program: str) -> Path:
        """`prediction.csv` that a program leaves in a folder with only the public files.

        Raises `ProgramFailed` with the end of its output when it leaves none.
        """
        try:
            return self._run_program(self._programs.run, task, program, self._config.timeout_s)
        except (TimeoutError, WorkerDied):
            patience_s = PATIENCE * self._config.timeout_s
            return self._run_program(self._programs.run_alone, task, program, patience_s)

    def _run_program(
        self, run: Callable[..., Path], task: Task, program: str, timeout_s: float
    ) -> Path:
        folder = self._scratch / task.spec.task_id
        limits = (timeout_s, self._config.memory_mb)
        # The child has its own limit; the worker's is only for a worker that hangs itself.
        return run(run_program, program, task.public, folder, *limits, timeout_s=2 * timeout_s)

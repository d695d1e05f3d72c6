"""The laboratory that the gates use: worker processes that run tasks again, elsewhere.

Truth comes from the `reference` worker; `execute_again` uses a second process, and `run_program` a
third that has never loaded the code that computed truth. Scratch files live as long as the lab.
"""

import contextlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import Field

from extract.noun import Noun
from extract.workers import PATIENCE, WorkerDied, Workers, run_patiently
from transform.execute import execute
from transform.task import Draft, Task, Truth
from transform.warm import PRELOAD, run_program


class LabConfig(Noun):
    """Limits of one run of a task."""

    timeout_s: float = Field(default=60, gt=0)
    """For one execution; a run that exceeds it is tried again alone with four times as much."""
    memory_mb: int = Field(default=2000, ge=500)
    """For one worker, and for one program."""


class Laboratory:
    """Three kinds of long-lived processes and a scratch folder, used as a context manager."""

    def __init__(self, config: LabConfig, processes: int = 1) -> None:
        """Prepare for `processes` tasks side by side; workers start with their first call."""
        self._config = config
        # A task uses one kind at a time, so half as many of each keep all cores busy.
        n = max(1, processes // 2)
        self._reference = Workers(n, memory_mb=config.memory_mb)
        self._second = Workers(n, memory_mb=config.memory_mb)
        self._programs = Workers(n, preload=PRELOAD)
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

    def execute(self, draft: Draft, answer: Path) -> Truth:
        """Truth of a draft by the reference worker; the answer is written to `answer`."""
        return run_patiently(
            self._reference, execute, draft, answer, timeout_s=self._config.timeout_s
        )

    def execute_again(self, task: Task) -> Path:
        """See `validate.gate.Lab`."""
        answer = self._scratch / f"{task.spec.task_id}.parquet"
        return run_patiently(
            self._second, execute, task, answer, timeout_s=self._config.timeout_s
        ).path

    def run_program(self, task: Task, program: str) -> Path:
        """See `validate.gate.Lab`."""
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

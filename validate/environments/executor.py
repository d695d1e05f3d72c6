"""The executor: long-lived worker processes in which tasks are drafted, executed and tried.

Truth comes from the reference environment of the matrix (`matrix.py`); `run_matrix` gives the
answers of all environments. Reference programs run in forks of processes that have never loaded the
code that computed truth. Everything heavy that a gate does goes through here, so that the flow's
threads only wait. Scratch files live as long as the executor.

A call that exceeds its limit, or whose worker dies, is tried again alone with four times as much.
What calls cost is accounted to whoever asked, by purpose; a call that was lost is not counted.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field

from extract.memory import Memory, Stage
from extract.noun import Noun
from extract.store import Store
from extract.workers import PATIENCE, WorkerDied, Workers, run_patiently
from transform.files.task_folder import TaskFolder
from transform.run.execute import execute_perturbed
from transform.run.fork_server import PRELOAD, ProgramDied, ProgramFailed, run_program
from validate.environments.external_programs import ExternalPrograms
from validate.environments.library_versions import interpreter_of
from validate.environments.matrix import REFERENCE, Environment, MatrixConfig, environments_of

_T = TypeVar("_T")
RunProgram = Callable[[str, Path, Path, float, int], Path]
"""Program, public files, folder, seconds, megabytes; the path of its prediction."""
Answers = dict[str, Path | str]
"""By environment of the matrix: a file with its answer, or what it says in place of one."""

_THIS_INTERPRETER = MatrixConfig()
_Costs = dict[str, float]
_costs: ContextVar[_Costs | None] = ContextVar("costs", default=None)
_purpose: ContextVar[str] = ContextVar("purpose", default="other")


class ExecutorConfig(Noun):
    """Limits of one run of a task."""

    timeout_s: float = Field(default=60, gt=0)
    """For one call; a call that exceeds it is tried again alone with four times as much."""
    memory_mb: int = Field(default=2000, ge=500)
    """For one worker, and for one program."""


class Executor:
    """Worker processes and a scratch folder, used as a context manager; usable from any thread."""

    def __init__(
        self,
        config: ExecutorConfig,
        processes: int = 1,
        matrix: MatrixConfig = _THIS_INTERPRETER,
        environments: Path | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Prepare for `processes` tasks side by side; workers start with their first call.

        Environments of older libraries are kept in `environments`, results that several gates read
        in `memory` (None: for this executor alone).
        """
        self._memory = memory
        self.matrix = environments_of(matrix)
        self._config = config
        self._environments = environments
        self._reference = self._workers(REFERENCE, processes)
        self._elsewhere = {
            environment.name: self._workers(environment)
            for environment in self.matrix
            if environment.library_version is None
            and environment.process_variables != REFERENCE.process_variables
        }
        self._programs = Workers(
            1, environment=REFERENCE.process_variables, preload=PRELOAD, on_cpu=self._add_cost
        )
        self._older: dict[str, ExternalPrograms] = {}
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Open the scratch folder, and make the environments that the matrix is to have.

        Raises `EnvironmentMissing` for one that cannot be made.
        """
        # In the store's scratch folder, which the next build clears after one that was killed.
        scratch = self._memory.store.scratch_folder() if self._memory else None
        self._scratch = Path(self._open.enter_context(tempfile.TemporaryDirectory(dir=scratch)))
        for workers in (self._reference, self._programs, *self._elsewhere.values()):
            self._open.enter_context(workers)
        try:
            for environment in self.matrix:
                if environment.library_version is not None:
                    self._older[environment.name] = self._external_programs(environment)
        except BaseException:
            self._open.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        """Kill the processes, then remove the folder."""
        self._open.close()

    # --- what it costs ------------------------------------------------------------------------

    @contextlib.contextmanager
    def accounting(self) -> Iterator[_Costs]:
        """CPU seconds of calls that this thread makes inside the block, by purpose.

        Reference programs have purposes of their own: `program`, and `older_libraries` for those
        that older libraries run.
        """
        costs: _Costs = {}
        token = _costs.set(costs)
        try:
            yield costs
        finally:
            _costs.reset(token)

    @contextlib.contextmanager
    def account_to(self, purpose: str) -> Iterator[None]:
        """Calls of this thread inside the block are for this purpose; the innermost counts."""
        token = _purpose.set(purpose)
        try:
            yield
        finally:
            _purpose.reset(token)

    @staticmethod
    def _add_cost(cpu_s: float) -> None:
        """Called in the thread of the caller, so no lock is needed."""
        costs = _costs.get()
        if costs is not None:
            costs[_purpose.get()] = costs.get(_purpose.get(), 0.0) + cpu_s

    # --- what it does -------------------------------------------------------------------------

    def compute(self, function: Callable[..., _T], *args: Any) -> _T:
        """`function(*args)` in a worker with the environment of the reference.

        Function, arguments and result must pickle. Raises what the function raises, `WorkerTimeout`
        or `WorkerDied`.
        """
        return run_patiently(self._reference, function, *args, timeout_s=self._config.timeout_s)

    @property
    def memory(self) -> Memory:
        """Where results lie that several gates read."""
        if self._memory is None:
            self._memory = Memory(Store(str(self._scratch / "store")).opened())
        return self._memory

    def once(
        self, function: Callable[..., _T], kind: type[_T], inputs: Sequence[object], *args: Any
    ) -> _T:
        """As `compute`, remembered under `inputs` however many gates and builds ask.

        Two threads that ask at once both compute.
        """
        stage = Stage(function.__name__, (function,))
        return self.memory.recall(stage, inputs, kind, lambda: self.compute(function, *args))

    def run_matrix(self, task: TaskFolder) -> Answers:
        """Answers of all environments, the reference's first, each computed from the public files.

        A Parquet file, or CSV from programs. An environment whose steps or program fail says why;
        for one that is lost `WorkerTimeout`, `WorkerDied` or `ProgramDied` is raised.
        """
        here = [m for m in self.matrix if m.process_variables == REFERENCE.process_variables]
        found = self._execute_in(self._reference, task, here)
        for environment in self.matrix:
            if environment.name in self._elsewhere:
                found |= self._execute_in(self._elsewhere[environment.name], task, [environment])
            elif environment.library_version is not None:
                found[environment.name] = self._run_older(environment, task)
        return {environment.name: found[environment.name] for environment in self.matrix}

    def run_program(self, task: TaskFolder, program: str) -> Path:
        """`prediction.csv` that a program leaves in a folder with only the public files.

        Raises `ProgramFailed` with the end of its output when it leaves none.
        """
        with self.account_to("program"):
            folder = self._scratch / task.spec.task_id / "program"
            return self._patiently(self._run_here, self._run_here_alone, program, task, folder)

    def _workers(self, environment: Environment, n: int = 1) -> Workers:
        return Workers(
            n,
            memory_mb=self._config.memory_mb,
            environment=environment.process_variables,
            on_cpu=self._add_cost,
        )

    def _external_programs(self, environment: Environment) -> ExternalPrograms:
        assert environment.library_version is not None
        folder = self._environments or self._scratch / "environments"
        python = interpreter_of(environment.library_version, folder)
        log = self._scratch / f"{environment.name}.log"
        programs = ExternalPrograms(python, environment.process_variables, log, self._add_cost)
        self._open.callback(programs.close)
        return programs

    def _execute_in(self, workers: Workers, task: TaskFolder, tried: list[Environment]) -> Answers:
        """Answers of environments that one environment serves, in one call."""
        folder = self._scratch / task.spec.task_id / tried[0].name
        by_perturbation = run_patiently(
            workers,
            execute_perturbed,
            task,
            tuple(environment.perturbation for environment in tried),
            folder,
            timeout_s=self._config.timeout_s,
        )
        return {
            environment.name: by_perturbation[environment.perturbation] for environment in tried
        }

    def _run_older(self, environment: Environment, task: TaskFolder) -> Path | str:
        run = self._older[environment.name].run
        folder = self._scratch / task.spec.task_id / environment.name
        with self.account_to("older_libraries"):
            try:
                return self._patiently(run, run, task.truth.program or "", task, folder)
            except ProgramDied:
                raise
            except ProgramFailed as failure:
                return str(failure)

    def _patiently(
        self, run: RunProgram, run_alone: RunProgram, program: str, task: TaskFolder, folder: Path
    ) -> Path:
        folder.parent.mkdir(exist_ok=True)
        timeout_s, memory_mb = self._config.timeout_s, self._config.memory_mb
        try:
            return run(program, task.public, folder, timeout_s, memory_mb)
        except (TimeoutError, WorkerDied, ProgramDied):
            return run_alone(program, task.public, folder, PATIENCE * timeout_s, memory_mb)

    def _run_here(self, *run: Any) -> Path:
        # The child has its own limit; the worker's is only for a worker that hangs itself.
        return self._programs.run(run_program, *run, timeout_s=2 * run[3])

    def _run_here_alone(self, *run: Any) -> Path:
        return self._programs.run_alone(run_program, *run, timeout_s=2 * run[3])

"""The executor: long-lived worker processes in which tasks are drafted, executed and tried.

Truth comes from the reference environment of the matrix (`matrix.py`); `run_matrix` gives the
answers of all environments. Reference programs run in forks of processes that have never loaded the
code that computed truth. Everything heavy that a gate does goes through here, so that the flow's
threads only wait. Scratch files live as long as the executor.

A call that exceeds its limit, or whose worker dies, is tried again alone with four times as much.
What calls cost is kept by task and purpose; a call that was lost is not counted.
"""

import contextlib
import tempfile
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import Field

from extract.noun import Noun
from extract.workers import PATIENCE, WorkerDied, Workers, run_patiently
from transform.run.execute import execute, execute_perturbed
from transform.run.fork_server import PRELOAD, ProgramDied, ProgramFailed, run_program
from transform.task import Draft, Task, Truth
from validate.environments.external_programs import ExternalPrograms
from validate.environments.library_versions import interpreter_of
from validate.environments.matrix import REFERENCE, Environment, MatrixConfig, environments_of

_T = TypeVar("_T")
RunProgram = Callable[[str, Path, Path, float, int], Path]
"""Program, public files, folder, seconds, megabytes; the path of its prediction."""
Answers = dict[str, Path | str]
"""By name of the environment: a file with its answer, or the error message in place of one."""

_THIS_INTERPRETER = MatrixConfig()
_REMEMBERED = 64
"""Results of `once` that are kept; more than tasks are judged side by side."""
_account: ContextVar[tuple[str, str] | None] = ContextVar("account", default=None)


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
    ) -> None:
        """Prepare for `processes` tasks side by side; workers start with their first call.

        Environments of older libraries are kept in `environments` (None: made for this executor
        alone).
        """
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
        self._costs: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        self._ledger = threading.Lock()
        self._known: OrderedDict[tuple[str, Callable[..., Any]], Any] = OrderedDict()

    def __enter__(self) -> Self:
        """Open the scratch folder, and make the environments of older libraries.

        Raises `EnvironmentMissing` for one that cannot be made.
        """
        self._scratch = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
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
    def account_to(self, task_id: str, purpose: str) -> Iterator[None]:
        """Calls of this thread inside the block count as a cost of the task, for this purpose.

        The innermost block counts.
        """
        token = _account.set((task_id, purpose))
        try:
            yield
        finally:
            _account.reset(token)

    def costs(self, task_id: str) -> Mapping[str, float]:
        """CPU seconds that workers spent on a task so far, by purpose.

        Reference programs have purposes of their own: `program`, and `older_libraries` for those
        that older libraries run.
        """
        with self._ledger:
            return dict(self._costs.get(task_id, {}))

    def _add_cost(self, cpu_s: float) -> None:
        account = _account.get()
        if account is not None:
            with self._ledger:
                self._costs[account[0]][account[1]] += cpu_s

    # --- what it does -------------------------------------------------------------------------

    def compute(self, function: Callable[..., _T], *args: Any) -> _T:
        """`function(*args)` in a worker with the environment of the reference.

        Function, arguments and result must pickle. Raises what the function raises, `WorkerTimeout`
        or `WorkerDied`.
        """
        return run_patiently(self._reference, function, *args, timeout_s=self._config.timeout_s)

    def once(self, key: str, function: Callable[..., _T], *args: Any) -> _T:
        """What `compute` gave for this key and function; computed only if it is not known.

        The results asked for last are kept. Two threads that ask at once both compute.
        """
        known = key, function
        with self._ledger:
            if known in self._known:
                self._known.move_to_end(known)
                result: _T = self._known[known]
                return result
        result = self.compute(function, *args)
        with self._ledger:
            self._known[known] = result
            self._known.move_to_end(known)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return result

    def execute(self, draft: Draft, answer: Path) -> Truth:
        """Truth of a draft by the reference; the answer is written to `answer`."""
        return self.compute(execute, draft, answer)

    def run_matrix(self, task: Task) -> Answers:
        """Answers of all environments, the reference's first, each computed from the public files.

        A Parquet file, or CSV from programs. An environment whose steps or program fail says why;
        for one that is lost `WorkerTimeout`, `WorkerDied` or `ProgramDied` is raised.
        """
        here = [
            environment
            for environment in self.matrix
            if environment.process_variables == REFERENCE.process_variables
        ]
        answers = self._execute_in(self._reference, task, here)
        for environment in self.matrix:
            if environment.name in self._elsewhere:
                answers |= self._execute_in(self._elsewhere[environment.name], task, [environment])
            elif environment.library_version is not None:
                answers[environment.name] = self._run_older(environment, task)
        return {environment.name: answers[environment.name] for environment in self.matrix}

    def run_program(self, task: Task, program: str) -> Path:
        """`prediction.csv` that a program leaves in a folder with only the public files.

        Raises `ProgramFailed` with the end of its output when it leaves none.
        """
        with self.account_to(task.spec.task_id, "program"):
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

    def _execute_in(self, workers: Workers, task: Task, tried: list[Environment]) -> Answers:
        """Answers of environments that the same workers serve, in one call."""
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

    def _run_older(self, environment: Environment, task: Task) -> Path | str:
        run = self._older[environment.name].run
        folder = self._scratch / task.spec.task_id / environment.name
        with self.account_to(task.spec.task_id, "older_libraries"):
            try:
                return self._patiently(run, run, task.truth.program or "", task, folder)
            except ProgramDied:
                raise
            except ProgramFailed as failure:
                return str(failure)

    def _patiently(
        self, run: RunProgram, run_alone: RunProgram, program: str, task: Task, folder: Path
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

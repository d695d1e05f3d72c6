"""Long-lived worker processes that hostile or heavy work is handed to.

Foreign files can crash, hang or eat the memory of whatever parses them, and an interpreter with the
numeric libraries takes more than a second to start. So work goes to processes that stay alive, and
a death or a timeout costs that one call: `run` returns the function's result or raises.

Each slot is a pebble pool of exactly one process: with several processes in one pool, pebble cannot
always tell whose call a dead process was serving, and one broken answer breaks them all.

Not guaranteed: isolation. A worker has the rights of its parent. Processes that a function starts
itself are not killed with the worker, and the limit on memory counts what a worker allocates, not
what it maps from files.
"""

import importlib
import os
import pickle
import queue
import resource
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Self, TypeVar, cast

from pebble import ProcessExpired, ProcessPool

from extract.process import cpu_seconds, die_with_parent, starter

T = TypeVar("T")

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
PATIENCE = 4
"""How many times the limit a call gets when it is tried again alone."""
_HEARTBEAT_S = 1.0


class WorkerTimeout(TimeoutError):
    """A call took longer than its limit; its worker was killed and is replaced."""


class WorkerDied(Exception):
    """The worker of a call ended or ran out of memory; it is replaced."""


class WorkerOutOfMemory(WorkerDied):
    """The call itself asked for more memory than a worker has."""


class Workers:
    """`n` worker processes, used as a context manager; `run` may be called from any thread."""

    def __init__(
        self,
        n: int,
        *,
        memory_mb: int | None = None,
        environment: Mapping[str, str] | None = None,
        preload: tuple[str, ...] = (),
        on_cpu: Callable[[float], None] | None = None,
    ) -> None:
        """Prepare the slots; a process starts with the first call that needs it.

        `memory_mb` limits the data of each worker (None: unlimited), `environment` is set before
        its interpreter starts and wins over `ONE_THREAD`, `preload` names modules to import before
        the first call, so that they do not count against its limit. `on_cpu` is told, in the thread
        of the caller, the CPU seconds of each call that came to an end by itself.
        """
        assert n >= 1, f"{n} workers"
        context = _PinnedContext({**ONE_THREAD, **(environment or {})})
        new_pool = partial(
            ProcessPool,
            max_workers=1,
            initializer=_initialise,
            initargs=(os.getpid(), memory_mb, preload),
            context=context,
        )
        self._slots = [_Slot(new_pool, on_cpu or _forget) for _ in range(n)]
        self._idle: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        for slot in self._slots:
            self._idle.put(slot)
        # Slots are taken one caller at a time, so that who waits for all of them is not starved.
        self._door = threading.Lock()

    def __enter__(self) -> Self:
        """The workers themselves."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Kill all processes, busy or not."""
        for slot in self._slots:
            slot.close()

    def run(self, function: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """`function(*args)` in a worker; function, arguments and result must pickle.

        Waits for an idle worker; the limit counts from the moment the worker begins. Raises
        `WorkerTimeout`, `WorkerDied` (also for `MemoryError`), or what the function raised.
        """
        with self._door:
            slot = self._idle.get()
        try:
            return slot.call(function, args, timeout_s)
        finally:
            self._idle.put(slot)

    def run_alone(self, function: Callable[..., T], *args: Any, timeout_s: float) -> T:
        """As `run`, while no other call of these workers runs."""
        with self._door:
            taken: list[_Slot] = []
            try:
                for _ in self._slots:
                    taken.append(self._idle.get())
                return taken[0].call(function, args, timeout_s)
            finally:
                for slot in taken:
                    self._idle.put(slot)


def run_patiently(workers: Workers, function: Callable[..., T], *args: Any, timeout_s: float) -> T:
    """As `Workers.run`; a timeout or a death gets one more try, alone, with 4 times the limit."""
    try:
        return workers.run(function, *args, timeout_s=timeout_s)
    except (WorkerTimeout, WorkerDied):
        return workers.run_alone(function, *args, timeout_s=PATIENCE * timeout_s)


class _Slot:
    """One worker process at a time, replaced whenever it is lost."""

    def __init__(
        self, new_pool: Callable[[], ProcessPool], on_cpu: Callable[[float], None]
    ) -> None:
        self._new_pool = new_pool
        self._on_cpu = on_cpu
        self._pool: ProcessPool | None = None

    def call(self, function: Callable[..., T], args: tuple[Any, ...], timeout_s: float) -> T:
        what = f"{function.__module__}.{function.__qualname__}"
        try:
            returned, pickled, cpu_s = self._answer(function, args, timeout_s)
        except TimeoutError as error:
            raise WorkerTimeout(f"{what} did not end within {timeout_s:g} s") from error
        except ProcessExpired as error:
            raise WorkerDied(f"the worker of {what} ended with code {error.exitcode}") from error
        except BrokenProcessPool as error:
            raise WorkerDied(f"the worker of {what} ended: {error}") from error
        self._on_cpu(cpu_s)
        value = pickle.loads(pickled)
        if returned:
            return cast(T, value)
        if isinstance(value, MemoryError):
            raise WorkerOutOfMemory(f"the worker of {what} ran out of memory") from value
        raise value

    def close(self) -> None:
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None

    def _answer(
        self, function: Callable[..., T], args: tuple[Any, ...], timeout_s: float
    ) -> tuple[bool, bytes, float]:
        if self._pool is None or not self._pool.active:
            self.close()
            self._pool = self._new_pool()
        future = self._pool.schedule(_perform, (function, args), timeout=timeout_s)
        try:
            # A pool that breaks while a call is handed over may forget the call.
            while not wait([future], _HEARTBEAT_S).done:
                if not self._pool.active:
                    raise BrokenProcessPool("it did not begin")
            return future.result()
        except KeyboardInterrupt:
            self.close()
            raise


def _forget(cpu_s: float) -> None:
    """What a call costs is of no interest."""


def _perform(function: Callable[..., Any], args: tuple[Any, ...]) -> tuple[bool, bytes, float]:
    """Whether the function returned, the pickled value or exception, and the CPU seconds.

    Pickled here, because an answer that does not travel would break the pool.
    """
    before = cpu_seconds()
    try:
        returned, pickled = True, pickle.dumps(function(*args))
    except BaseException as error:
        error.add_note(traceback.format_exc())
        returned, pickled = False, _pickled_error(error)
    return returned, pickled, cpu_seconds() - before


def _pickled_error(error: BaseException) -> bytes:
    """A `SystemExit` or what does not pickle becomes a `RuntimeError` that tells of it."""
    try:
        pickled = pickle.dumps(error)
        if isinstance(pickle.loads(pickled), Exception):
            return pickled
    except Exception as failure:
        error.add_note(f"it does not travel: {failure}")
    return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _initialise(parent: int, memory_mb: int | None, preload: tuple[str, ...]) -> None:
    """Tie the life of this process to its parent's, limit its memory, import what it will need."""
    die_with_parent(parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for name in preload:
        importlib.import_module(name)
    if memory_mb is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_mb << 20, memory_mb << 20))


class _PinnedProcess(SpawnProcess):
    """A process whose environment is complete before its interpreter starts."""

    def __init__(self, environment: Mapping[str, str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._environment = dict(environment)

    def start(self) -> None:
        starter.submit(self._start).result()

    def _start(self) -> None:
        before = {name: os.environ.get(name) for name in self._environment}
        os.environ.update(self._environment)
        try:
            super().start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


class _PinnedContext(SpawnContext):
    """Spawned processes with an environment of their own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def Process(self, *args: Any, **kwargs: Any) -> _PinnedProcess:  # type: ignore[override] # noqa: N802
        """The factory that pebble calls."""
        return _PinnedProcess(self._environment, *args, **kwargs)

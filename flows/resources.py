"""What a process opens once for all stages that run in it: store, source, workers, executor.

Takes settings; gives things that are made when they are first asked for. A stage is handed nouns
and settings alone, so it may run in this process or in another: there it opens its own, from the
same settings. `opened` closes at the end of a block what one process shares; a process that was
never told (a worker of a cluster) closes at its end.
"""

import atexit
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar, cast

from extract.dataset import DatasetRef
from extract.memory import Memory
from extract.source import Opening, Source
from extract.store import Store
from extract.workers import Workers
from flows.progress import Counting, tell_line
from flows.runner.quiet import user_environment
from flows.settings import Settings
from validate.environments.executor import Executor
from validate.environments.matrix import ARITHMETIC, REFERENCE

_T = TypeVar("_T")

_CACHE = "cache"
"""Folder in STATE for files of a store that lies elsewhere."""


class Resources:
    """The open things of one process for one configuration; usable from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.RLock()
        self._made: dict[str, object] = {}
        self._open: dict[str, ExitStack] = {}

    @property
    def memory(self) -> Memory:
        """What the store remembers. Raises `StoreError` for a store of another version."""
        return self._once("memory", lambda _: Memory(self.store, ARITHMETIC))

    @property
    def store(self) -> Store:
        """Where the settings say that finished work lies."""
        return self._once("store", lambda _: store_of(self.settings).opened())

    @property
    def source(self) -> Source:
        """Where datasets come from."""
        return self._once(
            "source",
            lambda stack: stack.enter_context(open_source(self.settings, user_environment())),
        )

    @property
    def refs(self) -> tuple[DatasetRef, ...]:
        """The datasets of the source, listed once."""
        return self._once("refs", lambda _: tuple(self.source.refs()))

    @property
    def readers(self) -> Workers:
        """Workers for foreign files, whose memory is limited."""
        memory_mb = self.settings.read.memory_mb
        return self._workers("readers", lambda n: Workers(n, memory_mb=memory_mb))

    @property
    def pinned(self) -> Workers:
        """Workers with the arithmetic of the reference: thresholds decide about truth as well."""
        return self._workers(
            "pinned", lambda n: Workers(n, environment=REFERENCE.process_variables)
        )

    @property
    def executor(self) -> Executor:
        """What runs tasks. Raises `EnvironmentMissing` where an environment cannot be made."""
        return self._once("executor", lambda stack: stack.enter_context(self._executor()))

    def open(self) -> None:
        """Open the store and the executor, so that what a user can mend is said before any work."""
        assert self.memory is not None
        assert self.executor is not None

    def finish(self, name: str) -> None:
        """Close one of them before the end, since processes hold memory."""
        with self._lock:
            self._made.pop(name, None)
            stack = self._open.pop(name, None)
        if stack is not None:
            stack.close()

    def close(self) -> None:
        """Close everything, what was opened last first."""
        for name in reversed(list(self._open)):
            self.finish(name)

    def _workers(self, name: str, make: Callable[[int], Workers]) -> Workers:
        n = self.settings.workers.processes
        return self._once(name, lambda stack: stack.enter_context(make(n)))

    def _executor(self) -> Executor:
        workers = self.settings.workers
        return Executor(
            workers.executor,
            workers.processes,
            self.settings.environments,
            workers.environments or self.settings.state / "environments",
            self.memory,
        )

    def _once(self, name: str, make: Callable[[ExitStack], _T]) -> _T:
        with self._lock:
            if name not in self._made:
                stack = ExitStack()
                try:
                    self._made[name] = make(stack)
                except BaseException:
                    # Whatever a failed opening has begun ends with it, also when a person stops it.
                    stack.close()
                    raise
                self._open[name] = stack
            return cast(_T, self._made[name])


def store_of(settings: Settings) -> Store:
    """The address of the store: STATE, or what `store` names with a cache in STATE."""
    if not settings.store:
        return Store(str(settings.state))
    return Store(settings.store, settings.state / _CACHE)


_shared: dict[str, Resources] = {}
"""By content of the settings; a process has one configuration, tests have several."""
_lock = threading.Lock()


def resources(settings: Settings) -> Resources:
    """The open things of this process for these settings."""
    key = settings.content_hash()
    with _lock:
        if key not in _shared:
            _shared[key] = Resources(settings)
            # A worker of a cluster is never handed to `opened`, so nothing else would close these.
            atexit.register(_shared[key].close)
        return _shared[key]


@contextmanager
def opened(settings: Settings) -> Iterator[Resources]:
    """The open things of this process, closed at the end of the block.

    What a build that was killed has left in the scratch folder is removed first: nobody else uses
    it while the caller holds the lock of STATE.
    """
    for place in (settings.state, settings.state / _CACHE):
        shutil.rmtree(place / "scratch", ignore_errors=True)
    opened = resources(settings)
    try:
        yield opened
    finally:
        with _lock:
            # Forgotten before it is closed, so that no thread is handed things that are closing.
            _shared.pop(settings.content_hash(), None)
        opened.close()


def open_source(
    settings: Settings, environment: Mapping[str, str]
) -> AbstractContextManager[Source]:
    """The source of a build; `environment` is that of the user.

    Entering raises what a user can repair, such as `CacheError` or `InUseError`.
    """
    opening = Opening(
        folder=settings.source_folder,
        licence=settings.read.licence,
        environment=environment,
        on_shown=Counting("search", "datasets"),
        on_pause=tell_line,
    )
    return settings.source.chosen.open(opening)

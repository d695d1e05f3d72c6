"""Kaggle as the rest of this room sees it: bounded calls that are tried again.

`Kaggle` hands each call to a worker process, which can be ended whatever happens in it, and asks
again what is transient. It keeps nothing and decides nothing; `source.py` does.

Credentials come from the environment alone and reach the workers through theirs. Not guaranteed:
that the service means the same tomorrow; what it promises about versions and redirects was measured
against the client, not the service.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from extract.dataset import DatasetRef
from extract.kaggle import calls
from extract.kaggle.credentials import CLIENT_VARIABLES, check_credentials
from extract.kaggle.limits import WORKER_MEMORY_MB, KaggleLimits
from extract.kaggle.queries import Page, PageQuery
from extract.kaggle.service import Retrier, ServiceFault
from extract.kaggle.transfer import received, transfer
from extract.kaggle.unzip import Unpacked, unzip
from extract.workers import (
    WorkerDied,
    WorkerOutOfMemory,
    Workers,
    WorkerTimeout,
    run_patiently,
)

_T = TypeVar("_T")

_START_S = 60
"""What a worker needs at most to import the client."""
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


class Kaggle:
    """The service, used as a context manager; its methods may be called from any thread.

    All of them raise `ServiceFault`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        home: Path,
        limits: KaggleLimits,
        on_pause: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`environment` is that of the user; `home` becomes the home folder of the client.

        `on_pause` hears of long pauses.
        """
        self._limits = limits
        self._retrier = Retrier(limits, on_pause)
        self._environment = dict(environment)
        home.mkdir(parents=True, exist_ok=True)
        self._workers = Workers(
            limits.connections,
            memory_mb=WORKER_MEMORY_MB,
            environment=_environment(environment, home.resolve()),
        )

    def __enter__(self) -> Self:
        """Start nothing yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all workers."""
        self._workers.__exit__()

    def who_am_i(self) -> str:
        """The user name of the credentials, asked once and not again."""
        return self._once(calls.who_am_i)

    def page(self, query: PageQuery) -> Page:
        """One page of a search."""
        return self._ask(calls.list_page, query)

    def record(self, ref: DatasetRef) -> str:
        """JSON record of a dataset."""
        return self._ask(calls.get_record, ref)

    def metadata(self, ref: DatasetRef) -> str:
        """JSON metadata of a dataset; `malformed` only after several tries, with the answer."""
        return self._ask(calls.get_metadata, ref)

    def download(self, ref: DatasetRef, path: Path, *, pinned: bool) -> int:
        """Bring the archive of a version to `path`, or what of it is missing; the bytes moved.

        Raises `TooLargeError` as well. Killed at any moment, the next call goes on.
        """
        # The part that an earlier run has left counts as received, not as moved.
        before = received(path)
        self._retrier.call(lambda: self._transfer(ref, path, pinned), moved=lambda: received(path))
        return received(path) - before

    def unpack(self, archive: Path, folder: Path) -> Unpacked:
        """All members of an archive, in `folder`.

        Raises what `unzip` and `run_patiently` raise.
        """
        parts, limit_s = (archive, folder, self._limits.unpacked), self._limits.unpack_timeout_s
        return run_patiently(self._workers, unzip, *parts, timeout_s=limit_s)

    def _transfer(self, ref: DatasetRef, path: Path, pinned: bool) -> None:
        """One address, one stay at it; addresses have tries of their own."""
        if path.is_file():
            return
        address = self._ask(calls.get_address, ref, pinned)
        limit_s = self._limits.address_s + self._limits.read_timeout_s
        what = f"the archive of {ref}"
        self._bounded(what, limit_s, transfer, address, path, self._limits)

    def _ask(self, call: Callable[..., _T], *arguments: Any) -> _T:
        """Ask with patience; an unreadable answer is final when the same text comes twice."""
        # A cut answer differs from try to try, one that the service really gives does not.
        answers: list[str] = []

        def once() -> _T:
            try:
                return self._once(call, *arguments)
            except ServiceFault as fault:
                if fault.kind != "malformed" or fault.answer in answers:
                    raise
                answers.append(fault.answer)
                raise ServiceFault("transient", fault.detail) from None

        return self._retrier.call(once)

    def _once(self, call: Callable[..., _T], *arguments: Any) -> _T:
        check_credentials(self._environment)
        timeout_s = self._limits.call_timeout_s
        what = " ".join([call.__name__, *(str(one) for one in arguments[:1])])[:200]
        return self._bounded(what, timeout_s, call, *arguments, timeout_s)

    def _bounded(
        self, what: str, limit_s: float, function: Callable[..., _T], *arguments: Any
    ) -> _T:
        """The function in a worker, which is ended when its own clock has failed."""
        try:
            # The worker's own clock ends the call; this one is for what it cannot interrupt.
            return self._workers.run(function, *arguments, timeout_s=limit_s + _START_S)
        except WorkerTimeout:
            detail = f"{what}: no end within {limit_s:g} s"
            raise ServiceFault("transient", detail) from None
        except WorkerOutOfMemory:
            detail = f"{what}: the answer took more memory than a worker has, {WORKER_MEMORY_MB} MB"
            raise ServiceFault("malformed", detail) from None
        except WorkerDied as error:
            raise ServiceFault("transient", f"{what}: {error}") from None


def _environment(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """What the workers see: credentials and proxies of the user, an empty home, no more."""
    login = {name: given[name] for name in CLIENT_VARIABLES if name in given}
    proxies = {
        spelled: given.get(spelled, "")
        for name in _PROXIES
        for spelled in (name, name.upper())
        if spelled in given or name == "no_proxy"
    }
    homes = {"HOME": str(home), "KAGGLE_CONFIG_DIR": str(home), "XDG_CONFIG_HOME": str(home)}
    return {**login, **proxies, **homes}

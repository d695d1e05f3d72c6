"""How a service on the network is asked: not too often, again after what passes, never without end.

`ServiceFault` is the one vocabulary of what can go wrong, told at the boundary where it happens.
`Patience` asks again with growing pauses, keeps all threads of a process under one rate, and holds
them back together when the service says so; `Breaker` stops asking what does not answer any more.
Each single call must bring its own limit in time.

Not guaranteed: a rate across processes, or that a service which fails for longer than all pauses
together is waited for. What is pending then is another run's work.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from pydantic import Field

from extract.noun import Noun

T = TypeVar("T")

FaultKind = Literal["no_access", "unavailable", "passing", "malformed"]
_LONG_S = 5
_MOVED = 1 << 20
"""Bytes after which a broken transfer counts as one that gets on."""


class ServiceFault(Exception):
    """A call that failed; `detail` tells what was asked, expected and found, and no secret.

    `no_access`: the credentials are not taken, nothing else will be. `unavailable`: this one thing
    cannot be had. `passing`: worth another try. `malformed`: the answer is no answer, now or later.
    """

    def __init__(
        self, kind: FaultKind, detail: str, retry_after_s: float | None = None, said: str = ""
    ) -> None:
        """`retry_after_s` is what the service asks for; `said` its words, where they matter."""
        super().__init__(kind, detail, retry_after_s, said)
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.said = said
        self.spent = False
        """Whether it has been asked again often enough; then nobody asks for the whole again."""

    def __str__(self) -> str:
        """What happened."""
        return self.detail


class PatienceConfig(Noun):
    """How often and how long a service is asked again."""

    attempts: int = Field(default=6, ge=1, le=100)
    """Tries of one call; a transfer that gets on begins anew to count."""
    first_pause_s: float = Field(default=1, gt=0)
    """Pause after the first failure; it doubles with each."""
    longest_pause_s: float = Field(default=120, gt=0)
    """Cap of a pause, also of one that the service asks for."""
    calls_per_minute: float = Field(default=120, gt=0)
    """Of all threads together. Kaggle publishes no limit; this keeps clear of those that were
    reported."""


class Patience:
    """Asks a service on behalf of all threads of this process."""

    def __init__(
        self, config: PatienceConfig, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        """`tell` hears of pauses that a person would wonder at."""
        self._config, self._tell = config, tell
        self._lock = threading.Lock()
        self._next = 0.0
        self._quiet_until = 0.0
        # Those who failed together must not come again together.
        self._random = random.Random(0)

    def ask(self, call: Callable[[], T], moved: Callable[[], int] = lambda: 0) -> T:
        """The answer of `call`; raises its last `ServiceFault`, at once when it is not `passing`.

        `moved` tells how many bytes a transfer has brought so far.
        """
        failures, mark = 0, moved()
        while True:
            self._take_turn()
            try:
                return call()
            except ServiceFault as fault:
                # The mark never goes back: bytes that are thrown away and come again are no gain.
                if (reached := moved()) - mark >= _MOVED:
                    failures, mark = 0, reached
                failures += 1
                if fault.kind != "passing" or failures >= self._config.attempts:
                    fault.spent = True
                if fault.spent:
                    raise
                self._pause(fault, failures)

    def _take_turn(self) -> None:
        """Wait for the next free place in the rate; one given out before a silence is void."""
        while True:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + 60 / self._config.calls_per_minute
            time.sleep(turn - now)
            if turn >= self._quiet_until:
                return

    def _pause(self, fault: ServiceFault, failures: int) -> None:
        pause = self._config.first_pause_s * 2 ** (failures - 1) * self._random.uniform(0.75, 1.25)
        pause = min(max(pause, fault.retry_after_s or 0), self._config.longest_pause_s)
        if fault.retry_after_s is not None:
            # The service speaks to all of us.
            with self._lock:
                self._quiet_until = max(self._quiet_until, time.monotonic() + pause)
                self._next = max(self._next, self._quiet_until)
        if pause >= _LONG_S:
            self._tell(f"{fault}; asked again in {pause:.0f} s")
        time.sleep(pause)


class Breaker:
    """Stops asking a service that takes no credentials, or has failed ever since it last gave."""

    _MOST = 5
    """Failures, each after all its tries, since something last came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: list[ServiceFault] = []

    def met(self, fault: ServiceFault) -> None:
        """Count a fault that may meet the next one as well."""
        with self._lock:
            if fault.kind in ("no_access", "passing") and fault not in self._failures:
                self._failures.append(fault)

    def came(self) -> None:
        """Something came: begin anew."""
        with self._lock:
            self._failures.clear()

    def check(self) -> None:
        """Raise what the last ones have met, when the next one would meet it as well."""
        with self._lock:
            failures = list(self._failures)
        for fault in failures:
            if fault.kind == "no_access":
                raise fault
        if len(failures) >= self._MOST:
            raise ServiceFault("passing", f"not asked any more, after failures: {failures[0]}")

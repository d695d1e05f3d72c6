"""How a service on the network is asked: not too often, again after a pause, never without end.

`ServiceFault` is the one vocabulary of what can go wrong, used at the boundary where it happens.
`Retrier` asks again with growing pauses, keeps all threads of a process under one rate, and holds
them back together when the service says so; `CircuitBreaker` stops asking what does not answer any
more. Each single call must bring its own limit in time.

Not guaranteed: a rate across processes, or that a service which fails for longer than all pauses
together is waited for. What is pending then is another run's work.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Literal, TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential,
)

from extract.kaggle.limits import KaggleLimits

_T = TypeVar("_T")

FaultKind = Literal["no_access", "unavailable", "transient", "malformed"]
_LONG_S = 5
"""From here on a person would wonder at a pause."""
_MOVED_BYTES = 1 << 20
"""From here on a broken transfer counts as one that gets on."""


class ServiceFault(Exception):
    """A call that failed; `detail` says what was asked, expected and found, and no secret.

    `no_access`: the credentials are not taken, nothing else will be. `unavailable`: this one thing
    cannot be had. `transient`: worth another try. `malformed`: the answer is none, now or later.
    """

    def __init__(
        self, kind: FaultKind, detail: str, retry_after_s: float | None = None, answer: str = ""
    ) -> None:
        """`retry_after_s` is what the service asks for; `answer` its words, where they matter."""
        super().__init__(kind, detail, retry_after_s, answer)
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.answer = answer
        self.spent = False
        """Whether it has been asked again often enough; then nobody asks for the whole again."""

    def __str__(self) -> str:
        """What happened."""
        return self.detail


class Retrier:
    """Asks a service on behalf of all threads of this process."""

    def __init__(
        self, limits: KaggleLimits, on_pause: Callable[[str], None] = lambda text: None
    ) -> None:
        """`on_pause` hears of pauses that a person would wonder at."""
        self._limits, self._on_pause = limits, on_pause
        self._lock = threading.Lock()
        self._next = 0.0
        self._quiet_until = 0.0
        self._backoff = wait_exponential(multiplier=limits.first_pause_s)
        # Those who failed together must not come again together.
        self._random = random.Random(0)

    def call(self, function: Callable[[], _T], moved: Callable[[], int] = lambda: 0) -> _T:
        """What `function` returns; raises its last fault, at once when it is not `transient`.

        `moved` says how many bytes a transfer has brought so far.
        """
        retrying = Retrying(
            before=lambda state: self._take_turn(),
            retry=retry_if_exception(_is_worth_another_try),
            after=_forgiving(moved),
            wait=self._pause_s,
            stop=stop_after_attempt(self._limits.attempts),
            before_sleep=self._announce,
            sleep=time.sleep,
            reraise=True,
        )
        try:
            return retrying(function)
        except ServiceFault as fault:
            fault.spent = True
            raise

    def _take_turn(self) -> None:
        """Wait for the next free place in the rate; one given out before a silence is void."""
        while True:
            with self._lock:
                now = time.monotonic()
                turn = max(now, self._next)
                self._next = turn + 60 / self._limits.calls_per_minute
            time.sleep(turn - now)
            if turn >= self._quiet_until:
                return

    def _pause_s(self, state: RetryCallState) -> float:
        """Seconds until the next try: ours, or longer where the service asks for it."""
        pause_s = self._backoff(state) * self._random.uniform(0.75, 1.25)
        pause_s = max(pause_s, _fault_of(state).retry_after_s or 0)
        return min(pause_s, self._limits.longest_pause_s)

    def _announce(self, state: RetryCallState) -> None:
        fault, pause_s = _fault_of(state), state.upcoming_sleep
        if fault.retry_after_s is not None:
            # The service speaks to all of us.
            with self._lock:
                self._quiet_until = max(self._quiet_until, time.monotonic() + pause_s)
                self._next = max(self._next, self._quiet_until)
        if pause_s >= _LONG_S:
            self._on_pause(f"{fault}; asked again in {pause_s:.0f} s")


def _is_worth_another_try(error: BaseException) -> bool:
    return isinstance(error, ServiceFault) and error.kind == "transient" and not error.spent


def _fault_of(state: RetryCallState) -> ServiceFault:
    fault = state.outcome.exception() if state.outcome else None
    assert isinstance(fault, ServiceFault), "only those are tried again"
    return fault


def _forgiving(moved: Callable[[], int]) -> Callable[[RetryCallState], None]:
    """Begins anew to count attempts when a transfer has got on since it last began."""
    mark = moved()

    def forgive(state: RetryCallState) -> None:
        nonlocal mark
        # The mark never goes back: bytes that are thrown away and come again are no gain.
        if (reached := moved()) - mark >= _MOVED_BYTES:
            mark = reached
            state.attempt_number = 1

    return forgive


class CircuitBreaker:
    """Stops asking a service that takes no credentials, or has failed ever since it last gave."""

    _MOST = 5
    """Failures, each after all its tries, since something last came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failures: list[ServiceFault] = []

    def record_failure(self, fault: ServiceFault) -> None:
        """Count a fault that may meet the next one as well."""
        with self._lock:
            if fault.kind in ("no_access", "transient") and fault not in self._failures:
                self._failures.append(fault)

    def record_success(self) -> None:
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
            raise ServiceFault("transient", f"not asked any more, after failures: {failures[0]}")

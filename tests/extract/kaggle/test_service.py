"""Retrier: how often, how long and how fast a service is asked.

Pauses of one thread are measured on a clock that only sleeping moves; those of many are real.
"""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import ValidationError

from extract.kaggle.limits import KaggleLimits
from extract.kaggle.service import Retrier, ServiceFault

FAST = 1e9
MB = 1 << 20


def retrier(**knobs: float) -> Retrier:
    values = {"first_pause_s": 0.01, "longest_pause_s": 0.2, "calls_per_minute": FAST}
    return Retrier(KaggleLimits.model_validate(values | knobs))


def transient_fault(retry_after_s: float | None = None) -> ServiceFault:
    return ServiceFault("transient", "storage: HTTP 503", retry_after_s)


def failing(times: int, fault: Callable[[], ServiceFault] = transient_fault) -> Callable[[], int]:
    """A call that fails so often; then it returns how often it was asked."""
    asked: Iterator[int] = iter(range(1, 1_000))

    def call() -> int:
        n = next(asked)
        if n <= times:
            raise fault()
        return n

    return call


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], float]:
    """How long a piece of work sleeps."""
    clock = Clock()
    monkeypatch.setattr("extract.kaggle.service.time", clock)

    def measure(work: Callable[[], object]) -> float:
        begun = clock.now
        work()
        return clock.now - begun

    return measure


Seconds = Callable[[Callable[[], object]], float]


def test_what_is_transient_is_asked_again() -> None:
    assert retrier().call(failing(5)) == 6


def test_after_the_last_attempt_the_fault_is_told_and_spent() -> None:
    call = failing(1_000)
    with pytest.raises(ServiceFault) as caught:
        retrier(attempts=3).call(call)
    assert caught.value.spent
    assert str(caught.value) == "storage: HTTP 503"
    with pytest.raises(ServiceFault):
        call()
    assert retrier(attempts=1).call(failing(0)) == 1


@pytest.mark.parametrize("kind", ["no_access", "unavailable", "malformed"])
def test_what_is_not_transient_is_asked_once(kind: str) -> None:
    asked = []

    def call() -> None:
        asked.append(kind)
        raise ServiceFault(kind, "no")  # type: ignore[arg-type]

    with pytest.raises(ServiceFault) as caught:
        retrier().call(call)
    assert len(asked) == 1
    assert caught.value.spent


def test_what_was_asked_again_inside_is_not_asked_again_outside() -> None:
    waits, inner = retrier(attempts=3), []

    def once() -> None:
        inner.append(1)
        raise transient_fault()

    with pytest.raises(ServiceFault):
        waits.call(lambda: waits.call(once))
    assert len(inner) == 3


def test_pauses_double_up_to_the_cap(seconds: Seconds) -> None:
    waits = retrier(first_pause_s=0.04, longest_pause_s=0.08)
    took = seconds(lambda: waits.call(failing(4)))
    # 0.04 give or take a quarter, then 0.06 to 0.08, then twice the cap.
    assert 0.03 + 0.06 + 0.16 <= took <= 0.05 + 0.08 + 0.16 + 1e-6


def test_no_pause_follows_the_last_failure(seconds: Seconds) -> None:
    waits = retrier(attempts=2, first_pause_s=0.3, longest_pause_s=10)

    def ask() -> None:
        with pytest.raises(ServiceFault):
            waits.call(failing(2))

    assert 0.225 <= seconds(ask) <= 0.375 + 1e-6


def test_the_service_names_the_pause(seconds: Seconds) -> None:
    took = seconds(
        lambda: retrier(longest_pause_s=5).call(failing(1, lambda: transient_fault(0.3)))
    )
    assert took == pytest.approx(0.3)


@pytest.mark.parametrize("asked_for", [1e9, float("inf")])
def test_a_pause_that_the_service_names_is_capped(seconds: Seconds, asked_for: float) -> None:
    took = seconds(lambda: retrier().call(failing(1, lambda: transient_fault(asked_for))))
    assert took == pytest.approx(0.2)


def test_a_shorter_pause_than_ours_is_not_taken(seconds: Seconds) -> None:
    waits = retrier(first_pause_s=0.2, longest_pause_s=1)
    assert seconds(lambda: waits.call(failing(1, lambda: transient_fault(0)))) >= 0.15


def test_a_pause_that_the_service_names_holds_for_all_threads() -> None:
    """Also for those who had their turn given out already."""
    waits = retrier(calls_per_minute=60 / 0.5, longest_pause_s=5)
    begun, asked = time.monotonic(), list[float]()
    refused = failing(1, lambda: transient_fault(1))

    def call() -> None:
        asked.append(time.monotonic() - begun)
        if len(asked) == 1:
            # The others take their turns meanwhile; the next of them comes at 0.5 s.
            time.sleep(0.1)
            refused()

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(waits.call, call) for _ in range(4)]:
            done.result()
    assert len(asked) == 5
    assert all(instant >= 1 for instant in asked[1:])


def test_many_threads_share_one_rate() -> None:
    waits, lock, asked = retrier(calls_per_minute=60 / 0.02), threading.Lock(), list[float]()

    def call() -> None:
        with lock:
            asked.append(time.monotonic())

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(waits.call, call) for _ in range(30)]:
            done.result()
    assert len(asked) == 30
    assert 29 * 0.02 - 0.005 <= asked[-1] - asked[0] < 60


def test_those_who_fail_together_come_again_apart() -> None:
    waits, lock, asked = retrier(first_pause_s=0.4, longest_pause_s=1), threading.Lock(), []

    def call() -> None:
        with lock:
            asked.append(time.monotonic())
            if len(asked) <= 6:
                raise transient_fault()

    with ThreadPoolExecutor(6) as threads:
        for done in [threads.submit(waits.call, call) for _ in range(6)]:
            done.result()
    again = sorted(asked[6:])
    assert again[-1] - again[0] >= 0.05


def test_a_transfer_that_gets_on_is_asked_for_as_long_as_it_does() -> None:
    waits, moved = retrier(attempts=3, first_pause_s=0.001), [0]

    def call() -> str:
        moved[0] += MB // 2
        if moved[0] < 20 * MB:
            raise transient_fault()
        return "all"

    with pytest.raises(ServiceFault):
        waits.call(failing(3), moved=lambda: 0)
    # Half a megabyte with each of two attempts is a whole one.
    assert waits.call(call, moved=lambda: moved[0]) == "all"


def test_bytes_that_are_thrown_away_and_come_again_are_no_gain() -> None:
    waits, moved, asked = retrier(attempts=3, first_pause_s=0.001), [0], []

    def call() -> None:
        asked.append(1)
        moved[0] = 5 * MB if moved[0] == 0 else 0
        raise transient_fault()

    with pytest.raises(ServiceFault):
        waits.call(call, moved=lambda: moved[0])
    # The first attempt gained something; three more did not.
    assert len(asked) == 3


def test_no_number_of_attempts_is_without_end() -> None:
    with pytest.raises(ValidationError):
        KaggleLimits(attempts=101)
    waits = retrier(attempts=100, first_pause_s=1e-9, longest_pause_s=1e-6)
    assert waits.call(failing(99)) == 100


def test_other_errors_are_not_ours() -> None:
    asked = []

    def call() -> None:
        asked.append(1)
        raise KeyError("a mistake")

    with pytest.raises(KeyError):
        retrier().call(call)
    assert len(asked) == 1

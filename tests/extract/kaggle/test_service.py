"""Retrier: how often, how long and how fast a service is asked, with real but short pauses."""

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


def seconds(work: Callable[[], object]) -> float:
    begun = time.monotonic()
    work()
    return time.monotonic() - begun


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


def test_pauses_double_up_to_the_cap() -> None:
    waits = retrier(first_pause_s=0.04, longest_pause_s=0.08)
    took = seconds(lambda: waits.call(failing(4)))
    # 0.04 give or take a quarter, then 0.06 to 0.08, then twice the cap.
    assert 0.03 + 0.06 + 0.16 <= took < 0.6


def test_no_pause_follows_the_last_failure() -> None:
    waits = retrier(attempts=2, first_pause_s=0.3, longest_pause_s=10)

    def ask() -> None:
        with pytest.raises(ServiceFault):
            waits.call(failing(2))

    # Another one would take at least 0.45 s.
    assert 0.225 <= seconds(ask) < 0.375 + 0.3


def test_the_service_names_the_pause() -> None:
    took = seconds(
        lambda: retrier(longest_pause_s=5).call(failing(1, lambda: transient_fault(0.3)))
    )
    assert 0.3 <= took < 0.8


@pytest.mark.parametrize("asked_for", [1e9, float("inf")])
def test_a_pause_that_the_service_names_is_capped(asked_for: float) -> None:
    took = seconds(lambda: retrier().call(failing(1, lambda: transient_fault(asked_for))))
    assert 0.2 <= took < 0.7


def test_a_shorter_pause_than_ours_is_not_taken() -> None:
    waits = retrier(first_pause_s=0.2, longest_pause_s=1)
    assert seconds(lambda: waits.call(failing(1, lambda: transient_fault(0)))) >= 0.15


def test_a_pause_that_the_service_names_holds_for_all_threads() -> None:
    """Also for those who had their turn given out already."""
    waits = retrier(calls_per_minute=60 / 0.2, longest_pause_s=5)
    begun, asked = time.monotonic(), list[float]()
    refused = failing(1, lambda: transient_fault(0.5))

    def call() -> None:
        asked.append(time.monotonic() - begun)
        if len(asked) == 1:
            time.sleep(0.1)
            refused()

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(waits.call, call) for _ in range(4)]:
            done.result()
    assert len(asked) == 5
    assert all(instant >= 0.5 for instant in asked[1:])


def test_many_threads_share_one_rate() -> None:
    waits, lock, asked = retrier(calls_per_minute=60 / 0.02), threading.Lock(), list[float]()

    def call() -> None:
        with lock:
            asked.append(time.monotonic())

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(waits.call, call) for _ in range(30)]:
            done.result()
    assert len(asked) == 30
    assert 29 * 0.02 - 0.005 <= asked[-1] - asked[0] < 2


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

"""Progress and the closing summary, on a plain stream and on a terminal."""

import io
import re
import threading

import pytest

from flows.progress import Progress, Summary, print_summary


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def test_every_unit_is_told_where_no_pause_is_asked() -> None:
    stream = io.StringIO()
    with Progress("extract", 2, every_s=0, stream=stream) as progress:
        progress.advance("ann/iris")
        progress.advance("ben/wine")
    lines = [re.sub(r"\d+\.\d s", "T", line) for line in stream.getvalue().splitlines()]
    assert lines == ["extract 1/2 T ann/iris", "extract 2/2 T done"]


def test_between_pauses_only_the_end_is_told() -> None:
    stream = io.StringIO()
    with Progress("extract", 500, every_s=60, stream=stream) as progress:
        for unit in range(500):
            progress.advance(f"unit {unit}")
    assert len(stream.getvalue().splitlines()) == 1


def test_a_failure_is_not_called_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), Progress("extract", 2, stream=stream):
        raise ZeroDivisionError
    assert stream.getvalue().startswith("extract 0/2")
    assert stream.getvalue().endswith("stopped\n")


@pytest.mark.parametrize("on_terminal", [False, True])
def test_units_finished_in_threads_are_all_counted(on_terminal: bool, terminal: Terminal) -> None:
    stream = terminal if on_terminal else io.StringIO()
    with Progress("truth", 400, every_s=0, stream=stream) as progress:

        def work() -> None:
            for _ in range(100):
                progress.advance("[red]key")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert "400/400" in stream.getvalue()


SUMMARY = Summary(
    funnel={"sources": 40, "readable": 37},
    refused={"licence_refused": 3, "[bold]": 1},
    variants={"class-if": 12},
    seconds={"extract": 12.345},
)


def test_a_plain_summary_is_aligned_text() -> None:
    stream = io.StringIO()
    print_summary(SUMMARY, stream)
    lines = stream.getvalue().splitlines()
    assert lines[:3] == ["walk", "  sources         40", "  readable        37"]
    assert "  [bold]                  1" in lines
    assert lines[-1].split() == ["extract", "12.3"]


def test_a_terminal_gets_tables(terminal: Terminal) -> None:
    print_summary(SUMMARY, terminal)
    assert "licence_refused" in terminal.getvalue()
    assert "[bold]" in terminal.getvalue()
    assert "━" in terminal.getvalue()


def test_empty_parts_are_left_out() -> None:
    stream = io.StringIO()
    print_summary(Summary(funnel={"sources": 0}), stream)
    assert stream.getvalue().splitlines() == ["walk", "  sources         0"]

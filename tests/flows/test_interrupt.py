"""A build that is asked to stop ends soon, says how to continue, and leaves nobody behind."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.building import MARK, OPENDARE, arguments, build, environment, survivors

pytestmark = pytest.mark.slow
NO_OLDER_LIBRARIES = ("--set", "environments.library_versions=[]")
"""Making them takes a minute, and no signal meets them."""
ENDS_WITHIN_S = 20
"""Generous, since other tests keep the cores busy; it takes a moment."""


@pytest.fixture
def mirror(small_mirror: Path, tmp_path: Path) -> Path:
    """Two sources, as few as a release needs."""
    for key in ("ann/rents", "bob/shops"):
        shutil.copytree(small_mirror / key, tmp_path / "mirror" / key)
    return tmp_path / "mirror"


def started(mirror: Path, place: Path, complained: Path) -> subprocess.Popen[bytes]:
    """A build in a process group of its own, as a shell starts it."""
    with complained.open("wb") as stderr:
        return subprocess.Popen(
            [str(OPENDARE), *arguments(mirror, place, *NO_OLDER_LIBRARIES)],
            env=environment({MARK: str(place)}),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            start_new_session=True,
        )


def wait_for_results(process: subprocess.Popen[bytes], state: Path, stage: str) -> None:
    """Until the build has a result of a stage, so that workers are busy."""
    while not list(state.glob(f"results/{stage}/*.json")):
        assert process.poll() is None, f"the build ended before {stage}"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_build_ends_and_the_same_command_completes(
    mirror: Path, tmp_path: Path, number: signal.Signals
) -> None:
    complained = tmp_path / "complained"
    process = started(mirror, tmp_path, complained)
    try:
        wait_for_results(process, tmp_path / "state", "execute")
        # Ctrl-C reaches all that a terminal has started, a machine ends the command alone.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.wait(timeout=ENDS_WITHIN_S) == 130
    finally:
        process.kill()
        process.wait()
    said = complained.read_text()
    assert "Traceback" not in said
    command = said.partition("stopped; continue with: ")[2].splitlines()[0]
    given = arguments(mirror, tmp_path, *NO_OLDER_LIBRARIES)
    assert shlex.split(command) == [str(OPENDARE), *given]
    assert survivors(str(tmp_path), patience_s=60) == []
    assert not (tmp_path / "release").exists()
    completed = build(mirror, tmp_path, *NO_OLDER_LIBRARIES)
    assert completed.code == 0, completed.complained
    assert completed.printed.splitlines()[-1] == f"release written: {completed.out}"

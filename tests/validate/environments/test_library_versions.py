"""Environments of older libraries: made once, checked, and missed with a message that helps."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from validate.environments import library_versions
from validate.environments.library_versions import (
    PINS,
    EnvironmentMissing,
    interpreter_of,
    is_made,
    pins_of,
)


def test_every_library_version_is_pinned_for_every_python() -> None:
    names = {frozenset(pins) for by_python in PINS.values() for pins in by_python.values()}
    assert len(names) == 1
    assert {"scikit-learn", "numpy", "pandas", "scipy", "pyarrow", "statsmodels"} < {*names.pop()}
    assert all(len(by_python) >= 3 for by_python in PINS.values())
    for by_python in PINS.values():
        assert sys.version_info[:2] in by_python


def test_a_library_version_is_what_it_is_called() -> None:
    assert pins_of("1.6")["scikit-learn"].startswith("1.6.")
    expected = "1.5." if sys.version_info >= (3, 13) else "1.4."
    assert pins_of("1.4")["scikit-learn"].startswith(expected)


def test_an_interpreter_without_pins_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    with pytest.raises(EnvironmentMissing) as missing:
        pins_of("1.4")
    for said in ("libraries 1.4", "expected: Python 3.11, 3.12, 3.13", "found: Python 3.99"):
        assert said in str(missing.value)


@pytest.mark.slow
def test_a_package_that_nobody_has_stops_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the real installer, kept from every index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_CACHE", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(EnvironmentMissing) as missing:
        interpreter_of("1.4", tmp_path)
    said = str(missing.value)
    assert "libraries 1.4" in said
    assert f"scikit-learn=={pins_of('1.4')['scikit-learn']}" in said
    assert "environments.library_versions" in said
    assert "found: \n" not in said
    assert not [*tmp_path.glob("*/complete.json")]


def test_an_environment_is_made_when_its_marker_and_its_interpreter_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_made("1.4", tmp_path)
    assert not [*tmp_path.iterdir()]
    place = tmp_path / library_versions._key(pins_of("1.4"))
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(sys.executable)
    assert not is_made("1.4", tmp_path)
    (place / "complete.json").touch()
    assert is_made("1.4", tmp_path)
    assert not is_made("1.6", tmp_path)
    (place / "bin" / "python").unlink()
    (place / "bin" / "python").symlink_to(tmp_path / "gone")
    assert not is_made("1.4", tmp_path)
    monkeypatch.setattr(sys, "version_info", (3, 99, 0))
    with pytest.raises(EnvironmentMissing):
        is_made("1.4", tmp_path)


@pytest.mark.slow
def test_what_was_made_is_used_and_what_was_begun_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a library version of nothing, so that nothing has to be downloaded."""
    monkeypatch.setitem(library_versions.PINS, "1.4", {sys.version_info[:2]: {}})
    commands: list[str] = []
    run = library_versions._run

    def counted(*command: object) -> str:
        commands.append(str(command))
        # An installer has nothing to do, and says so as an error.
        return "" if "install" in command else run(*command)  # type: ignore[arg-type]

    monkeypatch.setattr(library_versions, "_run", counted)
    python = interpreter_of("1.4", tmp_path)
    made = len(commands)
    assert made >= 2
    assert interpreter_of("1.4", tmp_path) == python
    assert len(commands) == made
    marker = python.parent.parent / "complete.json"
    assert json.loads(marker.read_text()) == {}
    marker.unlink()
    assert not is_made("1.4", tmp_path)
    (python.parent / "half").touch()
    assert interpreter_of("1.4", tmp_path) == python
    assert len(commands) == 2 * made
    assert not (python.parent / "half").exists()


def test_an_installer_that_outlives_its_build_is_waited_for(tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from validate.environments import library_versions as made
        installer = "echo $$ > $0; exec sleep 60"
        command = "sh", "-c", installer, f"{sys.argv[1]}/pid"
        made._make = lambda *_: made._run("1.4", [], *command)
        made.interpreter_of("1.4", Path(sys.argv[1]))
        """
    )
    build = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
    pid = tmp_path / "pid"
    while not (pid.is_file() and pid.read_text()):
        time.sleep(0.01)
    build.kill()
    build.wait()
    (lock,) = tmp_path.glob("*.lock")
    with lock.open() as held:
        with pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.kill(int(pid.read_text()), signal.SIGKILL)
        fcntl.flock(held, fcntl.LOCK_EX)


def test_another_pin_is_another_folder() -> None:
    keys = {library_versions._key(pins_of(name)) for name in PINS}
    assert len(keys) == len(PINS)
    assert library_versions._key({"numpy": "1"}) == library_versions._key({"numpy": "1"})

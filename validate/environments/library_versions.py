"""Environments with older versions of the libraries, made for the running interpreter.

A truth that only today's scikit-learn reaches is worth little to who has last year's. So the
environment matrix can run reference programs in environments that this module makes: exact versions
that were current together, in a virtual environment beside the other things that a build remembers.
Takes the name of a library version and a folder, returns the path of an interpreter. Made once: the
folder is named by the pins and the interpreter, a marker is written last, and what lacks it is
begun anew.

Where packages come from is the business of the settings of pip or uv in the environment of the
build.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

LibraryVersion = Literal["1.4", "1.6"]

_PURE = {"joblib": "1.4.2", "python-dateutil": "2.9.0.post0", "pytz": "2024.1"}
_EARLY = {
    "scikit-learn": "1.4.2",
    "numpy": "1.26.4",
    "pandas": "2.2.3",
    "scipy": "1.13.1",
    "pyarrow": "16.1.0",
    "statsmodels": "0.14.2",
    "patsy": "0.5.6",
    "threadpoolctl": "3.5.0",
    "tzdata": "2024.1",
    "six": "1.16.0",
    "packaging": "24.0",
    **_PURE,
}
_LATE = {
    "scikit-learn": "1.6.1",
    "numpy": "2.2.6",
    "pandas": "2.2.3",
    "scipy": "1.15.3",
    "pyarrow": "19.0.1",
    "statsmodels": "0.14.4",
    "patsy": "1.0.1",
    "threadpoolctl": "3.6.0",
    "tzdata": "2025.1",
    "six": "1.17.0",
    "packaging": "24.2",
    **_PURE,
}
_OLDEST_ON_3_13 = {
    **_EARLY,
    "scikit-learn": "1.5.2",
    "numpy": "2.1.3",
    "scipy": "1.14.1",
    "pyarrow": "18.0.0",
    "statsmodels": "0.14.4",
}
"""Nothing older has wheels for Python 3.13, so there 1.4 is 1.5; certificates say so."""

PINS: dict[LibraryVersion, dict[tuple[int, int], Mapping[str, str]]] = {
    "1.4": {(3, 11): _EARLY, (3, 12): _EARLY, (3, 13): _OLDEST_ON_3_13},
    "1.6": {(3, 11): _LATE, (3, 12): _LATE, (3, 13): _LATE},
}
"""Package and version by library version and minor version of Python; complete, nothing is
resolved."""

_MARKER = "complete.json"
_INSTALL_TIMEOUT_S = 1800
_SAID = 2000
"""Letters of an installer's last words that are quoted."""
_REPORT = (
    "import json, sys; from importlib.metadata import version; "
    "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
)


class EnvironmentMissing(Exception):
    """An environment that is configured cannot be made; the message says what and how to repair."""


def pins_of(library_version: LibraryVersion) -> Mapping[str, str]:
    """Package and version for the running interpreter; raises `EnvironmentMissing`."""
    running = sys.version_info[:2]
    known = PINS[library_version]
    if running not in known:
        raise _missing(
            library_version,
            expected=f"Python {', '.join(f'{major}.{minor}' for major, minor in known)}",
            observed=f"Python {running[0]}.{running[1]}",
        )
    return known[running]


def interpreter_of(library_version: LibraryVersion, environments: Path) -> Path:
    """The interpreter of a library version's environment, which is made where it is not there yet.

    Takes about a minute the first time. Raises `EnvironmentMissing`.
    """
    pins = pins_of(library_version)
    folder = environments / _key(pins)
    environments.mkdir(parents=True, exist_ok=True)
    # Builds may share the folder: one makes, the others wait. The installer holds the lock too, so
    # one that outlives a killed build is waited for, and never written against.
    with (environments / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        if not is_made(library_version, environments):
            _make(library_version, pins, folder)
    return folder / "bin" / "python"


def is_made(library_version: LibraryVersion, environments: Path) -> bool:
    """Whether a library version's environment is there and whole; raises `EnvironmentMissing`."""
    folder = environments / _key(pins_of(library_version))
    # The interpreter that it was made from may have moved or gone.
    return (folder / _MARKER).is_file() and os.access(folder / "bin" / "python", os.X_OK)


def _key(pins: Mapping[str, str]) -> str:
    interpreter = [sys.version, platform.machine(), platform.libc_ver(), sys.base_prefix]
    text = json.dumps([sorted(pins.items()), interpreter])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make(library_version: LibraryVersion, pins: Mapping[str, str], folder: Path) -> None:
    print(
        f"making the environment of libraries {library_version} (once; a minute)", file=sys.stderr
    )
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    wanted = [f"{name}=={version}" for name, version in pins.items()]
    python = str(folder / "bin" / "python")
    uv = shutil.which("uv")
    if uv is not None:
        _run(
            library_version, wanted, uv, "venv", "--quiet", "--python", sys.executable, str(folder)
        )
        installer = [uv, "pip", "install", "--quiet", "--python", python]
    else:
        _run(library_version, wanted, sys.executable, "-m", "venv", str(folder))
        installer = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Nothing is built from source: that would take compilers, and hours.
    _run(library_version, wanted, *installer, "--no-deps", "--only-binary", ":all:", *wanted)
    installed = _run(library_version, wanted, python, "-I", "-c", _REPORT, *pins)
    if json.loads(installed) != dict(pins):
        raise _missing(library_version, " ".join(wanted), installed)
    (folder / _MARKER).write_text(installed)


def _run(library_version: LibraryVersion, wanted: list[str], *command: str) -> str:
    """Output of a command that belongs to making the environment."""
    environment = {n: v for n, v in os.environ.items() if not n.startswith("PYTHON")}
    environment.pop("VIRTUAL_ENV", None)
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            close_fds=False,
            capture_output=True,
            text=True,
            check=True,
            timeout=_INSTALL_TIMEOUT_S,
        )
    except subprocess.CalledProcessError as error:
        said = f"{error.stdout}{error.stderr}".strip()[-_SAID:]
        raise _missing(library_version, " ".join(wanted), said) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _missing(library_version, " ".join(wanted), str(error)) from error
    return done.stdout


def _missing(library_version: LibraryVersion, expected: str, observed: str) -> EnvironmentMissing:
    return EnvironmentMissing(
        f"the environment of libraries {library_version} cannot be made.\n"
        f"  expected: {expected}\n"
        f"  found: {observed}\n"
        "  repair: let pip (or uv) reach an index or a folder that has these packages, then run "
        "the same command again; or leave the version out of `environments.library_versions`"
    )

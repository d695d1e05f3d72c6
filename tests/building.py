"""Runs `opendare build` as a user does, in a process of its own, and looks at what it leaves."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
MIRROR_CONFIG = ROOT / "configs" / "mirror.yaml"
OPENDARE = Path(sys.executable).with_name("opendare")
ENVIRONMENTS = ROOT / "build" / "environments"
"""Older libraries for all builds of all tests; they take a minute to make."""
MARK = "PROCESS_UNDER_TEST"
"""Environment variable by which a process and all that it starts are found."""


@dataclass(frozen=True)
class Built:
    """A build that ended."""

    mirror: Path
    out: Path
    state: Path
    code: int
    printed: str
    complained: str


def arguments(mirror: Path, place: Path, *more: str) -> list[str]:
    """Of `opendare`, to build from `mirror` into `place/release` with the state `place/state`."""
    folders = ["--mirror", str(mirror), "--out", str(place / "release")]
    return [
        *("build", "--config", str(MIRROR_CONFIG), *folders),
        *("--state", str(place / "state"), "--set", f"workers.environments={ENVIRONMENTS}"),
        *more,
    ]


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Little more than the path, so that nobody's settings shape a test."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **(changes or {})}


def build(
    mirror: Path,
    place: Path,
    *more: str,
    changes: Mapping[str, str] | None = None,
    program: str | None = None,
) -> Built:
    """Run a build to its end; `program` stands in for the console script."""
    given = arguments(mirror, place, *more)
    return run_opendare(given, place, mirror, environment(changes), program)


def kaggle_arguments(verb: str, place: Path, *more: str) -> list[str]:
    """Of `opendare`, to work on all that a loopback Kaggle has, without long pauses."""
    kaggle = {"searches": [{}], "call_timeout_s": 4, "calls_per_minute": 60_000}
    body = {
        "source": {"kind": "kaggle", "kaggle": kaggle},
        "environments": {"library_versions": ["1.4", "1.6"]},
    }
    config = place / "kaggle.yaml"
    config.write_text(yaml.safe_dump(body))
    folders = ["--mirror", str(place / "mirror"), "--state", str(place / "state")]
    out = ["--out", str(place / "release")] if verb == "build" else []
    shared = ["--set", f"workers.environments={ENVIRONMENTS}"]
    return [verb, "--config", str(config), *folders, *out, *shared, *more]


def run_opendare(
    given: Sequence[str],
    place: Path,
    mirror: Path,
    variables: Mapping[str, str],
    program: str | None = None,
) -> Built:
    """Run `opendare` with these arguments in this environment to its end."""
    command = [str(OPENDARE)] if program is None else [sys.executable, "-c", program]
    done = subprocess.run(
        [*command, *given],
        cwd=place,
        env=dict(variables),
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    return Built(
        mirror, place / "release", place / "state", done.returncode, done.stdout, done.stderr
    )


def remember(state: Path, copy: Path) -> None:
    """A state that has computed what another one has; files are replaced, never changed."""
    passing = shutil.ignore_patterns("scratch", "prefect", "lock")
    shutil.copytree(state, copy, symlinks=True, ignore=passing, copy_function=os.link)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def survivors(mark: str, patience_s: float = 300) -> list[str]:
    """Commands of the processes with this mark that do not end by themselves.

    A server that was being born needs its imports until it looks for its parent.
    """
    deadline = time.monotonic() + patience_s
    while (alive := _marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return alive


def _marked(mark: str) -> list[str]:
    wanted = f"{MARK}={mark}".encode()
    commands = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in path.read_bytes().split(b"\0"):
                command = path.with_name("cmdline").read_bytes()
                commands.append(command.replace(b"\0", b" ").decode(errors="replace")[:200])
        except OSError:
            continue
    return commands

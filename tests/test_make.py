"""The verbs of the Makefile are listed, documented, and hand their values over unharmed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TARGETS = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE)
VERBS = [name for name in TARGETS if name != "help"]
README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def _make(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # The tests may themselves run under make, which tells its children about it.
    outer = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    command = ["make", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def test_the_verbs_are_those_that_users_know() -> None:
    known = {"build-split", "test", "check", "bench", "golden", "docs", "clean", "lock"}
    assert set(VERBS) == known


def test_make_alone_prints_help_and_does_nothing_else() -> None:
    result = _make()
    assert result.returncode == 0
    assert re.findall(r"^  make (\S+) +\S", result.stdout, re.MULTILINE) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_for_contributors_names_every_verb(verb: str) -> None:
    assert re.search(rf"make {verb}\b", CONTRIBUTING)


def test_ci_runs_the_command_of_the_readme() -> None:
    assert "make test" in README
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


@pytest.fixture
def echoing(tmp_path: Path) -> Path:
    """A copy of the Makefile whose `opendare` prints its arguments, one a line."""
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    scripts = tmp_path / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "opendare").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (scripts / "opendare").chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    return tmp_path


def test_build_split_hands_values_over_unharmed(echoing: Path) -> None:
    out = """a 'b' "c"; echo `d` & *"""
    result = _make("build-split", f"OUT={out}", "CONFIG=x.yaml", cwd=echoing)
    assert result.stdout.splitlines() == ["build", "--config", "x.yaml", "--out", out]


def test_build_split_takes_all_four_values(echoing: Path) -> None:
    result = _make("build-split", "CONFIG=a", "MIRROR=b", "OUT=c", "STATE=d", cwd=echoing)
    expected = ["build", "--config", "a", "--mirror", "b", "--out", "c", "--state", "d"]
    assert result.stdout.splitlines() == expected


def test_build_split_takes_settings(echoing: Path) -> None:
    result = _make("build-split", "SET=gates.size.x=5 a=[*]", "OUT=c d", cwd=echoing)
    expected = ["build", "--out", "c d", "--set", "gates.size.x=5", "--set", "a=[*]"]
    assert result.stdout.splitlines() == expected


def test_an_unusable_python_is_told(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    result = _make("test", "PYTHON=python2.7-absent", cwd=tmp_path)
    assert result.returncode != 0
    assert "needs Python 3.11 to 3.13" in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_the_lock_has_hashes_and_no_address() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith(" ")]
    assert all(re.match(r"[a-z0-9._-]+==\S+ .*\\$", pin) for pin in pins)
    assert all(line.startswith("    --hash=sha256:") for line in lines if line not in pins)


def test_the_lock_holds_every_requirement() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    tables = re.findall(r"^(?:dependencies|dev) = \[\n(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    names = {name.lower() for table in tables for name in re.findall(r'^ +"([\w-]+)', table, re.M)}
    locked = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements.lock").read_text(), re.M))
    assert len(names) > 20
    assert names <= locked, "`make lock` is due"

"""The console script as a user runs it: help at once, exit codes, messages without a traceback."""

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from flows.quiet import quiet_environment

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("pydantic", "polars", "prefect", "numpy", "pyarrow", "rich", "yaml")


def opendare(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    program = "import sys; from flows.cli import main; sys.exit(main())"
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


COMMANDS = ("build", "fetch", "catalog", "restore", "doctor", "score")


def test_help_names_all_commands_and_comes_at_once() -> None:
    opendare("--help")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = opendare("--help")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.returncode == 0
    assert re.findall(r"^    (\w+) ", result.stdout, re.MULTILINE) == list(COMMANDS)
    # Of the processor, because another program may have it meanwhile.
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def test_the_command_line_imports_nothing_heavy() -> None:
    program = f"import sys, flows.cli; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "score"])
def test_commands_document_their_options_and_exit_codes(command: str) -> None:
    text = opendare(command, "--help").stdout
    for option in ("--config", "--mirror", "--state", "--set"):
        assert option in text
    assert "3 pending work" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_readme_tells_every_command(command: str) -> None:
    assert f"opendare {command}" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "required"),
        (("bild",), "bild"),
        (("build", "--config", "absent.yaml"), "absent.yaml"),
        (("build", "--set", "seed=-1"), "seed: found -1"),
        (("build", "--mirror", "absent"), "configs/mirror.yaml"),
        (("build", "--state", "/dev/null/x"), "/dev/null/x"),
        (("build", "--config", "configs/mirror.yaml", "--mirror", "absent"), "absent, which is no"),
        (("fetch", "--config", "configs/bundled.yaml"), "source.kind is bundled"),
        (("catalog", "--state", "absent"), "`opendare fetch` makes one"),
        (("restore", "absent", "--config", "configs/bundled.yaml"), "holds no release"),
        (("score",), "--release"),
    ],
)
def test_what_a_user_can_repair_ends_with_2_and_a_message(
    arguments: tuple[str, ...], said: str
) -> None:
    result = opendare(*arguments)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_score_is_the_graders_own_program() -> None:
    direct = subprocess.run(
        [sys.executable, ROOT / "validate" / "score.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    options = [word for word in direct.stdout.split() if word.startswith("--")]
    passed_on = opendare("score", "--help")
    assert passed_on.returncode == 0
    assert set(options) <= set(passed_on.stdout.split())


def test_prefect_is_a_quiet_guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("PREFECT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PREFECT_HOME", "/elsewhere")
    monkeypatch.setenv("PREFECT_PROFILE", "cloud")
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "DEBUG")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.setattr(os, "environ", os.environ.copy())
    quiet_environment(tmp_path / "deep" / "state")
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "deep" / "state" / "prefect")
    assert Path(os.environ["PREFECT_HOME"]).is_dir()
    assert "PREFECT_PROFILE" not in os.environ
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["PREFECT_LOGGING_LEVEL"] == "DEBUG", "a user's own setting is kept"
    assert os.environ["NO_PROXY"] == "example.org,127.0.0.1,localhost"

"""The console script as a user runs it: help at once, exit codes, messages without a traceback."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from flows.cli import main
from flows.runner.quiet import quiet_environment

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


SETTINGS = ("build", "fetch", "catalog", "restore", "gc", "doctor")
COMMANDS = (*SETTINGS, "tasks", "show", "why", "score")


def test_help_names_all_commands_and_imports_nothing_heavy() -> None:
    program = (
        "import sys; from flows.cli import main; main(['--help']); "
        f"print('loaded:', *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert re.findall(r"^  (\w+) ", printed.partition("Commands:")[2], re.M) == list(COMMANDS)
    assert printed.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("command", SETTINGS)
def test_commands_with_settings_have_their_options(command: str) -> None:
    text = opendare(command, "--help").stdout
    for option in ("--config", "--mirror", "--state", "--set"):
        assert option in text


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "score"])
def test_commands_document_their_exit_codes(command: str) -> None:
    assert "3 pending work" in opendare(command, "--help").stdout


def test_version_is_that_of_the_package() -> None:
    assert opendare("--version").stdout == f"opendare {version('opendare')}\n"


def test_an_interrupted_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.browse.opened.OpenedRelease", interrupt)
    assert main(["tasks"]) == 130
    assert "interrupted; the same command continues" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Usage: opendare"),
        (("bild",), "bild"),
        (("build", "--config", "absent.yaml"), "absent.yaml"),
        (("build", "--set", "seed=-1"), "seed: found -1"),
        (("build", "--mirror", "absent"), "configs/mirror.yaml"),
        (("build", "--state", "/dev/null/x"), "/dev/null/x"),
        (("build", "--config", "configs/mirror.yaml", "--mirror", "absent"), "absent, which is no"),
        (("fetch", "--config", "configs/bundled.yaml"), "source.kind is bundled"),
        (("catalog", "--state", "absent"), "`opendare fetch` makes one"),
        (("restore", "absent", "--config", "configs/bundled.yaml"), "holds no release"),
        (("score",), "usage: opendare score [-h] [--release DIR]"),
        (("score", "--task", "x", "x.csv", "--release", "absent"), "no release in absent"),
        (("tasks", "absent"), "absent holds no release"),
        (("tasks", "--split"), "--split"),
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


def test_score_looks_into_the_default_release(tmp_path: Path) -> None:
    result = opendare("score", "--task", "x", "x.csv", cwd=tmp_path)
    assert result.returncode == 2
    assert "opendare score: error: no release in build/release" in result.stderr


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

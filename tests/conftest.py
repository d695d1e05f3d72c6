"""What all tests share: golden files, and the real datasets where a machine has them."""

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GOLDEN = ROOT / "tests" / "golden"

Golden = Callable[[str, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="run only the tests that compare with tests/golden, and rewrite the files",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("rewrite_golden"):
        return
    others = [item for item in items if "golden" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with `tests/golden/<name>`, or rewrites the file and prints the diff."""
    rewrite = request.config.getoption("rewrite_golden")

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        stored = path.read_text(encoding="utf-8") if path.exists() else ""
        lines = (stored.splitlines(keepends=True), text.splitlines(keepends=True))
        diff = "".join(difflib.unified_diff(*lines, f"golden/{name}", "now"))
        if rewrite:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            _print(request.config, diff or f"golden/{name} is unchanged\n")
        else:
            assert text == stored, f"`make golden` accepts this difference:\n{diff}"

    return compare


def _print(config: pytest.Config, text: str) -> None:
    """Past the capture of output, which would show a passing test's diff to nobody."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None, "make golden runs in one process"
    reporter.ensure_newline()
    reporter.write(text)


@pytest.fixture(scope="session")
def mirror() -> Path:
    """Directory of real datasets in Kaggle's layout, named by OPENDARE_MIRROR; skips without it."""
    fallback = ROOT.parent / "shared" / "data" / "kaggle-mirror"
    path = Path(os.environ.get("OPENDARE_MIRROR", fallback))
    if not path.is_dir():
        pytest.skip(f"no real datasets at {path}; OPENDARE_MIRROR names a directory of them")
    return path

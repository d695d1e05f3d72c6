"""What a change costs: with a warm state only what depends on it is computed again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.building import OPENDARE, Built, arguments, digests, environment, remember

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GATE = '''"""A gate of a test."""

from typing import ClassVar

from transform.files.task_folder import TaskFolder
from validate.gate import FileGate
from validate.verdict import Finding


class Added(FileGate):
    """Passes everything."""

    name: ClassVar[str] = "added"
    order: ClassVar[int] = 99

    def look(self, task: TaskFolder) -> Finding:
        """Nothing to object."""
        return self.passed()
'''
EARLY = ("read", "inspect", "compare", "profile", "propose")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code in a folder of its own, where it may be changed."""
    root = tmp_path_factory.mktemp("rooms")
    for name in ("extract", "transform", "validate", "publish", "flows", "configs"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="module")
def warm(small_build: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the state of a build, which builds of this module go on with."""
    assert small_build.code == 0, small_build.complained
    place = tmp_path_factory.mktemp("warm")
    remember(small_build.state, place / "state")
    return place


def built(rooms: Path, small_build: Built, place: Path) -> dict[str, int]:
    """Results by stage that a build with the code in `rooms` computed."""
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *arguments(small_build.mirror, place)],
        cwd=rooms,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr
    lines = map(json.loads, (place / "state" / "ledger.jsonl").read_text().splitlines())
    stages = {line["stage"]: line for line in lines if "stage" in line}
    assert stages["read"]["remembered"] + stages["read"]["computed"] > 5
    assert stages["gate wording"]["remembered"] + stages["gate wording"]["computed"] > 5
    return {name: line["computed"] for name, line in stages.items() if line["computed"]}


def test_nothing_changed(rooms: Path, small_build: Built, warm: Path) -> None:
    assert built(rooms, small_build, warm) == {}
    assert digests(warm / "release") == digests(small_build.out)


def test_a_changed_comment_or_docstring(rooms: Path, small_build: Built, warm: Path) -> None:
    for place in ("transform/steps/cleaning/filter_range.py", "extract/reading/numerals.py"):
        text = (rooms / place).read_text()
        lines = text.split("\n")
        lines[0] = '"""Other words.' + '"""' * lines[0].endswith('"""')
        (rooms / place).write_text("\n".join([*lines, "# A reason.", ""]))
    assert built(rooms, small_build, warm) == {}


def test_a_new_gate(rooms: Path, small_build: Built, warm: Path) -> None:
    path = rooms / "validate" / "gates" / "added.py"
    path.write_text(GATE)
    computed = built(rooms, small_build, warm)
    path.unlink()
    assert list(computed) == ["gate added"]


def test_a_changed_sentence_of_a_step(rooms: Path, small_build: Built, warm: Path) -> None:
    path = rooms / "transform" / "steps" / "preparing" / "select_columns.py"
    text = path.read_text()
    assert "Use exactly these feature columns" in text
    path.write_text(text.replace("Use exactly these feature columns", "Use just these features"))
    computed = built(rooms, small_build, warm)
    path.write_text(text)
    assert computed["execute"] > 5
    assert not set(EARLY) & set(computed)


# --- what is not reached ------------------------------------------------------------------------


def collected(place: Path, small_build: Built, *more: str) -> subprocess.CompletedProcess[str]:
    """`opendare gc` with the options of the build that filled the state."""
    given = arguments(small_build.mirror, place)
    out = given.index("--out")
    options = [*given[1:out], *given[out + 2 :], *more]
    return subprocess.run(
        [str(OPENDARE), "gc", *options],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_garbage_is_what_the_last_build_did_not_ask_for(
    rooms: Path, small_build: Built, tmp_path: Path
) -> None:
    remember(small_build.state, tmp_path / "state")
    planted = tmp_path / "state" / "objects" / "ab" / "cd"
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(os.urandom(2_000_000))
    only_said = collected(tmp_path, small_build, "--dry-run")
    assert only_said.returncode == 0, only_said.stderr
    assert "would delete" in only_said.stdout
    assert planted.exists()
    done = collected(tmp_path, small_build)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("deleted ")
    assert not planted.exists()
    assert collected(tmp_path, small_build).stdout.startswith("deleted 0 files")
    assert built(rooms, small_build, tmp_path) == {}, "what a build needs has stayed"
    refused = collected(tmp_path, small_build, "--set", "seed=9")
    assert refused.returncode == 2
    assert "run: opendare build" in refused.stderr

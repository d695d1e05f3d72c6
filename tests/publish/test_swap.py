"""An old release stays whole until a new one is, and foreign files are never replaced."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from publish import swap
from publish.data.manifest import MANIFEST, list_files, read_manifest, write_manifest
from publish.release import PublishError


def _release(out: Path, text: str) -> bool:
    with swap.staging(out) as staged:
        (staged / "README.md").write_text(text)
        (staged / "data").mkdir()
        (staged / "data" / "a.parquet").write_text(text)
        write_manifest(staged, "dev")
        return swap.swap_in(out)


def _stage(out: Path) -> None:
    with swap.staging(out):
        pass


def _whole(out: Path, text: str) -> bool:
    return read_manifest(out) == list_files(out) and (out / "README.md").read_text() == text


def test_replaces_a_release(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "release"
    assert _release(out, "one")
    assert _release(out, "two")
    assert _whole(out, "two")
    assert [path.name for path in out.parent.iterdir()] == ["release"]


def test_replaces_where_folders_cannot_be_exchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(swap, "_exchange", lambda one, other: False)
    out = tmp_path / "release"
    _release(out, "one")
    _release(out, "two")
    assert _whole(out, "two")
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_a_damaged_release_is_written_again(tmp_path: Path) -> None:
    out = tmp_path / "release"
    _release(out, "one")
    (out / "README.md").write_text("damaged")
    assert _release(out, "one")
    assert _whole(out, "one")


def _fail(out: Path) -> None:
    with swap.staging(out) as staged:
        (staged / "x").write_text("x")
        raise ZeroDivisionError


def test_nothing_is_left_of_a_release_that_failed(tmp_path: Path) -> None:
    out = tmp_path / "release"
    _release(out, "one")
    with pytest.raises(ZeroDivisionError):
        _fail(out)
    assert _whole(out, "one")
    assert [path.name for path in tmp_path.iterdir()] == ["release"]


def test_byte_code_beside_the_grader_does_not_matter(tmp_path: Path) -> None:
    out = tmp_path / "release"
    _release(out, "one")
    (out / "__pycache__").mkdir()
    (out / "__pycache__" / "score.pyc").write_text("x")
    assert not _release(out, "one")


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "home"
    foreign.mkdir()
    _release(foreign, "an empty folder is taken")
    (foreign / "thesis.tex").write_text("x")
    with pytest.raises(PublishError, match=r"no release wrote \(thesis\.tex\)"):
        _stage(foreign)
    (foreign / "thesis.tex").unlink()
    (foreign / MANIFEST).write_text("{}")
    with pytest.raises(PublishError, match="no release wrote"):
        _stage(foreign)
    with pytest.raises(PublishError, match="is a file"):
        _stage(foreign / "README.md")


_KILLED = """
import os, signal, sys
from pathlib import Path
import publish.swap as swap
from publish.data.manifest import write_manifest

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

out, where = Path(sys.argv[1]), sys.argv[2]
context = swap.staging(out)
staged = context.__enter__()
(staged / "README.md").write_text("two")
if where == "writing":
    die()
write_manifest(staged, "dev")
if where == "between":
    swap._exchange = lambda one, other: False
    rename = Path.rename
    def once(self, target):
        rename(self, target)
        die()
    Path.rename = once
elif where == "exchanged":
    swap.shutil.rmtree = die
else:
    swap._exchange = die
swap.swap_in(out)
"""


@pytest.mark.parametrize(
    ("where", "left"),
    [("writing", "one"), ("swapping", "one"), ("exchanged", "two"), ("between", None)],
)
def test_a_kill_leaves_a_whole_release(tmp_path: Path, where: str, left: str | None) -> None:
    out = tmp_path / "release"
    _release(out, "one")
    command = [sys.executable, "-c", _KILLED, str(out), where]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": "."}, check=False)
    assert killed.returncode == -signal.SIGKILL
    if left:
        assert _whole(out, left)
    _stage(out)
    assert _whole(out, left or "one"), "without exchange the next build brings the old one back"
    assert _release(out, "three")
    assert _whole(out, "three")
    assert [path.name for path in tmp_path.iterdir()] == ["release"]

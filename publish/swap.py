"""Puts a finished release in place of the old one, whole or not at all.

A release is written into a hidden sibling of its destination and exchanged with it in one step, so
a reader never sees half of one and a killed build leaves the old one as it was. What a user
restored from recipes stays with a release that does not change and goes with one that does: its
recipes may be others. Two builds into one destination at the same time are not supported.
"""

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from publish.data.manifest import MANIFEST, is_restored, list_files, read_manifest
from publish.release import PublishError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_destination(out: Path) -> None:
    """Raise `PublishError` when a release could not be written to `out`; best asked early."""
    _refuse_unowned(out)
    staged, _ = _siblings(out)
    try:
        staged.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(staged)
    except OSError as error:
        raise PublishError(
            f"{out} cannot be written: {error.strerror}. Name another output folder."
        ) from error


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """An empty folder beside `out` to write into; it is removed when anything raises inside.

    Raises `PublishError` when `out` holds anything that no release wrote: it would be lost.
    """
    staged, replaced = _siblings(out)
    # A swap that was killed between its two renames has left the old release under this name.
    if replaced.exists() and not out.exists():
        replaced.rename(out)
    _refuse_unowned(out)
    for leftover in (staged, replaced):
        shutil.rmtree(leftover, ignore_errors=True)
    staged.mkdir(parents=True)
    try:
        yield staged
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise


def swap_in(out: Path) -> bool:
    """Move the staged folder to `out`; False when `out` already held the same bytes.

    To be called within `staging`, as the last thing.
    """
    staged, replaced = _siblings(out)
    if _equal(staged, out):
        shutil.rmtree(staged)
        return False
    if not out.exists():
        staged.rename(out)
    # One step where the system can, so that no reader meets a folder that is not there.
    elif _exchange(staged, out):
        shutil.rmtree(staged)
    else:
        out.rename(replaced)
        staged.rename(out)
        shutil.rmtree(replaced)
    return True


def _siblings(out: Path) -> tuple[Path, Path]:
    out = out.resolve()
    return out.with_name(f".{out.name}.staged"), out.with_name(f".{out.name}.replaced")


def _refuse_unowned(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise PublishError(f"{out} is a file; expected a folder. Name another output folder.")
    present = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    known = {file.path for file in read_manifest(out) or ()} | {MANIFEST}
    # Restored files and byte code are made by users of a release, and can be made again.
    strange = (name for name in present - known if not is_restored(name))
    unowned = sorted(name for name in strange if "__pycache__" not in name)
    if unowned or (present and read_manifest(out) is None):
        what = ", ".join(unowned[:3]) or "an unreadable manifest"
        raise PublishError(
            f"{out} holds files that no release wrote ({what}); replacing the folder would lose "
            "them. Move them away or name another output folder."
        )


def _equal(staged: Path, out: Path) -> bool:
    """True when both hold the same files with the same bytes; manifests are compared as bytes."""
    if read_manifest(out) is None:
        return False
    same = (staged / MANIFEST).read_bytes() == (out / MANIFEST).read_bytes()
    return same and list_files(out) == read_manifest(out)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders in one step; False where the system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    arguments = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return bool(rename(*arguments) == 0)

"""Whether the folders of a build can be used, and whether their disks have room.

A folder that is not there yet is measured at the nearest one above it that is. What a check makes
is gone when it ends. Not guaranteed: quotas, which a system shows only to who runs into them.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from flows.doctor.diagnosis import Diagnosis, Setup, broken, ok, skipped, warning

_SCARCE_BYTES, _TOO_FEW_BYTES = 5 * 10**9, 500 * 10**6
_SCARCE_FILES, _TOO_FEW_FILES = 50_000, 5_000
"""Every draft of a task is a folder of files, and a large build has thousands of drafts."""


def state_folder(setup: Setup) -> Diagnosis:
    """Where a build remembers."""
    return _writable(setup.settings.state, "--state DIR")


def out_folder(setup: Setup) -> Diagnosis:
    """Where the release goes; it is written beside its place and moved there."""
    return _writable(setup.settings.out.resolve().parent, "--out DIR")


def source_settings(setup: Setup) -> Diagnosis:
    """Whether the source could be opened as it is set up."""
    flaw = setup.source.flaw(setup.settings.source.mirror)
    return broken(*flaw) if flaw else ok(f"source.kind is {setup.source.kind}")


def mirror_folder(setup: Setup) -> Diagnosis:
    """Where datasets are read from; what comes from a service is kept there first."""
    source = setup.settings.source
    if setup.source.service:
        return _writable(setup.settings.source_folder, "--mirror DIR")
    if source.mirror is None:
        return skipped(f"source.kind is {source.kind}; no mirror")
    try:
        with os.scandir(source.mirror) as entries:
            first = next(entries, None)
    except OSError as error:
        observed = f"{source.mirror} cannot be read: {error.strerror}"
        return broken(observed, "make it readable (chmod -R u+rX), or name another: --mirror DIR")
    if first is None:
        repair = "fill it with <owner>/<slug>/ folders, or name another: --mirror DIR"
        return warning(f"{source.mirror} is empty", repair)
    return ok(f"{source.mirror} can be read")


def locks_and_renames(setup: Setup) -> Diagnosis:
    """What keeps builds apart and results whole: `flock`, and a rename that replaces."""
    place = _nearest(setup.settings.state)
    try:
        with tempfile.TemporaryDirectory(dir=place, prefix=".doctor-") as folder:
            missing = _missing_in(Path(folder))
    except OSError as error:
        missing = f"files: {error.strerror}"
    if missing:
        repair = "keep the state on a local disk: --state DIR"
        return broken(f"the file system of {place} is without working {missing}", repair)
    return ok(f"both work in {place}")


def _missing_in(folder: Path) -> str:
    """The ability that the file system of an empty folder lacks; empty when it has all."""
    with (folder / "lock").open("w") as mine, (folder / "lock").open("w") as theirs:
        fcntl.flock(mine, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(theirs, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return "locks: two hold one lock"
        except BlockingIOError:
            pass
    old, new = folder / "old", folder / "new"
    old.write_text("old")
    new.write_text("new")
    new.replace(old)
    return "" if old.read_text() == "new" and not new.exists() else "renames"


def _nearest(path: Path) -> Path:
    """The path, or the first above it that is there."""
    path = path.resolve()
    return next(place for place in (path, *path.parents) if os.path.exists(place))


def _writable(path: Path, option: str) -> Diagnosis:
    """One file is made, in the nearest folder, and removed."""
    place = _nearest(path)
    if not place.is_dir():
        return broken(f"{place} is no folder", f"name another: {option}")
    try:
        with tempfile.TemporaryFile(dir=place, buffering=0) as file:
            file.write(b"doctor")
    except OSError as error:
        observed = f"{place} cannot be written: {error.strerror}"
        return broken(observed, f"make it writable for this user, or name another: {option}")
    disk = os.statvfs(place)
    # A file system that makes inodes as it needs them says that it has none.
    files = disk.f_favail if disk.f_files else None
    return _room(place, disk.f_bavail * disk.f_frsize, files, option)


def _room(place: Path, n_bytes: int, n_files: int | None, option: str) -> Diagnosis:
    """Judge what is free."""
    files = "" if n_files is None else f", {n_files} files"
    observed = f"{place} can be written; free: {n_bytes / 10**9:.1f} GB{files}"
    left = _SCARCE_FILES if n_files is None else n_files
    repair = f"free some, or name a folder on another disk: {option}"
    severity: Callable[[str, str], Diagnosis] = warning
    if n_bytes < _TOO_FEW_BYTES or left < _TOO_FEW_FILES:
        severity = broken
    elif n_bytes >= _SCARCE_BYTES and left >= _SCARCE_FILES:
        return ok(observed)
    return severity(observed, repair)

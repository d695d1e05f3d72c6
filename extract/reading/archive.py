"""Unpacks an archive inside a dataset into files of its own naming.

Takes a file whose suffix is that of an archive; returns the names of its members and where each
lies. Names inside an archive are never used as paths: member n becomes `<n>`. One archive inside
another is not opened, except that a compressed single file may lie in a ZIP.
"""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from extract.files.archive import BrokenArchiveError, ByteBudget, opened_zip, whole_archive
from extract.files.unreadable import UnreadableError
from extract.reading.limits import MAX_FILES, ReadConfig

_SINGLE: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def is_archive(name: str) -> bool:
    """True for names that `unpack` understands."""
    return PurePosixPath(name.lower()).suffix in {".zip", *_SINGLE}


def unpack(path: Path, name: str, folder: Path, limits: ReadConfig) -> list[tuple[str, Path]]:
    """Names and files of an archive's members, in its order; the files lie in `folder`.

    Raises `UnreadableError` for a broken archive, too many members or too many bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    budget = ByteBudget(path.stat().st_size, limits.max_bytes)
    suffix = PurePosixPath(name.lower()).suffix
    try:
        if suffix == ".zip":
            return _unzip(path, folder, budget)
        target = folder / "0"
        with whole_archive(suffix[1:]), _SINGLE[suffix](path) as stream:
            budget.copy(stream, target)
        return [(PurePosixPath(name).name[: -len(suffix)], target)]
    except BrokenArchiveError as error:
        raise UnreadableError("broken_file", str(error)) from error


def _unzip(path: Path, folder: Path, budget: ByteBudget) -> list[tuple[str, Path]]:
    unpacked = []
    with opened_zip(path, MAX_FILES) as archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not _is_debris(m.filename)]
        if len(members) > MAX_FILES:
            detail = f"expected at most {MAX_FILES} files, found {len(members)}"
            raise UnreadableError("too_many_files", detail)
        for n, member in enumerate(members):
            # A number, since names may lead anywhere.
            target = folder / str(n)
            with archive.open(member) as stream:
                budget.copy(stream, target)
            unpacked.append((PurePosixPath(member.filename).name, target))
    return unpacked


def _is_debris(name: str) -> bool:
    """What macOS puts beside files, and hidden files."""
    parts = PurePosixPath(name).parts
    return not parts or parts[0] == "__MACOSX" or parts[-1].startswith(".")

"""Unpacks an archive into files of its own naming, within bounds.

Names inside an archive are never used as paths: member n becomes `<n>`, and its name is only told.
Bytes are counted while they are unpacked, because what an archive declares about itself is a claim.
One archive inside another is not opened, except that a compressed single file may lie in a zip.
"""

import bz2
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any

from extract.reading.limits import ReadConfig, UnreadableError

_CHUNK = 1 << 20
_SINGLE: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_BROKEN = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def is_archive(name: str) -> bool:
    """True for names that `unpack` understands."""
    return PurePosixPath(name.lower()).suffix in {".zip", *_SINGLE}


def unpack(path: Path, name: str, folder: Path, limits: ReadConfig) -> list[tuple[str, Path]]:
    """Names and files of an archive's members, in its order; the files lie in `folder`.

    Raises `UnreadableError` for a broken archive, too many members or too many bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    budget = ByteBudget(path.stat().st_size, limits.max_bytes, limits.max_expansion)
    suffix = PurePosixPath(name.lower()).suffix
    try:
        if suffix == ".zip":
            return _unzip(path, folder, budget, limits)
        target = folder / "0"
        with _SINGLE[suffix](path) as stream:
            budget.copy(stream, target)
        return [(PurePosixPath(name).name[: -len(suffix)], target)]
    except (*_BROKEN, lzma.LZMAError) as error:
        raise UnreadableError("broken_file", f"{suffix[1:]}: {error}") from error


class ByteBudget:
    """How many bytes may still come out of one archive of `size` bytes."""

    def __init__(self, size: int, max_bytes: int, max_expansion: float) -> None:
        # Small files of plain repetition expand well beyond what any large table does.
        self._total = min(max_bytes, max(int(size * max_expansion), 4 << 20))
        self._left = self._total

    def copy(self, stream: IO[bytes], target: Path) -> None:
        """Write a member; raises `UnreadableError` when it is more than there may be."""
        with target.open("wb") as file:
            while chunk := stream.read(_CHUNK):
                self._left -= len(chunk)
                if self._left < 0:
                    detail = f"expected at most {self._total} bytes after expansion"
                    raise UnreadableError("expands_too_much", detail)
                file.write(chunk)


def _unzip(
    path: Path, folder: Path, budget: ByteBudget, limits: ReadConfig
) -> list[tuple[str, Path]]:
    unpacked = []
    with zipfile.ZipFile(path) as archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not _is_debris(m.filename)]
        if len(members) > limits.max_files:
            detail = f"expected at most {limits.max_files} files, found {len(members)}"
            raise UnreadableError("too_many_files", detail)
        for n, member in enumerate(members):
            target = folder / str(n)
            with archive.open(member) as stream:
                budget.copy(stream, target)
            unpacked.append((PurePosixPath(member.filename).name, target))
    return unpacked


def _is_debris(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return not parts or parts[0] == "__MACOSX" or parts[-1].startswith(".")

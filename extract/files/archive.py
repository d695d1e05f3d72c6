"""Opens ZIP archives of strangers and unpacks members of any archive, within bounds.

Bytes are counted while they are unpacked, because what an archive declares about itself is a claim;
its table of contents is read only while it has a size that its members explain. What the members
are called and where they go is decided by who opens the archive: `kaggle/unzip.py` keeps the names
of a dataset, `reading/archive.py` has no use for those inside one.

Not guaranteed: that a member ends where it says.
"""

import errno
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import Field

from extract.files.unreadable import UnreadableError
from extract.noun import Noun

MAX_EXPANSION = 200
"""Bytes of content per byte of an archive. Deflate makes up to a thousand of repetition, which is
what bombs are made of; tables stay far below."""
_FREELY_BYTES = 4 << 20
"""Content that any archive may have: small files of plain repetition expand well beyond what any
large table does."""
_CHUNK_BYTES = 1 << 20
_ENTRY_BYTES = 1 << 10
"""Of one member in the table of contents, on average; names are up to some hundred bytes."""
_MALFORMED = (
    *(EOFError, RuntimeError, NotImplementedError, ValueError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error, lzma.LZMAError),
)
"""What the libraries raise on bytes that are no whole archive."""


class UnpackLimits(Noun):
    """How much may come out of one archive."""

    max_bytes: int = Field(ge=1)
    """Of all members together."""
    max_files: int = Field(ge=1)


class BrokenArchiveError(Exception):
    """Bytes that are no whole archive: another copy may be better."""


@contextmanager
def opened_zip(path: Path, max_files: int) -> Iterator[zipfile.ZipFile]:
    """The archive. Raises `BrokenArchiveError` for what goes wrong in its bytes, then or later.

    `UnreadableError` when its table of contents is longer than that of `max_files` members.
    """
    with whole_archive("zip"), _BoundedReads(path, max_files) as file, zipfile.ZipFile(file) as it:
        yield it


@contextmanager
def whole_archive(kind: str) -> Iterator[None]:
    """What goes wrong in the bytes of an archive as a `BrokenArchiveError`."""
    try:
        yield
    except _MALFORMED as error:
        raise BrokenArchiveError(f"{kind}: {error}") from error
    except OSError as error:
        # Libraries say `OSError` without a number; with one it is an error of this machine, but
        # for a place before the file's beginning, which only an archive can ask for.
        if error.errno == errno.EINVAL:
            raise BrokenArchiveError(f"{kind}: it points outside itself") from error
        if error.errno is None:
            raise BrokenArchiveError(f"{kind}: {error}") from error
        raise


class ByteBudget:
    """How many bytes may still come out of one archive of `size` bytes."""

    def __init__(self, size: int, max_bytes: int) -> None:
        self._total = min(max_bytes, max(size * MAX_EXPANSION, _FREELY_BYTES))
        self._left = self._total

    def copy(self, stream: IO[bytes], target: Path) -> None:
        """Write a member; raises `UnreadableError` when it is more than there may be."""
        with target.open("wb") as file:
            while chunk := stream.read(_CHUNK_BYTES):
                self._left -= len(chunk)
                if self._left < 0:
                    detail = f"expected at most {self._total} bytes after expansion"
                    raise UnreadableError("expands_too_much", detail)
                file.write(chunk)


class _BoundedReads(io.BufferedReader):
    """A file of which no piece is read that is too large; a table of contents is read as one."""

    def __init__(self, path: Path, max_files: int) -> None:
        super().__init__(io.FileIO(path))
        self._most = max(max_files * _ENTRY_BYTES, _CHUNK_BYTES)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            detail = f"expected a table of contents of at most {self._most} bytes, found {size}"
            raise UnreadableError("too_many_files", detail)
        return super().read(size)

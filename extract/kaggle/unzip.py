"""Unpacks the archive of a dataset with the names it has, or refuses it whole.

Runs inside a worker. An archive comes from a stranger: names that leave the folder, links, devices,
names that a file system or a reader could mistake, members that share bytes, and content beyond all
bounds refuse the archive before anything is used. Bytes are counted while they are unpacked, since
what an archive declares is a claim; checksums are verified on the way. Members that would stand
where the layout keeps its own records are left out and told.

`archive.py` is for archives inside a dataset, whose names do not matter. Not guaranteed: that a
member ends where it says. What follows is not read, and its checksum is that of what came.
"""

import errno
import hashlib
import io
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn

from pydantic import Field

from extract.noun import Noun
from extract.reading.archive import ByteBudget
from extract.reading.limits import UnreadableError
from extract.records import RECORDS

_NAME_CHARS = 200
_PART_BYTES = 200
_DEPTH = 16
_SHOWN_CHARS = 100
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What Kaggle packs with. The others make a gigabyte of a few bytes before anybody can count."""
_BROKEN = (
    *(EOFError, RuntimeError, NotImplementedError, ValueError, OverflowError),
    *(zipfile.BadZipFile, zlib.error, struct.error),
)
_DEVICES = {
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10)),
}
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_LATEST_START = 4
"""Bytes before the first member: none, or the mark of an archive that was to be cut."""
_HEADER_BYTES = 30
_ENTRY_BYTES = 1 << 10
"""Of one member in the table of contents, on average."""
_PIECE_BYTES = 1 << 20


class UnzipConfig(Noun):
    """How much may come out of one archive."""

    max_bytes: int = Field(default=8 << 30, ge=1)
    """Of all members together."""
    max_expansion: float = Field(default=200, ge=1)
    """Bytes of content per byte of the archive."""
    max_files: int = Field(default=10_000, ge=1)
    attempts: int = Field(default=4, ge=1)
    """Downloads of an archive that turns out to be broken."""
    timeout_s: float = Field(default=600, gt=0)
    """For one archive; a timeout is tried once more, alone, with four times as much."""


class UnpackedFile(Noun):
    """One file of a dataset as it came out of the archive."""

    name: str
    """Path below the folder, with forward slashes."""
    bytes: int
    sha256: str


class Unpacked(Noun):
    """What came out of an archive."""

    files: tuple[UnpackedFile, ...]
    """Sorted by name."""
    left_out: tuple[str, ...]
    """Names of members at places that the layout needs, sorted."""


class BrokenArchiveError(Exception):
    """Bytes that are no whole archive: another download may be better."""


def unzip(archive: Path, folder: Path, config: UnzipConfig) -> Unpacked:
    """All members in `folder`, which must hold nothing but our own records.

    Raises `BrokenArchiveError` for what may be a fault of the transfer, and `UnreadableError` for
    an archive that is refused whatever the transfer.
    """
    try:
        with _Bounded(archive, config.max_files) as file, zipfile.ZipFile(file) as opened:
            members = _checked(opened, config)
            kept = {name: info for name, info in members.items() if not _is_reserved(name)}
            if not kept:
                _refuse("empty", "expected files beside our own records, found none")
            budget = ByteBudget(archive.stat().st_size, config.max_bytes, config.max_expansion)
            files = tuple(_write(opened, kept[name], name, folder, budget) for name in sorted(kept))
            return Unpacked(files=files, left_out=tuple(sorted(members.keys() - kept.keys())))
    except _BROKEN as error:
        raise BrokenArchiveError(f"zip: {error}") from error
    except OSError as error:
        # A place before the file's beginning; all other errors are of this machine.
        if error.errno != errno.EINVAL:
            raise
        raise BrokenArchiveError("zip: it points outside itself") from error


class _Bounded(io.BufferedReader):
    """A file of which no piece is read that is too large; a table of contents is read as one."""

    def __init__(self, path: Path, max_files: int) -> None:
        super().__init__(io.FileIO(path))
        self._most = max(max_files * _ENTRY_BYTES, _PIECE_BYTES)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            detail = f"expected a table of contents of at most {self._most} bytes, found {size}"
            _refuse("too_many_files", detail)
        return super().read(size)


def _write(
    opened: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, folder: Path, budget: ByteBudget
) -> UnpackedFile:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    with opened.open(member) as stream:
        budget.copy(stream, target)
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return UnpackedFile(name=name, bytes=target.stat().st_size, sha256=digest)


def _checked(opened: zipfile.ZipFile, config: UnzipConfig) -> dict[str, zipfile.ZipInfo]:
    """Members that are files, by name; refuses the archive for the first that may not be."""
    infos = opened.infolist()
    if len(infos) > config.max_files:
        _refuse("too_many_files", f"expected at most {config.max_files}, found {len(infos)}")
    declared = sum(info.file_size for info in infos)
    if declared > config.max_bytes:
        detail = f"expected at most {config.max_bytes} bytes, the archive declares {declared}"
        _refuse("expands_too_much", detail)
    members: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for info in infos:
        name = info.orig_filename.removesuffix("/")
        _check_name(name)
        _check_kind(info, name)
        if name != info.orig_filename:
            folders.add(name)
            continue
        if name in members:
            _refuse("name_twice", f"expected each name once, found {name} again")
        members[name] = info
    _check_alike(members, folders)
    _check_places(infos, opened.start_dir)
    return members


def _check_name(name: str) -> None:
    shown = ascii(name)[:_SHOWN_CHARS]
    parts = name.split("/")
    if not 1 <= len(name) <= _NAME_CHARS:
        _refuse("bad_name", f"expected 1 to {_NAME_CHARS} characters, found {len(name)}: {shown}")
    if len(parts) > _DEPTH:
        _refuse("bad_name", f"expected at most {_DEPTH} levels, found {len(parts)}: {shown}")
    if any(unicodedata.category(c) in _INVISIBLE for c in name):
        _refuse("bad_name", f"expected printable characters, found {shown}")
    # A reader that normalises names makes dots and slashes of characters that look like them.
    if _leaves(name) or _leaves(unicodedata.normalize("NFKC", name)):
        _refuse("outside", f"expected a path below the folder, found {shown}")
    if not all(_is_portable(part) for part in parts):
        _refuse("bad_name", f"expected a name that every system can hold, found {shown}")


def _leaves(name: str) -> bool:
    parts = name.split("/")
    return "\\" in name or parts[0][1:2] == ":" or any(part in ("", ".", "..") for part in parts)


def _is_portable(part: str) -> bool:
    device = unicodedata.normalize("NFKC", part).split(".")[0].rstrip().casefold()
    return len(part.encode()) <= _PART_BYTES and part[-1] not in " ." and device not in _DEVICES


def _check_kind(info: zipfile.ZipInfo, name: str) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        _refuse("not_a_file", f"expected files and folders, {name} is a link or a device")
    if info.flag_bits & _ENCRYPTED:
        _refuse("encrypted", f"{name} is encrypted")
    if info.compress_type not in _METHODS:
        _refuse("bad_compression", f"{name} is packed by method {info.compress_type}")


def _check_alike(members: Mapping[str, zipfile.ZipInfo], folders: set[str]) -> None:
    """Refuse names that are one on some systems, and a file that is a folder as well."""
    taken: dict[str, str] = {}
    for name in members:
        other = taken.setdefault(_folded(name), name)
        if other != name:
            _refuse("name_twice", f"expected each name once, found {other} and {name}")
    above = {str(folder) for name in members for folder in PurePosixPath(name).parents}
    for folder in sorted(folders | above):
        if _folded(folder) in taken:
            _refuse("name_twice", f"{taken[_folded(folder)]} is a file and a folder")


def _check_places(infos: Sequence[zipfile.ZipInfo], contents: int) -> None:
    """Refuse members that share bytes: each would be unpacked again."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if end == 0 and not 0 <= info.header_offset <= _LATEST_START:
            raise zipfile.BadZipFile("it does not begin with a member")
        if info.header_offset < end:
            _refuse("overlap", f"{info.orig_filename} lies inside another member")
        end = info.header_offset + _HEADER_BYTES + len(info.orig_filename) + info.compress_size
    if end > contents:
        raise zipfile.BadZipFile("its last member does not end before the table of contents")


def _is_reserved(name: str) -> bool:
    """Whether the layout keeps a record there."""
    return _folded(name.partition("/")[0]) in RECORDS


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _refuse(reason: str, detail: str) -> NoReturn:
    raise UnreadableError(reason, detail)

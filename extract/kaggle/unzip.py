"""Unpacks the archive of a dataset with the names it has, or refuses it whole.

Runs inside a worker. An archive comes from a stranger: names that leave the folder, links, devices,
names that a file system or a reader could mistake, members that share bytes, and content beyond all
bounds refuse the archive before anything is used. Checksums are verified while the bytes come out.
Members that would stand where the layout keeps its own records are left out and named.

Not guaranteed: that a member ends where it says. What follows is not read, and its checksum is that
of what came.
"""

import hashlib
import stat
import unicodedata
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NoReturn

from extract.files.archive import ByteBudget, UnpackLimits, opened_zip
from extract.files.unreadable import UnreadableError
from extract.noun import Noun
from extract.records import RECORDS

_NAME_CHARS, _DEPTH = 200, 16
"""More than any honest archive was seen to have; the paths stay short below any mirror."""
_PART_BYTES = 200
"""File systems hold names of 255 bytes; records beside a file add to its name."""
_SHOWN_CHARS = 100
_ENCRYPTED = 0x1
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""What Kaggle packs with. The others make a gigabyte of a few bytes before anybody can count."""
_DEVICES = {
    *("con", "prn", "aux", "nul", "conin$", "conout$"),
    *(f"{device}{n}" for device in ("com", "lpt") for n in range(1, 10)),
}
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_LATEST_START = 4
"""Bytes before the first member: none, or the mark of an archive that was to be cut."""
_HEADER_BYTES = 30


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


def unzip(archive: Path, folder: Path, limits: UnpackLimits) -> Unpacked:
    """All members in `folder`, which must hold nothing but our own records.

    Raises `BrokenArchiveError` for what may be a fault of the transfer, and `UnreadableError` for
    an archive that is refused whatever the transfer.
    """
    with opened_zip(archive, limits.max_files) as opened:
        members = _checked(opened, limits)
        kept = {name: info for name, info in members.items() if not _is_reserved(name)}
        if not kept:
            _refuse("empty", "expected files beside our own records, found none")
        budget = ByteBudget(archive.stat().st_size, limits.max_bytes)
        files = tuple(_write(opened, kept[name], name, folder, budget) for name in sorted(kept))
        return Unpacked(files=files, left_out=tuple(sorted(members.keys() - kept.keys())))


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


def _checked(opened: zipfile.ZipFile, limits: UnpackLimits) -> dict[str, zipfile.ZipInfo]:
    """Members that are files, by name; refuses the archive for the first that may not be."""
    infos = opened.infolist()
    if len(infos) > limits.max_files:
        _refuse("too_many_files", f"expected at most {limits.max_files}, found {len(infos)}")
    declared = sum(info.file_size for info in infos)
    if declared > limits.max_bytes:
        detail = f"expected at most {limits.max_bytes} bytes, the archive declares {declared}"
        _refuse("expands_too_much", detail)
    members: dict[str, zipfile.ZipInfo] = {}
    folders: set[str] = set()
    for info in infos:
        # The other name of a member is already cut at a NUL and has its separators changed.
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

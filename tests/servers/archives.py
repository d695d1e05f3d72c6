"""What storage holds: one archive per version of a dataset, and its members as single files.

The same folder gives the same bytes: members sorted, no dates, one compression level. A folder
whose only file is `archive.zip.raw` is served as these bytes, whatever they are. Flawed copies are
objects of their own, with an ETag of their own, as a store has when an upload went wrong.

Not guaranteed: the same bytes under another version of zlib. Links and devices are left out.
"""

import hashlib
import threading
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

METADATA = "dataset-metadata.json"
LIST_RECORD = "list-record.json"
FILES_RECORD = "files-record.json"
RAW = "archive.zip.raw"

_BESIDE = {METADATA, LIST_RECORD, FILES_RECORD, "fetch-record.json"}
_FLIPPED = 64
_EARLIEST = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Stored:
    """One object in storage."""

    path: Path
    size: int
    etag: str


class Storage:
    """Makes each object once, below a directory; safe to ask from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._made: dict[str, Stored] = {}

    def archive(self, folder: Path, key: str, *, halved: bool = False, flaw: str = "") -> Stored:
        """The archive of a folder under a key; `halved` keeps the first half of each file."""
        if flaw:
            sound = self.archive(folder, key, halved=halved)
            return self._keep(f"{key} {flaw}", lambda path: _spoil(sound, flaw, path))
        return self._keep(key, lambda path: _pack(folder, path, halved=halved))

    def member(self, archive: Stored, name: str, flaw: str = "") -> Stored | None:
        """One file of an archive as an object of its own; None where there is no such file."""
        key = f"{archive.etag} {name}"
        try:
            unpacked = self._keep(key, lambda path: _unpack(archive, name, path))
        except (KeyError, zipfile.BadZipFile):
            return None
        return (
            self._keep(f"{key} {flaw}", lambda path: _spoil(unpacked, flaw, path))
            if flaw
            else unpacked
        )

    def _keep(self, key: str, make: Callable[[Path], None]) -> Stored:
        with self._lock:
            own = self._locks[key]
        with own:
            if key not in self._made:
                path = self._root / hashlib.sha256(key.encode()).hexdigest()
                make(path)
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                self._made[key] = Stored(path, path.stat().st_size, f'"{digest[:32]}"')
            return self._made[key]


def files_of(folder: Path) -> dict[str, int]:
    """Names and sizes of the files of a dataset, sorted, without the records beside them."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    names = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    return {name: size for name, size in names.items() if name not in _BESIDE}


def _pack(folder: Path, target: Path, *, halved: bool) -> None:
    names = list(files_of(folder))
    if names == [RAW]:
        data = (folder / RAW).read_bytes()
        target.write_bytes(data[: len(data) // 2] if halved else data)
        return
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name in names:
            data = (folder / name).read_bytes()
            # A name that is no UTF-8 on disk cannot be one in an archive.
            written = name.encode("utf-8", "replace").decode("utf-8")
            entry = zipfile.ZipInfo(written, _EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data[: len(data) // 2] if halved else data)


def _unpack(archive: Stored, name: str, target: Path) -> None:
    with zipfile.ZipFile(archive.path) as packed:
        target.write_bytes(packed.read(name))


def _spoil(sound: Stored, flaw: str, target: Path) -> None:
    data = bytearray(sound.path.read_bytes())
    middle = len(data) // 2
    if flaw == "truncated":
        del data[middle:]
    else:
        for place in range(middle, min(middle + _FLIPPED, len(data))):
            data[place] ^= 0xFF
    target.write_bytes(data)

"""Where finished work lies: files by their content, results of stages by their key.

Takes an address: a folder of this machine, or any fsspec URL that several machines reach. Files and
results are named by hashes, so what is there is never changed; a result is written after the files
that it names. On a local disk everything is written beside its place and renamed into it; an object
store shows an object when it is complete. So a reader sees all of a thing or nothing, a build that
was killed continues where it stopped, and two builds may write the same thing at once.

A store is its address and may be pickled and sent anywhere. Files of a remote store are fetched
once into `cache` and are checked against their name.

Not guaranteed: survival of a power cut (nothing is flushed to the disk by force).
"""

import hashlib
import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pydantic_core
from pydantic import TypeAdapter, ValidationError

from extract.files.atomic import UNFINISHED, placed

_T = TypeVar("_T")

_FORMAT = 2
"""Counts the layouts that a store has had; another one is not read."""
_MARKER = "store.json"
_FOLDERS = ("objects", "results")


class StoreError(Exception):
    """A store that cannot be used; the message says which and what mends it."""


class MissingError(StoreError):
    """The store has no whole file of this content: what named it must be computed again."""


@dataclass(frozen=True)
class Store:
    """Content-addressed files and results of stages at one address."""

    url: str
    """A folder, or an fsspec URL such as `s3://bucket/folder`."""
    cache: Path | None = None
    """Where files of a remote store are kept on this machine; needed by remote stores alone."""

    def opened(self) -> "Store":
        """The store, made where there is none. Raises `StoreError` for one of another format."""
        raw = self._read(_MARKER)
        if raw is None:
            if any(self._fs.exists(self._at(folder)) for folder in _FOLDERS):
                raise StoreError(self._outdated("an older version"))
            self._write(_MARKER, json.dumps({"format": _FORMAT}).encode())
            return self
        try:
            known = json.loads(raw)["format"]
        except (ValueError, KeyError, TypeError):
            raise StoreError(self._outdated("an unreadable format")) from None
        if known != _FORMAT:
            raise StoreError(self._outdated(f"format {known}"))
        return self

    def add(self, path: Path) -> str:
        """Copy a file into the store; returns its SHA-256."""
        digest = sha256_of(path)
        name = _object(digest)
        if self._local is None:
            if not self._fs.exists(self._at(name)):
                self._make_room(name)
                self._fs.put_file(str(path), self._at(name))
        elif not self.has(digest):
            place = self._local / name
            with placed(place) as temporary:
                shutil.copyfile(path, temporary)
        return digest

    def path(self, sha256: str) -> Path:
        """The file with this content on this machine. Raises `MissingError` where there is none."""
        name = _object(sha256)
        if self._local is not None:
            place = self._local / name
            if not place.is_file():
                raise MissingError(f"the store has no {name}; the same command computes it again")
            self._check(place, name, sha256)
            return place
        assert self.cache is not None, "a remote store keeps files in a cache"
        place = self.cache / name
        if place.is_file() and sha256 not in self._checked and sha256_of(place) != sha256:
            place.unlink()
        if not place.is_file():
            self._fetch(name, sha256, place)
        self._checked.add(sha256)
        return place

    def has(self, sha256: str) -> bool:
        """Whether the file with this content is there; of a local store, whether it is whole."""
        if self._local is None:
            return bool(self._fs.exists(self._at(_object(sha256))))
        try:
            self.path(sha256)
        except MissingError:
            return False
        return True

    def save(self, stage: str, key: str, value: object) -> None:
        """Keep the result of a stage, anything that pydantic turns into JSON."""
        body = pydantic_core.to_json(value)
        self._write(_result(stage, key), _HEAD % _sha256(body) + body + _TAIL)

    def load(self, stage: str, key: str, kind: TypeAdapter[_T] | type[_T]) -> _T | None:
        """The result of a stage; None where there is none that is whole and can be read as `kind`.

        For a union or a tuple `kind` is an adapter.
        """
        raw = self._read(_result(stage, key))
        body = _sound(raw) if raw is not None else None
        if body is None:
            return None
        adapter = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
        try:
            return adapter.validate_json(body)
        except ValidationError:
            return None

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of its own on this machine: in the cache, else beside the store."""
        with tempfile.TemporaryDirectory(dir=self.scratch_folder()) as folder:
            yield Path(folder)

    def scratch_folder(self) -> Path | None:
        """Where scratch folders are made; None for the one of the system."""
        # The cache is of this machine and of one state; a store may serve several.
        root = self.cache or self._local
        if root is None:
            return None
        (root / "scratch").mkdir(parents=True, exist_ok=True)
        return root / "scratch"

    # --- what is kept -------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        """Every file and result with its size in bytes, by its place in the store."""
        sizes = {}
        for folder in _FOLDERS:
            if self._fs.exists(self._at(folder)):
                for place, facts in self._fs.find(self._at(folder), detail=True).items():
                    # What is being written belongs to whoever writes it.
                    if UNFINISHED not in place:
                        sizes[place[len(self._root) + 1 :]] = int(facts["size"])
        return dict(sorted(sizes.items()))

    def remove(self, name: str) -> None:
        """Delete what `names` listed."""
        self._fs.rm_file(self._at(name))

    @staticmethod
    def name_of_file(sha256: str) -> str:
        """Where `names` lists a file."""
        return _object(sha256)

    @staticmethod
    def name_of_result(stage: str, key: str) -> str:
        """Where `names` lists a result."""
        return _result(stage, key)

    # --- places -------------------------------------------------------------------------------

    @cached_property
    def _local(self) -> Path | None:
        """The folder of a local store; None for a remote one."""
        if "://" not in self.url:
            return Path(self.url).resolve()
        return Path(self.url.removeprefix("file://")) if self.url.startswith("file://") else None

    @cached_property
    def _fs(self) -> Any:
        import fsspec

        return fsspec.core.url_to_fs(str(self._local or self.url))[0]

    @cached_property
    def _root(self) -> str:
        import fsspec

        return str(fsspec.core.url_to_fs(str(self._local or self.url))[1]).rstrip("/")

    def __getstate__(self) -> dict[str, object]:
        """The address alone: an open connection does not travel."""
        return {"url": self.url, "cache": self.cache}

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _read(self, name: str) -> bytes | None:
        try:
            if self._local is not None:
                return (self._local / name).read_bytes()
            return bytes(self._fs.cat_file(self._at(name)))
        except FileNotFoundError:
            return None

    def _write(self, name: str, content: bytes) -> None:
        if self._local is None:
            self._make_room(name)
            self._fs.pipe_file(self._at(name), content)
            return
        with placed(self._local / name) as temporary:
            temporary.write_bytes(content)

    def _make_room(self, name: str) -> None:
        """Folders for a file; object stores have none and do nothing."""
        self._fs.makedirs(self._at(name).rpartition("/")[0], exist_ok=True)

    def _fetch(self, name: str, sha256: str, place: Path) -> None:
        with placed(place) as temporary:
            try:
                self._fs.get_file(self._at(name), str(temporary))
            except FileNotFoundError:
                raise MissingError(f"the store has no {name}") from None
            self._check(temporary, name, sha256)

    def _check(self, place: Path, name: str, sha256: str) -> None:
        """Hold a file against its name, once in a process; a damaged one is removed at once.

        So nobody takes it for there, and what made it makes it again.
        """
        if sha256 in self._checked:
            return
        if sha256_of(place) != sha256:
            self.remove(name)
            raise MissingError(f"{name} was damaged; the same command computes it again")
        self._checked.add(sha256)

    @cached_property
    def _checked(self) -> set[str]:
        return set()

    def _outdated(self, version: str) -> str:
        places = [f"{self.url.rstrip('/')}/{name}" for name in (*_FOLDERS, _MARKER)]
        if self._local is not None:
            command = shlex.join(["rm", "-rf", "--", *places])
        else:
            command = f"delete {', '.join(places)} with the tools of that store"
        return (
            f"{self.url} holds results of {version}, expected format {_FORMAT}; they cost only the "
            f"time to compute them again, clear them: {command}"
        )


_HEAD, _TAIL = b'{"sha256":"%s","result":', b"}"


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _sound(raw: bytes) -> bytes | None:
    """The body of a result that is as it was written; None for one that is not."""
    start = len(_HEAD % _sha256(b""))
    body = raw[start : -len(_TAIL)]
    return body if raw == _HEAD % _sha256(body) + body + _TAIL else None


def _object(sha256: str) -> str:
    return f"objects/{sha256[:2]}/{sha256[2:]}"


def _result(stage: str, key: str) -> str:
    # Keys have any length and hold anything; as a hash they are a file name.
    return f"results/{stage}/{hashlib.sha256(key.encode()).hexdigest()}.json"


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

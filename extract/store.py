"""Where finished work lies: files by their content, stage results by their key.

Everything is written beside its place and renamed into it, so a reader sees all of a thing or
nothing, and a build that was killed goes on where it stopped: what is there is whole, what is torn
counts as absent. Two builds may write the same thing at once; the last one wins and nobody notices.

Not guaranteed: survival of a power cut (nothing is flushed to the disk by force), nor that the
files which a result names are still there; delete the folder as a whole or not at all.
"""

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import requires, version
from pathlib import Path
from typing import TypeVar

import pydantic_core
from packaging.requirements import Requirement
from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")

_ROOMS = Path(__file__).resolve().parents[1]


class Store:
    """A folder of content-addressed files and stage results."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def add(self, path: Path) -> str:
        """Copy a file into the store; returns its SHA-256."""
        digest = sha256_of(path)
        place = self.path(digest)
        if not place.exists():
            with _placed(place) as temporary:
                shutil.copyfile(path, temporary)
        return digest

    def path(self, sha256: str) -> Path:
        """Where the file with this content lies, whether or not it is there."""
        return self.root / "objects" / sha256[:2] / sha256[2:]

    def save(self, stage: str, key: str, noun: object) -> None:
        """Keep the result of a stage: a noun, or a tuple of nouns."""
        with _placed(self._result(stage, key)) as temporary:
            temporary.write_bytes(pydantic_core.to_json(noun))

    def load(self, stage: str, key: str, kind: TypeAdapter[T] | type[T]) -> T | None:
        """The result of a stage, None when there is none that can be read as `kind`.

        For a union or a tuple `kind` is an adapter: `TypeAdapter[RawDataset | Drop](...)`.
        """
        adapter = kind if isinstance(kind, TypeAdapter) else TypeAdapter(kind)
        try:
            return adapter.validate_json(self._result(stage, key).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder of its own on the store's disk, gone afterwards."""
        place = self.root / "scratch"
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place) as folder:
            yield Path(folder)

    def _result(self, stage: str, key: str) -> Path:
        # Keys hold slashes and have any length; as a hash they are a file name.
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.root / "results" / stage / f"{name}.json"


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_fingerprint(*packages: str) -> str:
    """SHA-256 (hex) over the Python files of these rooms and the libraries they stand on.

    Part of a stage key, so that changed code or another library never meets results of the old.
    """
    digest = hashlib.sha256(repr((sys.version_info, _libraries())).encode())
    for package in sorted(packages):
        folder = _ROOMS / package
        assert folder.is_dir(), f"no room {package}"
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(_ROOMS).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


@cache
def _libraries() -> list[tuple[str, str]]:
    """Names and versions of what the project declares, as installed."""
    declared = [Requirement(line) for line in requires("opendare") or ()]
    names = sorted({need.name for need in declared if need.marker is None})
    return [(name, version(name)) for name in names]


@contextmanager
def _placed(place: Path) -> Iterator[Path]:
    """A temporary path beside `place` that is renamed to it when the block ends well."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=".unfinished-")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)

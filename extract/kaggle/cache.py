"""The folder that fetched datasets are kept in: a mirror in Kaggle's layout, and what leads to it.

    <owner>/<slug>                         what a mirror shows: a link to the newest fetched version
    .versions/<owner>/<slug>/<version>/    files, records, and `fetch-record.json` written last
    .partial/<owner>~<slug>~<version>/     archives on their way, unpacked members
    .refused/<owner>~<slug>~<version>      archives that were refused, so that they come once
    catalog.duckdb                         see `catalogue.py`

A version appears in one step, and its data never changes afterwards (its records may); a reader
that holds its folder is not disturbed by a newer one. The version before the newest is kept for
such readers, older ones are removed. One process fetches into a cache at a time.

Not guaranteed: that links survive a copy by tools that do not know them.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from pydantic import Field, ValidationError

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.files.atomic import placed, write_placed
from extract.files.file_lock import file_lock
from extract.kaggle.catalogue import CATALOGUE
from extract.kaggle.unzip import UnpackedFile
from extract.noun import Noun
from extract.records import FETCH_RECORD

_RECORD_BYTES = 64 << 20


class CacheError(OSError):
    """A cache that cannot be used; the message says what repairs it. The data is not to blame."""


class Fetched(Noun):
    """What a fetch brought: `fetch-record.json`."""

    ref: DatasetRef
    pinned: bool
    """Whether the version was named to the service, which knew none where it was not."""
    archive_bytes: int = Field(ge=0)
    archive_sha256: str
    files: tuple[UnpackedFile, ...]
    left_out: tuple[str, ...] = ()
    """Members at places that the layout needs for its own records."""


class _Refused(Noun):
    rules: str
    drop: Drop


class Cache:
    """One folder of fetched datasets."""

    def __init__(self, root: Path) -> None:
        """Make the folder. Raises `CacheError` when it cannot be written."""
        self.root = root.resolve()
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with self._lock_file().open("a"):
                pass
        except OSError as error:
            raise CacheError(
                f"{root} cannot be written: {error.strerror}; name another folder: --mirror DIR"
            ) from error
        # A folder here may be somebody's own mirror: a link in its place would hide its files.
        for place in sorted(self.root.glob("[!.]*/[!.]*")):
            if place.is_dir() and not place.is_symlink():
                self._refuse_unowned(place)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other processes from fetching into the same folder; raises `InUseError`."""
        with file_lock(self._lock_file(), f"fetches into {self.root}", "--mirror DIR"):
            yield

    @property
    def catalogue(self) -> Path:
        """Where the catalogue lies."""
        return self.root / CATALOGUE

    def version(self, ref: DatasetRef) -> Path:
        """The folder of a version, whether or not it is there."""
        return self.root / ".versions" / ref.owner / ref.slug / str(ref.version)

    def fetched(self, ref: DatasetRef) -> Fetched | None:
        """The record of a version that is here whole; sizes are compared, contents when read."""
        folder = self.version(ref)
        try:
            with (folder / FETCH_RECORD).open("rb") as file:
                record = Fetched.model_validate_json(file.read(_RECORD_BYTES))
            sizes = {file.name: (folder / file.name).stat().st_size for file in record.files}
        except (OSError, ValidationError):
            return None
        whole = all(sizes[file.name] == file.bytes for file in record.files)
        return record if whole and record.ref == ref else None

    def newest(self, ref: DatasetRef) -> DatasetRef | None:
        """The version that the mirror shows, None for none."""
        try:
            version = (self.root / ref.owner / ref.slug).readlink().name
        except OSError:
            return None
        return ref.model_copy(update={"version": int(version)}) if version.isdigit() else None

    def refusal(self, ref: DatasetRef, rules: str) -> Drop | None:
        """Why the archive of a version was refused under these rules, None where it was not."""
        try:
            known = _Refused.model_validate_json(self._refusal_file(ref).read_bytes())
        except (OSError, ValidationError):
            return None
        return known.drop if known.rules == rules else None

    def refuse(self, ref: DatasetRef, rules: str, drop: Drop) -> None:
        """Remember a refusal; `rules` is the hash of all that decided it."""
        text = _Refused(rules=rules, drop=drop).model_dump_json()
        write_placed(self._refusal_file(ref), text)

    @contextmanager
    def working_folder(self, ref: DatasetRef) -> Iterator[Path]:
        """A folder for a version that is on its way; it stays when the block ends badly."""
        place = self._working_folder(ref)
        place.mkdir(parents=True, exist_ok=True)
        for other in sorted(place.parent.glob(f"{ref.owner}~{ref.slug}~*")):
            # What was on its way of another version is of no use any more.
            if other != place:
                shutil.rmtree(other)
        yield place
        shutil.rmtree(place, ignore_errors=True)

    def clear_working_folder(self, ref: DatasetRef) -> None:
        """Remove what was left on the way of a version."""
        shutil.rmtree(self._working_folder(ref), ignore_errors=True)

    def adopt(self, ref: DatasetRef, folder: Path) -> Path:
        """Move a finished folder to its version and show it in the mirror; gives the new place."""
        place = self.version(ref)
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists():
            # A folder that is not empty cannot be renamed over; between the two steps the version
            # is absent, never half there.
            replaced = folder.with_name("replaced")
            shutil.rmtree(replaced, ignore_errors=True)
            place.rename(replaced)
        folder.rename(place)
        self.show(ref)
        return place

    def show(self, ref: DatasetRef) -> None:
        """Let the mirror show this version, unless it shows a newer one already."""
        before = self.newest(ref)
        if before is not None and before.version >= ref.version and self.version(before).is_dir():
            return
        link = self.root / ref.owner / ref.slug
        link.parent.mkdir(exist_ok=True)
        if link.exists() and not link.is_symlink():
            self._refuse_unowned(link)
        # Relative, so that the mirror can be moved as a whole.
        with placed(link) as unfinished:
            unfinished.symlink_to(os.path.relpath(self.version(ref), link.parent))
        self._forget_older(ref, before)

    def _refuse_unowned(self, place: Path) -> NoReturn:
        raise CacheError(
            f"{place} is a folder that no fetch has made; fetch into another one: --mirror DIR"
        )

    def _forget_older(self, ref: DatasetRef, before: DatasetRef | None) -> None:
        kept = {str(ref.version)} | ({str(before.version)} if before else set())
        for folder in sorted(self.version(ref).parent.iterdir()):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _working_folder(self, ref: DatasetRef) -> Path:
        return self.root / ".partial" / _flat(ref)

    def _refusal_file(self, ref: DatasetRef) -> Path:
        return self.root / ".refused" / _flat(ref)

    def _lock_file(self) -> Path:
        return self.root / ".lock"


def _flat(ref: DatasetRef) -> str:
    """A reference as one name; no reference has a tilde."""
    return str(ref).replace("/", "~")

"""Brings one dataset from Kaggle into the cache, and keeps its records fresh.

    record, metadata ─► licence ─► archive, pinned ─► unpacked, hashed ─► version ─► mirror

Every step leaves something to go on from. A dataset whose licence is not allowed keeps its records
in the cache and is not downloaded; an archive that is refused is remembered, and not asked for
again under the same rules. Enters a reference; leaves a `Listing` read from the cache, or a `Drop`.

Not guaranteed: that the metadata, which knows no versions, is as old as the data; both statements
about the licence count.
"""

import hashlib
import json
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extract.code_fingerprint import code_of
from extract.dataset import DatasetRef
from extract.drop import Drop, Reason, dataset_drop
from extract.files.archive import BrokenArchiveError
from extract.files.atomic import write_placed
from extract.files.unreadable import UnreadableError
from extract.kaggle.cache import Cache, Fetched
from extract.kaggle.catalogue import Catalogue, parsed_record
from extract.kaggle.crawl import read_record
from extract.kaggle.layout import read_listing
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.service import ServiceFault
from extract.kaggle.transfer import TooLargeError, discard
from extract.licenses import LicenceConfig, admit
from extract.records import FETCH_RECORD, LIST_RECORD, METADATA
from extract.source import Listing
from extract.store import sha256_of

if TYPE_CHECKING:
    from extract.kaggle.client import Kaggle

_RECORD_BYTES = 8 << 20
_ARCHIVE = "archive.zip"
_COMPARED = ("licenseName", "licenseNameNullable", "lastUpdated", "title", "subtitle")
"""Fields of a record whose change makes the metadata be asked for again."""


class Fetcher:
    """Fetches into one cache; to be used from any thread, not twice for one dataset at a time."""

    def __init__(
        self,
        kaggle: "Kaggle",
        cache: Cache,
        catalogue: Catalogue,
        licence: LicenceConfig,
        limits: KaggleLimits,
    ) -> None:
        self._kaggle, self._cache, self._catalogue = kaggle, cache, catalogue
        self._licence, self._attempts = licence, limits.archive_attempts
        self._lock = threading.Lock()
        self.bytes_transferred = 0
        """Bytes of archives that were transferred."""
        bounds = (limits.unpacked.model_dump_json(), str(limits.max_bytes))
        parts = (*bounds, str(limits.archive_attempts), code_of(__name__))
        self._rules = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        """Hash of all that decides whether an archive is refused."""

    def cached(self, ref: DatasetRef) -> Listing | Drop | None:
        """The version as it lies in the cache, its records renewed; None when it is not there."""
        if self._cache.fetched(ref) is None:
            return None
        # A run that was killed at its end may have left either undone.
        self._cache.show(ref)
        self._cache.clear_working_folder(ref)
        self._renew_records(ref)
        return read_listing(self._cache.version(ref), ref)

    def fetch(self, ref: DatasetRef) -> Listing | Drop:
        """Fetch the version. Raises `ServiceFault`, and what a worker that is lost raises."""
        with self._cache.working_folder(ref) as place:
            folder = place / "dataset"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            record, pinned = self._record(ref)
            refused = self._fetch_records(ref, record, folder)
            if refused is not None:
                return refused
            fetched = self._fetch_archive(ref, place / _ARCHIVE, folder, pinned)
            if isinstance(fetched, Drop):
                return fetched
            _write_record(folder / FETCH_RECORD, fetched.model_dump_json())
            home = self._cache.adopt(ref, folder)
        self._catalogue.fetched(
            ref, fetched.archive_bytes, fetched.archive_sha256, len(fetched.files)
        )
        return read_listing(home, ref)

    # --- records ----------------------------------------------------------------------------------

    def _fetch_records(self, ref: DatasetRef, record: dict[str, Any], folder: Path) -> Drop | None:
        """Records come first, since they may refuse the dataset; then they alone are kept."""
        _write_record(folder / LIST_RECORD, _pinned(record, ref))
        _write_record(folder / METADATA, self._metadata(ref))
        listing = read_listing(folder, ref)
        refused = (
            listing if isinstance(listing, Drop) else admit(ref, listing.statements, self._licence)
        )
        if not isinstance(refused, Drop):
            return None
        if isinstance(listing, Listing):
            _write_record(folder / FETCH_RECORD, json.dumps({"withheld": refused.detail}))
        self._cache.adopt(ref, folder)
        return refused

    def _renew_records(self, ref: DatasetRef) -> None:
        """Ask for the metadata again when the record says that something but the data changed."""
        known = self._catalogue.record(ref)
        if known is None:
            return
        folder = self._cache.version(ref)
        now, then = parsed_record(known[0]), _read_object(folder / LIST_RECORD)
        same_version = now.get("currentVersionNumber") in (None, ref.version)
        if not same_version or all(now.get(name) == then.get(name) for name in _COMPARED):
            return
        renewed = {METADATA: self._metadata(ref), LIST_RECORD: _pinned(now, ref)}
        with self._cache.working_folder(ref) as place:
            (place / "renewed").mkdir(exist_ok=True)
            for name, text in renewed.items():
                _write_record(place / "renewed" / name, text)
            is_sound = isinstance(read_listing(place / "renewed", ref), Listing)
        # Data that is here is not refused for one odd answer; it is asked for again next time.
        for name, text in renewed.items() if is_sound else ():
            _write_record(folder / name, text)

    def _metadata(self, ref: DatasetRef) -> str:
        """What the service says, also when that is no JSON: the mirror reads it, and refuses it."""
        try:
            return self._kaggle.metadata(ref)
        except ServiceFault as fault:
            if fault.kind != "malformed":
                raise
            return fault.answer

    def _record(self, ref: DatasetRef) -> tuple[dict[str, Any], bool]:
        """The record of a search, or the service's latest, and whether a version can be named."""
        known = self._catalogue.record(ref)
        if known is not None:
            return parsed_record(known[0]), known[1]
        text = self._kaggle.record(ref)
        seen = read_record(text)
        return parsed_record(text), seen is not None and seen.knows_version

    # --- archive ----------------------------------------------------------------------------------

    def _fetch_archive(
        self, ref: DatasetRef, archive: Path, folder: Path, pinned: bool
    ) -> Fetched | Drop:
        """The archive, unpacked beside the records, or its refusal."""
        known = self._cache.refusal(ref, self._rules)
        if known is not None:
            return known
        try:
            return self._unpacked(ref, archive, folder, pinned)
        except UnreadableError as error:
            drop = dataset_drop(ref.key, Reason.BAD_ARCHIVE, f"{error.reason}: {error.detail}")
        except BrokenArchiveError as error:
            drop = dataset_drop(ref.key, Reason.BAD_ARCHIVE, f"broken: {error}")
        except TooLargeError as error:
            drop = dataset_drop(ref.key, Reason.TOO_LARGE, str(error))
        discard(archive)
        self._cache.refuse(ref, self._rules, drop)
        return drop

    def _unpacked(self, ref: DatasetRef, archive: Path, folder: Path, pinned: bool) -> Fetched:
        """What is broken may be so by the transfer, and is brought anew."""
        for left in reversed(range(self._attempts)):
            moved = self._download(ref, archive, pinned)
            with self._lock:
                self.bytes_transferred += moved
            try:
                unpacked = self._kaggle.unpack(archive, folder)
            except BrokenArchiveError:
                discard(archive)
                _clear(folder)
                if not left:
                    raise
                continue
            return Fetched(
                ref=ref,
                pinned=pinned,
                archive_bytes=archive.stat().st_size,
                archive_sha256=sha256_of(archive),
                files=unpacked.files,
                left_out=unpacked.left_out,
            )
        raise AssertionError("the last attempt returns or raises")

    def _download(self, ref: DatasetRef, archive: Path, pinned: bool) -> int:
        """Bytes moved. A version that has gone because a newer one came is pending, not refused."""
        try:
            return self._kaggle.download(ref, archive, pinned=pinned)
        except ServiceFault as fault:
            if fault.kind != "unavailable" or not pinned:
                raise
            seen = read_record(self._kaggle.record(ref))
            if seen is None or seen.ref.version == ref.version:
                raise
            detail = f"{fault}; version {seen.ref.version} has come since it was listed"
            raise ServiceFault("transient", detail) from None


def _pinned(record: dict[str, Any], ref: DatasetRef) -> str:
    """The record with the version that is fetched, which may be older than the current one."""
    return json.dumps({**record, "currentVersionNumber": ref.version})


def _read_object(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return parsed_record(file.read(_RECORD_BYTES).decode("utf-8", "replace"))
    except OSError:
        return {}


def _write_record(path: Path, text: str) -> None:
    """Whole or not at all; what is unfinished lies beside the folder, where no member can be."""
    write_placed(path, text, aside=path.parent.parent)


def _clear(folder: Path) -> None:
    """Remove what an unpacking left, but not the records."""
    for path in sorted(folder.iterdir()):
        if path.name in (METADATA, LIST_RECORD):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

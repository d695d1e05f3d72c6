"""Kaggle as a source of datasets: the same protocol as a mirror, with a mirror as its cache.

`refs` searches; `listing` brings one dataset at the version that the search has shown, unless it is
here already, and then reads it as a mirror would. So a build from Kaggle and a later one from the
cache see the same. What cannot be had is a `Drop`: refused or unavailable for good, or owed.

    metadata, licence ─► archive, pinned to its version ─► unpacked, hashed ─► version ─► mirror

Every step leaves something to go on from. When the service takes no credentials, or fails one
dataset after the other, the rest is not asked for and owed. Not guaranteed: that the metadata,
which knows no versions, is as old as the data; both statements about the licence count.
"""

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field

from extract.cache import Cache, Fetched
from extract.catalogue import Catalogue, Seen, Status, parsed_record
from extract.crawl import CrawlConfig, Search, crawl, read_record
from extract.dataset import DatasetRef
from extract.drop import Drop, Reason, dataset_drop
from extract.kaggle import Kaggle, ServiceConfig, check_credentials
from extract.licenses import LicenceConfig, admit
from extract.limits import UnreadableError
from extract.mirror import read_listing
from extract.noun import Noun
from extract.records import FETCH_RECORD, LIST_RECORD, METADATA
from extract.service import FaultKind, ServiceFault
from extract.source import Listing
from extract.store import code_fingerprint, sha256_of
from extract.transfer import TooLargeError, discard
from extract.unzip import BrokenArchiveError, UnzipConfig
from extract.workers import WorkerDied, WorkerTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

_FAILURES_IN_A_ROW = 5
"""Datasets after which a service is taken to be down."""
_RECORD_BYTES = 8 << 20
_REASONS: dict[FaultKind, Reason] = {
    "no_access": Reason.NO_ACCESS,
    "unavailable": Reason.UNAVAILABLE,
    "passing": Reason.UNREACHABLE,
    "malformed": Reason.BAD_METADATA,
}
_ARCHIVE = "archive.zip"
_NAMED = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9][A-Za-z0-9_.-]{0,149}(/[1-9]\d{0,8})?$"


class KaggleConfig(Noun):
    """What is taken from Kaggle, and how."""

    searches: tuple[Search, ...] = ()
    datasets: tuple[Annotated[str, Field(pattern=_NAMED)], ...] = ()
    """Single datasets, `owner/slug` or `owner/slug/version`, beside what the searches find."""
    crawl: CrawlConfig = CrawlConfig()
    service: ServiceConfig = ServiceConfig()
    unzip: UnzipConfig = UnzipConfig()
    archive_attempts: int = Field(default=4, ge=1)
    """Downloads of an archive that turns out to be broken."""


class KaggleSource:
    """Datasets of Kaggle, kept in a cache; used as a context manager."""

    def __init__(
        self,
        cache: Cache,
        environment: "Mapping[str, str]",
        config: KaggleConfig,
        licence: LicenceConfig,
        tell: Callable[[int], None] = lambda shown: None,
    ) -> None:
        """`tell` hears how many datasets a search has shown so far.

        Datasets whose licence is not allowed are not downloaded.
        """
        self.cache = cache
        self.catalogue = Catalogue(cache.catalogue)
        self.brought = 0
        """Bytes of archives that were transferred."""
        self._environment = environment
        self._config, self._licence, self._tell = config, licence, tell
        home = cache.root / ".client"
        self._kaggle = Kaggle(environment, home, config.service, config.unzip)
        self._lock = threading.Lock()
        self._failures: list[ServiceFault] = []

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all workers."""
        self._kaggle.__exit__()

    def refs(self) -> tuple[DatasetRef, ...]:
        """What searches and single names give, by owner and slug; notes all of it.

        Raises `ServiceFault` (also for names that are not there) and `TruncatedError`.
        """
        check_credentials(self._environment)
        number = self.catalogue.begin()
        for search in self._config.searches:
            crawl(search, self._kaggle.page, self.catalogue, number, self._config.crawl, self._tell)
        found = {ref.key.casefold(): ref for ref in self.catalogue.wanted(number)}
        for name in self._config.datasets:
            ref = self._named(name, number)
            found[ref.key.casefold()] = ref
        return tuple(sorted(found.values(), key=lambda ref: (ref.owner, ref.slug)))

    def listing(self, ref: DatasetRef) -> Listing | Drop:
        """The dataset at this version, fetched where it is not in the cache yet."""
        try:
            found = self._listing(ref)
        except ServiceFault as fault:
            found = self._fault(ref, fault)
        if isinstance(found, Drop):
            self._conclude(ref, found)
        else:
            said = [f"{s.where}: {s.text}" for s in found.statements]
            self.catalogue.conclude(ref, "fetched", evidence=said)
        return found

    # --- one dataset ----------------------------------------------------------------------------

    def _named(self, name: str, crawl_number: int) -> DatasetRef:
        """A dataset that is asked for by name; its record is the service's latest.

        One that is not there is found out, and refused, when its files are asked for.
        """
        owner, slug, *version = name.split("/")
        ref = DatasetRef(owner=owner, slug=slug, version=int(version[0]) if version else 1)
        seen = Seen(ref=ref)
        try:
            seen = read_record(self._kaggle.record(ref)) or seen
        except ServiceFault as fault:
            if fault.kind != "unavailable":
                raise
        self.catalogue.see(crawl_number, [seen])
        return ref if version else seen.ref

    def _listing(self, ref: DatasetRef) -> Listing | Drop:
        if self.cache.fetched(ref) is not None:
            self.cache.show(ref)
            self._refresh(ref)
            return read_listing(self.cache.version(ref), ref)
        self._check_stopped()
        with self.cache.workshop(ref) as place:
            return self._bring(ref, place)

    def _refresh(self, ref: DatasetRef) -> None:
        """Ask for the metadata again when the record says that something but the data changed."""
        known = self.catalogue.record(ref)
        folder = self.cache.version(ref)
        if known is None:
            return
        now, then = parsed_record(known[0]), _read_object(folder / LIST_RECORD)
        told = ("licenseName", "licenseNameNullable", "lastUpdated", "title", "subtitle")
        same_version = now.get("currentVersionNumber") in (None, ref.version)
        if same_version and any(now.get(name) != then.get(name) for name in told):
            _write(folder / METADATA, self._metadata(ref))
            _write(folder / LIST_RECORD, _pinned(now, ref))

    def _bring(self, ref: DatasetRef, place: Path) -> Listing | Drop:
        """Records first, since they may refuse the dataset; then its archive."""
        folder = place / "dataset"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        record, pinned = self._record(ref)
        _write(folder / LIST_RECORD, _pinned(record, ref))
        _write(folder / METADATA, self._metadata(ref))
        found = read_listing(folder, ref)
        licence = found if isinstance(found, Drop) else admit(ref, found.statements, self._licence)
        if isinstance(licence, Drop):
            # What it says is kept, so that an offline build refuses it as well.
            self.cache.adopt(ref, folder)
            return licence
        fetched = self._archive(ref, place / _ARCHIVE, folder, pinned)
        if isinstance(fetched, Drop):
            return fetched
        _write(folder / FETCH_RECORD, fetched.model_dump_json())
        home = self.cache.adopt(ref, folder)
        with self._lock:
            self._failures.clear()
        self.catalogue.fetched(
            ref, fetched.archive_bytes, fetched.archive_sha256, len(fetched.files)
        )
        return read_listing(home, ref)

    def _archive(
        self, ref: DatasetRef, archive: Path, folder: Path, pinned: bool
    ) -> Fetched | Drop:
        """The archive, unpacked; a refused one is not asked for again under the same rules."""
        rules = self._rules()
        known = self.cache.refusal(ref, rules)
        if known is not None:
            return known
        try:
            return self._unpacked(ref, archive, folder, pinned)
        except UnreadableError as error:
            drop = dataset_drop(ref.key, Reason.BAD_ARCHIVE, f"{error.reason}: {error.detail}")
        except (BrokenArchiveError, WorkerDied, WorkerTimeout) as error:
            drop = dataset_drop(ref.key, Reason.BAD_ARCHIVE, f"broken: {error}")
        except TooLargeError as error:
            drop = dataset_drop(ref.key, Reason.TOO_LARGE, str(error))
        discard(archive)
        self.cache.refuse(ref, rules, drop)
        return drop

    def _rules(self) -> str:
        """Hash of all that decides whether an archive is refused."""
        knobs = self._config.model_dump_json(include={"service", "unzip", "archive_attempts"})
        return hashlib.sha256(f"{knobs} {code_fingerprint('extract')}".encode()).hexdigest()

    def _metadata(self, ref: DatasetRef) -> str:
        """What the service says, also when that is no JSON: the mirror reads it, and refuses it."""
        try:
            return self._kaggle.metadata(ref)
        except ServiceFault as fault:
            if fault.kind != "malformed":
                raise
            return fault.said

    def _record(self, ref: DatasetRef) -> "tuple[dict[str, object], bool]":
        """The record of a search, or the service's latest, and whether a version can be named."""
        known = self.catalogue.record(ref)
        if known is not None and known[0]:
            return parsed_record(known[0]), known[1]
        text = self._kaggle.record(ref)
        seen = read_record(text)
        return parsed_record(text), seen is not None and seen.knows_version

    def _unpacked(self, ref: DatasetRef, archive: Path, folder: Path, pinned: bool) -> Fetched:
        """The archive in `folder` beside the records; a broken one is brought anew."""
        for left in reversed(range(self._config.archive_attempts)):
            moved = self._download(ref, archive, pinned)
            with self._lock:
                self.brought += moved
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
        """Bytes moved. A version that has gone because a newer one came is owed, not refused."""
        try:
            return self._kaggle.download(ref, archive, pinned=pinned)
        except ServiceFault as fault:
            if fault.kind != "unavailable" or not pinned:
                raise
            seen = read_record(self._kaggle.record(ref))
            if seen is None or seen.ref.version == ref.version:
                raise
            detail = f"{fault}; version {seen.ref.version} has come since it was listed"
            raise ServiceFault("passing", detail) from None

    # --- what goes wrong --------------------------------------------------------------------------

    def _fault(self, ref: DatasetRef, fault: ServiceFault) -> Drop:
        """The drop of a fault; faults that will meet every dataset are remembered."""
        transient = fault.kind in ("no_access", "passing")
        if transient:
            with self._lock:
                self._failures.append(fault)
        return dataset_drop(ref.key, _REASONS[fault.kind], fault.detail, transient=transient)

    def _check_stopped(self) -> None:
        """Raise what the last datasets have met, when the next one would meet it as well."""
        with self._lock:
            failures = list(self._failures)
        if failures and failures[-1].kind == "no_access":
            raise failures[-1]
        if len(failures) >= _FAILURES_IN_A_ROW:
            raise ServiceFault("passing", f"not asked any more, since Kaggle failed: {failures[0]}")

    def _conclude(self, ref: DatasetRef, drop: Drop) -> None:
        status: Status = "refused"
        if drop.transient:
            status = "owed"
        elif drop.reason == Reason.UNAVAILABLE:
            status = "unavailable"
        self.catalogue.conclude(ref, status, drop.reason, drop.detail, (drop.evidence,))


def _pinned(record: "dict[str, object]", ref: DatasetRef) -> str:
    """The record with the version that is fetched, which may be older than the current one."""
    return json.dumps({**record, "currentVersionNumber": ref.version})


def _read_object(path: Path) -> "dict[str, object]":
    try:
        with path.open("rb") as file:
            return parsed_record(file.read(_RECORD_BYTES).decode("utf-8", "replace"))
    except OSError:
        return {}


def _write(path: Path, text: str) -> None:
    """Whole or not at all; what is unfinished lies beside the folder, where no member can be."""
    unfinished = path.parent.with_name(f"{path.parent.name}.{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
    unfinished.replace(path)


def _clear(folder: Path) -> None:
    """Remove what an unpacking left, but not the records."""
    for path in sorted(folder.iterdir()):
        if path.name in (METADATA, LIST_RECORD):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

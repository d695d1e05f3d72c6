"""Kaggle as a source of datasets: the same protocol as a mirror, with a mirror as its cache.

`refs` searches; `listing` brings one dataset at the version that the search has shown, unless it is
here already, and reads it as a mirror would. So a build from Kaggle and a later one from the cache
see the same. What cannot be had is a `Drop`: refused or unavailable for good, or pending. When the
service takes no credentials, or brings nothing any more, the rest is not asked for and pending.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, ValidationError

from extract.dataset import DatasetRef
from extract.drop import Drop, Reason, dataset_drop
from extract.kaggle.cache import Cache
from extract.kaggle.catalogue import Catalogue, Outcome, Seen, Status
from extract.kaggle.client import Kaggle, ServiceConfig, check_credentials
from extract.kaggle.crawl import CrawlConfig, Search, crawl, read_record
from extract.kaggle.fetcher import Fetcher
from extract.kaggle.service import Breaker, FaultKind, ServiceFault
from extract.kaggle.unzip import UnzipConfig
from extract.licenses import LicenceConfig
from extract.noun import Noun
from extract.source import Listing

_REASONS: dict[FaultKind, Reason] = {
    "no_access": Reason.NO_ACCESS,
    "unavailable": Reason.UNAVAILABLE,
    "passing": Reason.UNREACHABLE,
    "malformed": Reason.BAD_METADATA,
}
_LICENCE_REASONS = (Reason.LICENCE_UNKNOWN, Reason.LICENCE_REFUSED)


def _named(name: str) -> tuple[DatasetRef, bool]:
    """The dataset, and whether a version is named. Raises `ValueError` for what names none."""
    owner, slug, *version = name.split("/") if name.count("/") in (1, 2) else ("", "")
    number = int(version[0]) if version and version[0].isascii() and version[0].isdigit() else 0
    try:
        ref = DatasetRef(owner=owner, slug=slug, version=number or 1)
    except ValidationError:
        ref = None
    if ref is None or bool(version) != bool(number):
        raise ValueError(f"owner/slug or owner/slug/version, unlike {name!r}")
    return ref, bool(version)


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    keys = [_named(name)[0].key.casefold() for name in names]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"each dataset once; {twice[0]} is named twice")
    return names


class KaggleConfig(Noun):
    """What is taken from Kaggle, and how."""

    searches: tuple[Search, ...] = ()
    datasets: Annotated[tuple[str, ...], AfterValidator(_each_once)] = ()
    """Single datasets, `owner/slug` or `owner/slug/version`, beside what the searches find."""
    crawl: CrawlConfig = CrawlConfig()
    service: ServiceConfig = ServiceConfig()
    unzip: UnzipConfig = Field(default_factory=UnzipConfig)


class KaggleSource:
    """Datasets of Kaggle, kept in a cache; used as a context manager."""

    def __init__(
        self,
        cache: Cache,
        environment: Mapping[str, str],
        config: KaggleConfig,
        licence: LicenceConfig,
        tell: Callable[[int], None] = lambda shown: None,
        tell_pause: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`tell` hears how many datasets a search has shown so far, `tell_pause` of long pauses.

        Datasets whose licence is not allowed are not downloaded.
        """
        self.catalogue = Catalogue(cache.catalogue)
        self._environment, self._config, self._tell = environment, config, tell
        home = cache.root / ".client"
        self._kaggle = Kaggle(environment, home, config.service, config.unzip, tell_pause)
        max_bytes = config.service.transfer.max_bytes
        self._fetcher = Fetcher(
            self._kaggle, cache, self.catalogue, config.unzip, licence, max_bytes
        )
        self._breaker = Breaker()

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all workers."""
        self._kaggle.__exit__()

    @property
    def brought(self) -> int:
        """Bytes of archives that were transferred."""
        return self._fetcher.brought

    def refs(self) -> tuple[DatasetRef, ...]:
        """What searches and single names give, by owner and slug; notes all of it.

        Raises `ServiceFault` and `TruncatedError`.
        """
        check_credentials(self._environment)
        number = self.catalogue.begin()
        for search in self._config.searches:
            crawl(search, self._kaggle.page, self.catalogue, number, self._config.crawl, self._tell)
        found = {ref.key.casefold(): ref for ref in self.catalogue.wanted(number)}
        for name in self._config.datasets:
            ref = self._by_name(name, number)
            found[ref.key.casefold()] = ref
        return tuple(sorted(found.values(), key=lambda ref: (ref.owner, ref.slug)))

    def listing(self, ref: DatasetRef) -> Listing | Drop:
        """The dataset at this version, fetched where it is not in the cache yet."""
        try:
            found = self._fetcher.known(ref)
            if found is None:
                self._breaker.check()
                found = self._fetcher.bring(ref)
                if isinstance(found, Listing):
                    self._breaker.came()
        except ServiceFault as fault:
            self._breaker.met(fault)
            transient = fault.kind in ("no_access", "passing")
            reason = _REASONS[fault.kind]
            found = dataset_drop(ref.key, reason, fault.detail, transient=transient)
        self.catalogue.conclude([_outcome(ref, found)])
        return found

    def _by_name(self, name: str, crawl_number: int) -> DatasetRef:
        """A dataset that is asked for by name; its record is the service's latest.

        One that is not there is found out, and refused, when its files are asked for.
        """
        ref, is_pinned = _named(name)
        seen = Seen(ref=ref)
        try:
            told = read_record(self._kaggle.record(ref))
            if told is not None and told.ref.key.casefold() == ref.key.casefold():
                seen = told
        except ServiceFault as fault:
            if fault.kind != "unavailable":
                raise
        self.catalogue.see(crawl_number, [seen])
        return ref if is_pinned else seen.ref


def _outcome(ref: DatasetRef, found: Listing | Drop) -> Outcome:
    """What the catalogue is told of a dataset."""
    if isinstance(found, Listing):
        said = tuple(f"{one.where}: {one.text}" for one in found.statements)
        return Outcome(ref=ref, status="fetched", evidence=said)
    status: Status = "refused"
    if found.transient:
        status = "pending"
    elif found.reason == Reason.UNAVAILABLE:
        status = "unavailable"
    said = (found.evidence,) if found.reason in _LICENCE_REASONS else ()
    return Outcome(ref=ref, status=status, reason=found.reason, detail=found.detail, evidence=said)

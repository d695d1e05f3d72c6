"""Kaggle, opened as a source: the same as a mirror, with a mirror as its cache.

`refs` searches; `fetch` brings one dataset at the version that the search has shown, unless it is
here already, and reads it as a mirror would. So a build from Kaggle and a later one from the cache
see the same. What cannot be had is a `Drop`: refused or unavailable for good, or pending. When the
service takes no credentials, or brings nothing any more, the rest is not asked for and pending.
"""

from collections.abc import Sequence
from typing import Self

from extract.dataset import DatasetRef
from extract.drop import Drop, Reason, dataset_drop
from extract.kaggle.cache import Cache
from extract.kaggle.catalogue import Catalogue, SearchResult
from extract.kaggle.client import Kaggle
from extract.kaggle.crawl import crawl, read_record
from extract.kaggle.credentials import check_credentials
from extract.kaggle.fetcher import Fetcher
from extract.kaggle.limits import KaggleLimits
from extract.kaggle.queries import Wanted, named_dataset
from extract.kaggle.service import CircuitBreaker, FaultKind, ServiceFault
from extract.outcome import DatasetOutcome, DatasetStatus
from extract.source import Listing, Opening, Source

_REASONS: dict[FaultKind, Reason] = {
    "no_access": Reason.NO_ACCESS,
    "unavailable": Reason.UNAVAILABLE,
    "transient": Reason.UNREACHABLE,
    "malformed": Reason.BAD_METADATA,
}
_LICENCE_REASONS = (Reason.LICENCE_UNKNOWN, Reason.LICENCE_REFUSED)


class KaggleSource(Source):
    """Datasets of Kaggle, kept in a cache; used as a context manager."""

    def __init__(
        self, cache: Cache, opening: Opening, wanted: Wanted, limits: KaggleLimits
    ) -> None:
        """Datasets whose licence is not allowed are not downloaded."""
        self.catalogue = Catalogue(cache.catalogue)
        self._opening, self._wanted, self._limits = opening, wanted, limits
        home = cache.root / ".client"
        self._kaggle = Kaggle(opening.environment, home, limits, opening.on_pause)
        parts = (self._kaggle, cache, self.catalogue, opening.licence, limits)
        self._fetcher = Fetcher(*parts)
        self._breaker = CircuitBreaker()

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End all workers."""
        self._kaggle.__exit__()

    @property
    def bytes_transferred(self) -> int:
        """Bytes of archives that were transferred."""
        return self._fetcher.bytes_transferred

    def conclude(self, outcomes: Sequence[DatasetOutcome]) -> None:
        """The catalogue keeps them."""
        self.catalogue.conclude(outcomes)

    def refs(self) -> tuple[DatasetRef, ...]:
        """What searches and single names give, by owner and slug; notes all of it.

        Raises `ServiceFault` and `TruncatedError`.
        """
        check_credentials(self._opening.environment)
        number, on_shown = self.catalogue.begin(), self._opening.on_shown
        for search in self._wanted.searches:
            crawl(search, self._kaggle.page, self.catalogue, number, self._limits, on_shown)
        refs = {ref.key.casefold(): ref for ref in self.catalogue.wanted(number)}
        for name in self._wanted.datasets:
            ref = self._by_name(name, number)
            refs[ref.key.casefold()] = ref
        return tuple(sorted(refs.values(), key=lambda ref: (ref.owner, ref.slug)))

    def fetch(self, ref: DatasetRef) -> Listing | Drop:
        """The dataset at this version, fetched where it is not in the cache yet."""
        result: Listing | Drop | None
        try:
            result = self._fetcher.cached(ref)
            if result is None:
                self._breaker.check()
                result = self._fetcher.fetch(ref)
                if isinstance(result, Listing):
                    self._breaker.record_success()
        except ServiceFault as fault:
            # Pending where another run, or the user, may mend it; else refused for good.
            self._breaker.record_failure(fault)
            transient = fault.kind in ("no_access", "transient")
            reason = _REASONS[fault.kind]
            result = dataset_drop(ref.key, reason, fault.detail, transient=transient)
        self.catalogue.conclude([_outcome(ref, result)])
        return result

    def _by_name(self, name: str, crawl_number: int) -> DatasetRef:
        """A dataset that is asked for by name; its record is the service's latest.

        One that is not there is noticed, and refused, when its files are asked for.
        """
        ref, is_pinned = named_dataset(name)
        seen = SearchResult(ref=ref)
        try:
            latest = read_record(self._kaggle.record(ref))
            if latest is not None and latest.ref.key.casefold() == ref.key.casefold():
                seen = latest
        except ServiceFault as fault:
            if fault.kind != "unavailable":
                raise
        self.catalogue.add_results(crawl_number, [seen])
        return ref if is_pinned else seen.ref


def _outcome(ref: DatasetRef, result: Listing | Drop) -> DatasetOutcome:
    """What the catalogue keeps of a dataset."""
    if isinstance(result, Listing):
        evidence = tuple(f"{one.where}: {one.text}" for one in result.statements)
        return DatasetOutcome(ref=ref, status="fetched", evidence=evidence)
    status: DatasetStatus = "refused"
    if result.transient:
        status = "pending"
    elif result.reason == Reason.UNAVAILABLE:
        status = "unavailable"
    evidence = (result.evidence,) if result.reason in _LICENCE_REASONS else ()
    return DatasetOutcome(
        ref=ref, status=status, reason=result.reason, detail=result.detail, evidence=evidence
    )

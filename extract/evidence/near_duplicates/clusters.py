"""Which sources are near twins, and which are well-known tables.

The evidence about all sources enters; the name of a cluster for every source leaves, and the
sources that hold a well-known table. Twins of twins are one cluster, so a cluster never straddles
train and eval. Every pair of tables is compared by sketch, the alike ones by rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from extract.evidence.evidence import SourceEvidence
from extract.evidence.near_duplicates.shared_rows import Shelf, may_be_twins, shared_rows
from extract.evidence.near_duplicates.sketch import TableSketch
from extract.noun import Noun


class Twins(Noun):
    """Two tables with the same rows."""

    ours: str
    theirs: str
    """`owner/slug: table`."""
    share: float
    """Of the shorter table's rows, two digits."""


@dataclass(frozen=True)
class Clusters:
    """Clusters of sources, by `owner/slug`."""

    names: dict[str, str]
    """Name of the cluster of each source: its first member."""
    well_known: dict[str, str]
    """Sources with a table of a well_known, and which."""
    twins: tuple[Twins, ...]
    """What proves it."""


def cluster(
    evidences: Sequence[SourceEvidence], well_known: Sequence[SourceEvidence] = ()
) -> Clusters:
    """Compare all sources with each other and with the well-known tables.

    Order of the input does not matter. A well-known table is no link between two sources that
    hold different ones, but both holding the same one are twins anyway.
    """
    known = sorted(evidences, key=lambda evidence: evidence.ref.key)
    leader = {evidence.ref.key: evidence.ref.key for evidence in known}
    found, shelf = [], Shelf()
    for ours, theirs in combinations(known, 2):
        for twins in _twins(ours, theirs, shelf):
            found.append(twins)
            _join(leader, ours.ref.key, theirs.ref.key)
    read: dict[str, str] = {}
    for ours in known:
        for book in sorted(well_known, key=lambda evidence: evidence.ref.key):
            for twins in _twins(ours, book, shelf):
                found.append(twins)
                read.setdefault(ours.ref.key, book.ref.slug)
    return Clusters({key: _first(leader, key) for key in leader}, read, tuple(found))


def _twins(ours: SourceEvidence, theirs: SourceEvidence, shelf: Shelf) -> Iterator[Twins]:
    """The first pair of tables that are twins, if any."""
    for a in ours.tables:
        for b in theirs.tables:
            share = _compared(a, b, shelf)
            if share:
                places = (f"{e.ref.key}: {t.table.name}" for e, t in ((ours, a), (theirs, b)))
                yield Twins(ours=next(places), theirs=next(places), share=round(share, 2))
                return


def _compared(a: TableSketch, b: TableSketch, shelf: Shelf) -> float:
    if a.table.sha256 == b.table.sha256:
        return 1.0
    return shared_rows(a, b, shelf) if may_be_twins(a, b) else 0.0


def _first(leader: dict[str, str], key: str) -> str:
    while leader[key] != key:
        key = leader[key]
    return key


def _join(leader: dict[str, str], ours: str, theirs: str) -> None:
    first, second = sorted((_first(leader, ours), _first(leader, theirs)))
    leader[second] = first

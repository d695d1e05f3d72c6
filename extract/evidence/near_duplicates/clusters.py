"""Which sources are near duplicates of each other, and which hold a well-known table.

Takes the evidence about all sources, returns the name of a cluster for every source, and the
sources that hold a well-known table. Duplicates of duplicates are one cluster, so a cluster never
straddles train and eval. Every pair of tables is compared by sketch, the alike ones by rows. What
`shared_rows.py` does not find is not found here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from extract.evidence.evidence import SourceEvidence
from extract.evidence.near_duplicates.aligned import ColumnCache
from extract.evidence.near_duplicates.shared_rows import shared_rows
from extract.noun import Noun


class DuplicateTables(Noun):
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
    """Sources with a well-known table, and which."""
    duplicates: tuple[DuplicateTables, ...]
    """What proves it."""


def cluster(
    evidences: Sequence[SourceEvidence], well_known: Sequence[SourceEvidence] = ()
) -> Clusters:
    """Compare all sources with each other and with the well-known tables.

    Order of the input does not matter. A well-known table is no link between two sources that
    hold different ones, but both holding the same one are near duplicates anyway.
    """
    # Sorted, since the first member names a cluster.
    known = sorted(evidences, key=lambda evidence: evidence.ref.key)
    famous = sorted(well_known, key=lambda evidence: evidence.ref.key)
    cache = ColumnCache()
    edges: list[tuple[int, int]] = []
    duplicates: list[DuplicateTables] = []
    for i, j in combinations(range(len(known)), 2):
        if pair := _duplicate_tables(known[i], known[j], cache):
            duplicates.append(pair)
            edges.append((i, j))
    holders: dict[str, str] = {}
    for ours, theirs in product(known, famous):
        if pair := _duplicate_tables(ours, theirs, cache):
            duplicates.append(pair)
            # Well-known tables hold each other, such as parts; the first one is enough.
            holders.setdefault(ours.ref.key, theirs.ref.slug)
    names = _names([evidence.ref.key for evidence in known], edges)
    return Clusters(names, holders, tuple(duplicates))


def _duplicate_tables(
    ours: SourceEvidence, theirs: SourceEvidence, cache: ColumnCache
) -> DuplicateTables | None:
    """The first pair of tables with the same rows, if any."""
    for a, b in product(ours.sketches, theirs.sketches):
        if share := shared_rows(a, b, cache):
            places = (f"{e.ref.key}: {s.table.name}" for e, s in ((ours, a), (theirs, b)))
            return DuplicateTables(ours=next(places), theirs=next(places), share=round(share, 2))
    return None


def _names(keys: Sequence[str], edges: Sequence[tuple[int, int]]) -> dict[str, str]:
    """The first member of each key's cluster; keys are sorted."""
    ends = np.array(edges, dtype=np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(len(keys),) * 2)
    _, labels = connected_components(graph, directed=False)
    first: dict[int, str] = {}
    return {key: first.setdefault(int(label), key) for key, label in zip(keys, labels, strict=True)}

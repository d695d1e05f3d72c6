"""What extraction says about all sources together, as the split reads it.

Takes the evidence about each source and the clusters of near duplicates; returns one
`SplitEvidence`. Not guaranteed: that the evidence is true or complete; what is absent counts as
unknown.
"""

from collections.abc import Sequence

from extract.evidence.evidence import SourceEvidence
from extract.evidence.freshness import freshness
from extract.evidence.near_duplicates.clusters import Clusters, cluster
from extract.evidence.well_known import well_known_evidence
from extract.store import Store
from extract.stored_table import locate
from publish.selecting.split import SplitEvidence


def gather(evidences: Sequence[SourceEvidence], clusters: Clusters) -> SplitEvidence:
    """What the evidence about all sources says about sides."""
    by_key = {evidence.ref.key: evidence for evidence in evidences}
    newest = {key: evidence.newest_instant for key, evidence in by_key.items()}
    well_known = dict.fromkeys(clusters.well_known, ("well_known",))
    tags = {key: (*well_known.get(key, ()), *evidence.tags) for key, evidence in by_key.items()}
    return SplitEvidence(
        freshness=freshness(newest, [evidence.last_update for evidence in evidences]),
        clusters=clusters.names,
        domains={key: evidence.domain for key, evidence in by_key.items()},
        languages={key: evidence.language for key, evidence in by_key.items()},
        tags=tags,
    )


def stored_comparison(evidences: Sequence[SourceEvidence], store: Store) -> SplitEvidence:
    """All sources compared with each other and with the well-known tables."""
    ours = [one.on_tables(lambda table: locate(table, store)) for one in evidences]
    with store.scratch() as folder:
        return gather(evidences, cluster(ours, well_known_evidence(folder)))

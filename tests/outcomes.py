"""Notes in a catalogue what became of one dataset, as a source does for many."""

from collections.abc import Sequence

from extract.dataset import DatasetRef
from extract.kaggle.catalogue import Catalogue
from extract.outcome import DatasetOutcome, DatasetStatus


def conclude(
    catalogue: Catalogue,
    ref: DatasetRef,
    status: DatasetStatus,
    reason: str = "",
    detail: str = "",
    evidence: Sequence[str] = (),
) -> None:
    """One outcome; `evidence` are licence statements."""
    outcome = DatasetOutcome(
        ref=ref, status=status, reason=reason, detail=detail, evidence=tuple(evidence)
    )
    catalogue.conclude([outcome])

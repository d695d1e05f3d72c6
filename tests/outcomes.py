"""Notes in a catalogue what became of one dataset, as a source does for many."""

from collections.abc import Sequence

from extract.dataset import DatasetRef
from extract.kaggle.catalogue import Catalogue, Outcome, Status


def conclude(
    catalogue: Catalogue,
    ref: DatasetRef,
    status: Status,
    reason: str = "",
    detail: str = "",
    evidence: Sequence[str] = (),
) -> None:
    """One outcome; `evidence` are licence statements."""
    outcome = Outcome(
        ref=ref, status=status, reason=reason, detail=detail, evidence=tuple(evidence)
    )
    catalogue.conclude([outcome])

"""What speaks against a source: the one form in which checks say it.

An issue that bears a reason refuses its table, or the whole source where it names none; one without
is a note that goes with the source.
"""

from collections.abc import Sequence

from extract.dataset import DatasetRef
from extract.drop import Drop, Reason
from extract.noun import Noun


class Issue(Noun):
    """One thing that is wrong with a source, or hardly right."""

    name: str
    """What it is about: headers, times, years, columns, rows, files, limits, objection, people."""
    detail: str
    """What was expected and what was observed."""
    evidence: str
    """The proof, quoted."""
    table: str | None = None
    """The table it is about; None for the whole source."""
    reason: Reason | None = None
    """Why it refuses; None for a note."""


def refusal(ref: DatasetRef, issues: Sequence[Issue]) -> Drop:
    """The refusal of a source for issues of one reason; the first one is its detail."""
    reason = issues[0].reason
    assert reason is not None, "notes do not refuse"
    return Drop(
        key=ref.key,
        source=ref.key,
        room="extract",
        reason=reason,
        detail=issues[0].detail,
        evidence="; ".join(f"{issue.name}: {issue.evidence}" for issue in issues),
    )

"""What became of a dataset, as a source keeps it between builds.

A build tells its source; a source without a memory forgets it.
"""

from typing import Literal

from extract.dataset import DatasetRef
from extract.noun import Noun

DatasetStatus = Literal[
    "listed", "passed_over", "fetched", "refused", "unavailable", "pending", "used"
]
"""`listed`: wanted, not fetched yet. `passed_over`: not wanted by the search itself. `refused`: for
good, with the reason of its drop. `unavailable`: the service does not give it. `pending`: to be
tried again. `used`: in a release, or proven for one."""


class DatasetOutcome(Noun):
    """What became of a dataset, shown by a search or not."""

    ref: DatasetRef
    status: DatasetStatus
    reason: str = ""
    """The reason of its drop, or `search` for what a search passed over."""
    detail: str = ""
    evidence: tuple[str, ...] = ()
    """Its licence statements, if known."""

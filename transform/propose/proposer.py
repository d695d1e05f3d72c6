"""What every proposer is: something that looks at a dataset and hands over ideas for tasks.

The heuristic works offline; one that asks a language model fits behind the same protocol and sees
the profile alone. A proposer promises that its proposals name existing columns, agree on the split
of their table, and that no target of one is shipped with the held-out rows of another.
"""

from typing import Protocol

from extract.dataset import RawDataset
from extract.drop import Drop
from transform.profile import Profile
from transform.proposal import Proposal


class Proposer(Protocol):
    """Turns a dataset into proposals."""

    @property
    def name(self) -> str:
        """Name and version, as it stands in `Proposal.proposer`."""

    def propose(self, raw: RawDataset, profile: Profile) -> tuple[Proposal, ...] | Drop:
        """Proposals, best first within a table and never empty, or why there is none."""

"""What every proposer is: something that reads a profile and hands over ideas for tasks.

A proposer sees numbers about a dataset and what its source says, never the tables. The heuristic
works offline; one that asks a language model fits behind the same protocol. Nothing needs to be
promised of a proposal: `transform/feasible.py` checks every one before it becomes a plan.
"""

from typing import TYPE_CHECKING, Protocol

from extract.drop import Drop
from transform.profile.profile import Profile
from transform.proposal import Proposal

if TYPE_CHECKING:
    # Its module reads tables; a proposer does not, and its process need not load what does.
    from extract.evidence.evidence import SourceEvidence


class Proposer(Protocol):
    """Turns what is known of a dataset into proposals."""

    @property
    def name(self) -> str:
        """Name and version, as it stands in `Proposal.proposer`."""

    def propose(self, profile: Profile, evidence: "SourceEvidence") -> tuple[Proposal, ...] | Drop:
        """Proposals, best first within a table and never empty, or why there is none."""

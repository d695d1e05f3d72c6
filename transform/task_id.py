"""The durable name of a task.

Takes what was proposed, its variant and the split of its rows; returns the same id whenever these
are the same. Not guaranteed: that the task under it has the same content; `task_hash` says that.
"""

from transform.proposal import Proposal
from transform.rows.split import Split
from transform.seed import joint_digest
from transform.task import Variant


def identify(proposal: Proposal, variant: Variant, split: Split) -> str:
    """`<owner>__<slug>__v<version>__<variant>-<8 hex of target, entity, grain and split>`."""
    ref = proposal.dataset
    grain = proposal.time.model_dump_json() if proposal.time else ""
    # Empty texts keep targets and entities apart: (a, b) and () is not (a) and (b).
    parts = (proposal.table, *proposal.targets, "", *proposal.entities, "", grain, split.key)
    return f"{ref.owner}__{ref.slug}__v{ref.version}__{variant}-{joint_digest(parts)[:8]}"

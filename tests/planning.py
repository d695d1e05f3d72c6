"""All plans of a dataset in one go, as the stages of a build make them one after another."""

from pathlib import Path

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.store import Store
from transform.plan import Plan
from transform.plan_tasks import plan_tasks
from transform.profile.measure import profile
from transform.propose.heuristic import HeuristicProposer
from transform.rows.split import Splitting


def plans_of(
    raw: RawDataset,
    folder: Path,
    splitting: Splitting | None = None,
) -> tuple[Plan | Drop, ...]:
    """Profile, propose and plan; `folder` is the store of the splits."""
    splitting = splitting or Splitting()
    measured = profile(raw, splitting=splitting)
    proposals = HeuristicProposer().propose(measured)
    if isinstance(proposals, Drop):
        return (proposals,)
    return plan_tasks(raw, measured, proposals, splitting, Store(str(folder)))

"""A proven task that ships: beside its source, on one side of the split, in one config.

Takes what selection decided about one task; every writer of the release reads it. It does not
promise that the task's files still have the hashes that it names: whoever copies them checks that.
"""

from dataclasses import dataclass

from extract.dataset import LicenceTier, RawDataset
from publish.release import ProvenTask
from publish.selecting.license_tiers import DEFAULT_CONFIG, RECIPE_CONFIG
from publish.selecting.split import SplitSide
from transform.task import Task


@dataclass(frozen=True)
class ReleasedTask:
    """A task that ships, beside its source."""

    proven: ProvenTask
    source: RawDataset
    side: SplitSide
    config: str = DEFAULT_CONFIG
    """The config of the release in which its row stands."""

    @property
    def is_recipe(self) -> bool:
        """Whether a user makes its files and truth again, since the release may not hold them."""
        return self.config == RECIPE_CONFIG

    @property
    def task(self) -> Task:
        """The task itself."""
        return self.proven.task

    @property
    def task_id(self) -> str:
        """The task's durable name."""
        return self.task.spec.task_id

    @property
    def tier(self) -> LicenceTier:
        """The tier of its source's licence."""
        return self.source.licence.tier

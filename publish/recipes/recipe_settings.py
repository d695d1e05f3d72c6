"""What beside data and recipe decides a task: settings, and the versions of what computes.

Takes a resolved configuration, as `config.json` holds it, or the installed packages; returns typed
values. Not guaranteed: that equal versions give equal bytes on every machine.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from extract.noun import Noun
from extract.reading.limits import ReadConfig
from transform.draft_task import DesignConfig
from transform.profile.measure import ProfileConfig
from transform.propose.heuristic import ProposeConfig
from transform.rows.size import SizeConfig
from transform.rows.split import Splitting

_VERSIONED = ("opendare", "polars", "pyarrow", "numpy", "scikit-learn", "scipy", "statsmodels")


class RecipeSettings(Noun):
    """What of the configuration decides how a task is made."""

    profile: ProfileConfig
    propose: ProposeConfig
    design: DesignConfig
    size: SizeConfig
    seed: int
    read: ReadConfig

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> "RecipeSettings":
        """Those of a resolved configuration, as `config.json` holds it."""
        return cls.model_validate(
            {
                "profile": configuration["profile"],
                "propose": configuration["propose"],
                "design": configuration["design"],
                "size": configuration["gates"]["size"],
                "seed": configuration["seed"],
                "read": configuration["read"],
            }
        )

    @property
    def splitting(self) -> Splitting:
        """What decides a split but the data and the proposals."""
        return Splitting(config=self.design.split, size=self.size, seed=self.seed)


def versions() -> dict[str, str]:
    """Of this program and the libraries that write and compute, as installed."""
    return {name: version(name) for name in _VERSIONED}

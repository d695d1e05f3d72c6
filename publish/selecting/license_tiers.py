"""Which licence tier goes to which config of a release.

Takes the configuration of a release; returns the config in which a tier's tasks stand, or none. The
default config `tasks` holds open licences only, so that who loads a release without looking may
use all of it, and recipes have a config of their own, by whose name readers know them. What a tier
allows is said by `extract/licenses.py`.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from extract.dataset import LicenceTier
from extract.noun import Noun

DEFAULT_CONFIG: Literal["tasks"] = "tasks"
RECIPE_CONFIG: Literal["tasks_recipe"] = "tasks_recipe"


def _restricted(name: str) -> str:
    if name == DEFAULT_CONFIG:
        raise ValueError(
            f"not {DEFAULT_CONFIG!r}: the default config takes the open tier and nothing else"
        )
    if name == RECIPE_CONFIG:
        raise ValueError(f"not {RECIPE_CONFIG!r}: it takes the tier recipe-only and nothing else")
    return name


RestrictedConfig = Annotated[
    str, Field(pattern=r"^tasks(_[a-z0-9-]+)?$", max_length=60), AfterValidator(_restricted)
]


class LicenceTiersConfig(Noun):
    """The config of each tier; null for a tier that is not released."""

    model_config = ConfigDict(
        validate_by_name=True, validate_by_alias=True, serialize_by_alias=True
    )

    share_alike: RestrictedConfig | None = Field(default="tasks_share-alike", alias="share-alike")
    """`tasks_<name>`; tiers may share a config."""
    non_commercial: RestrictedConfig | None = Field(
        default="tasks_non-commercial", alias="non-commercial"
    )
    """`tasks_<name>`; tiers may share a config."""
    recipe_only: Literal["tasks_recipe"] | None = Field(default=RECIPE_CONFIG, alias="recipe-only")
    """The config of recipes, whose data and truth a user makes again with `opendare restore`."""

    def config_of(self, tier: LicenceTier) -> str | None:
        """The config in which a tier's tasks stand; None when they are not released."""
        configs: dict[LicenceTier, str | None] = {
            "open": DEFAULT_CONFIG,
            "share-alike": self.share_alike,
            "non-commercial": self.non_commercial,
            "recipe-only": self.recipe_only,
        }
        return configs[tier]


def tier_order(tier: LicenceTier) -> tuple[bool, str]:
    """Sort key of tiers: open first, the others by name."""
    return tier != "open", tier

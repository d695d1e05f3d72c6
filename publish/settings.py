"""What a release is called, compared with and made of.

Takes values from `flows/settings.py`, which nests them under `publish`; the writers of a release
read them. Whether the tasks at hand can make such a release is not checked here.
"""

from pathlib import Path

from pydantic import Field

from extract.noun import Noun
from publish.selecting.license_tiers import LicenceTiersConfig
from publish.selecting.split import SourceSplitConfig


class PublishConfig(Noun):
    """Settings of publishing."""

    release: str = Field(default="dev", pattern=r"^(dev|v\d{4}\.\d{2}(\.\d+)?)$")
    """Its tag, `vYYYY.MM[.n]`, or `dev`."""
    previous: Path | None = None
    """Folder of the release before; None for a first one."""
    one_sided: bool = False
    """All tasks are for training, so that one source is enough: for trying one's own data. Such a
    release evaluates nothing, and its card says so."""
    tiers: LicenceTiersConfig = LicenceTiersConfig()
    split: SourceSplitConfig = SourceSplitConfig()
    timeout_s: int = Field(default=200, gt=0)
    """Seconds for one call of a solver's tool, by default as in the peer's agent setting."""
    max_turns: int = Field(default=5, gt=0)
    """Calls of the tool before the prediction must lie there, by default as in the peer's."""

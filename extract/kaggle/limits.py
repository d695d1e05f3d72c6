"""How fast, how long and how much is asked of Kaggle.

Five of the numbers are settings; the rest stand here with their reasons, as fields, so that who
opens a source can bring others.
"""

from pydantic import Field

from extract.files.archive import UnpackLimits
from extract.noun import Noun

WORKER_MEMORY_MB = 1500
"""Of each worker that asks; unpacking takes place in them too."""


class ServiceConfig(Noun):
    """How Kaggle is spoken to."""

    calls_per_minute: float = Field(default=120, gt=0)
    """Of all threads together. Kaggle publishes no limit; this keeps clear of those that were
    reported."""
    connections: int = Field(default=4, ge=1, le=32)
    """Datasets that are fetched side by side."""
    attempts: int = Field(default=6, ge=1, le=100)
    """Tries of one call; a transfer that gets on begins anew to count."""
    call_timeout_s: float = Field(default=60, gt=0)
    """For one call but the transfer of bytes, answer included."""
    max_bytes: int = Field(default=2 << 30, ge=1)
    """Bytes of one archive; larger ones are refused."""


class KaggleLimits(ServiceConfig):
    """The settings, and what nobody turns."""

    first_pause_s: float = Field(default=1, gt=0)
    """Pause after the first failure; it doubles with each, to sixteen before the sixth try."""
    longest_pause_s: float = Field(default=120, gt=0)
    """Cap of a pause, also of one that the service asks for."""
    connect_timeout_s: float = Field(default=20, gt=0)
    read_timeout_s: float = Field(default=60, gt=0)
    """Longest wait for the next bytes of an archive."""
    address_s: float = Field(default=600, gt=0)
    """Longest stay at one signed address; what has come by then is kept and the rest asked for
    anew."""
    archive_attempts: int = Field(default=4, ge=1)
    """Downloads of an archive that turns out to be broken."""
    unpack_timeout_s: float = Field(default=600, gt=0)
    """For one archive; a timeout is tried once more, alone, with four times as much."""
    unpacked: UnpackLimits = UnpackLimits(max_bytes=8 << 30, max_files=10_000)
    """Four times the largest archive, and as many files as a mirror lists."""
    page_size: int = Field(default=200, ge=1, le=200)
    """Records of one page of a search: the most that the service gives."""
    result_limit: int = Field(default=10_000, ge=1)
    """Results after which the service ends a search, as its users report; more are not asked
    for."""

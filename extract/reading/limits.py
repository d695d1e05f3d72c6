"""How much a foreign file may cost.

The limits are checked where the cost arises, inside the workers; time and memory by the workers
themselves. What is beyond them is refused with an `UnreadableError`.
"""

from pydantic import Field

from extract.files.unreadable import UnreadableError
from extract.licenses import LicenceConfig
from extract.noun import Noun

MAX_FILES = 64
"""Files with tables in one dataset, and in one archive; more are likely one table in pieces."""


class ReadConfig(Noun):
    """Limits of reading, and the licences to read under."""

    licence: LicenceConfig = LicenceConfig()
    timeout_s: float = Field(default=60, gt=0)
    """For one file; a timeout is tried once more, alone, with four times as much."""
    memory_mb: int = Field(default=3000, ge=500)
    """For each worker that parses files."""
    max_bytes: int = Field(default=256 << 20, ge=1)
    """Bytes of one file, after expansion."""
    max_rows: int = Field(default=2_000_000, ge=1)
    """Rows of one table."""
    max_columns: int = Field(default=2_000, ge=1)
    """Columns of one table."""


def check_width(n_columns: int, limits: ReadConfig) -> None:
    """Raise `UnreadableError` when a table is too wide."""
    if n_columns > limits.max_columns:
        detail = f"expected at most {limits.max_columns} columns, found {n_columns}"
        raise UnreadableError("too_many_columns", detail)


def check_height(n_rows: int, limits: ReadConfig) -> None:
    """Raise `UnreadableError` when a table is too long."""
    if n_rows > limits.max_rows:
        detail = f"expected at most {limits.max_rows} rows, found {n_rows} or more"
        raise UnreadableError("too_many_rows", detail)

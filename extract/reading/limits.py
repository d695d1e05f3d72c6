"""How much a foreign file may cost, and the error that says it was refused.

The limits are checked where the cost arises, inside the workers; time and memory by the workers
themselves.
"""

from pydantic import Field

from extract.licenses import LicenceConfig
from extract.noun import Noun


class ReadConfig(Noun):
    """Limits of reading, and the licences to read under."""

    licence: LicenceConfig = LicenceConfig()
    timeout_s: float = Field(default=60, gt=0)
    """For one file; a timeout is tried once more, alone, with four times as much."""
    memory_mb: int = Field(default=3000, ge=500)
    """For each worker that parses files."""
    max_bytes: int = Field(default=256 << 20, ge=1)
    """Bytes of one file, after expansion."""
    max_expansion: float = Field(default=200, ge=1)
    """Bytes of an archive's content per byte of the archive."""
    max_files: int = Field(default=64, ge=1)
    """Files with tables in one dataset, and in one archive."""
    max_rows: int = Field(default=2_000_000, ge=1)
    """Rows of one table."""
    max_columns: int = Field(default=2_000, ge=1)
    """Columns of one table."""


class UnreadableError(Exception):
    """A file that is not read; `reason` is a slug, `detail` says what was expected and found."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


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

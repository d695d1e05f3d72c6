"""What extraction hands over: one dataset, read, typed and licensed.

A `RawDataset` names its tables by path and SHA-256; the cells lie in Parquet files in the store.
Nothing here promises that the data is true, useful or free of personal data.
"""

from typing import Literal

from pydantic import Field

from extract.noun import Noun

LicenceTier = Literal["open", "share-alike", "non-commercial", "recipe-only"]
"""What a licence lets a release do with the data; see `extract/licenses.py`."""

ColumnType = Literal["integer", "number", "boolean", "text", "date", "datetime"]
"""Stored as polars Int64, Float64, Boolean, String, Date and Datetime("us", naive UTC)."""


class DatasetRef(Noun):
    """One version of one dataset at its source."""

    owner: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    slug: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,149}$")
    version: int = Field(default=1, ge=1)

    @property
    def key(self) -> str:
        """`owner/slug`, the address without the version."""
        return f"{self.owner}/{self.slug}"

    def __str__(self) -> str:
        """`owner/slug/version`, the pinned address."""
        return f"{self.key}/{self.version}"


class Licence(Noun):
    """The licence of a dataset and what proves it."""

    spdx: str
    """SPDX identifier, or `LicenseRef-public-domain` where that is what the source says."""
    tier: LicenceTier
    evidence: tuple[str, ...]
    """Verbatim statements with the file and field they stand in."""


class Column(Noun):
    """One typed column of a stored table."""

    name: str
    """As shipped: no back quote, no control character, unique, at most 80 characters."""
    source_name: str
    """Header as it stands in the source file."""
    type: ColumnType
    n_missing: int = Field(ge=0)
    source_format: str | None = None
    """How the text was understood, for example `%d/%m/%Y` or `decimal comma`; None when plain."""


class Table(Noun):
    """One typed table in the store, rows in source order."""

    name: str
    """File name stem at the source, made unique in its dataset."""
    source_file: str
    source_sha256: str
    sha256: str
    """Of a Parquet file in the store."""
    n_rows: int = Field(ge=0)
    columns: tuple[Column, ...]


class SkippedFile(Noun):
    """A file of a dataset that was not read, and why. The dataset goes on without it."""

    name: str
    reason: str
    detail: str


class RawDataset(Noun):
    """Everything later rooms may know about a dataset."""

    ref: DatasetRef
    title: str
    subtitle: str
    description: str
    """Untrusted text, bounded in length."""
    tags: tuple[str, ...]
    creator: str
    url: str
    updated_at: str | None
    """ISO 8601 instant of the last update at the source, None when unknown."""
    licence: Licence
    tables: tuple[Table, ...]
    skipped: tuple[SkippedFile, ...]
    sha256: str
    """Hash over names and hashes of all source files: the identity of the data."""

"""What a source of datasets is: it lists references, and for each gives the files on disk.

A source reads no table. What it says about a dataset (title, description, licence statements) is
foreign text, cleaned of control characters and bounded in length, and nothing else is believed of
it: the files may be anything.
"""

from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import Field

from extract.dataset import DatasetRef, SkippedFile
from extract.drop import Drop
from extract.licenses import Statement
from extract.noun import Noun


class Listing(Noun):
    """One dataset as its source shows it, before any table is read."""

    ref: DatasetRef
    folder: Path
    """Where the files lie; machine-local, never released."""
    files: tuple[str, ...]
    """Paths below the folder with `/`, sorted; regular files that lie inside the folder."""
    hashes: dict[str, str] = Field(default_factory=dict)
    """SHA-256 by file as a fetch recorded them; empty where nobody has."""
    withheld: str = ""
    """Why a fetch brought the records alone; empty where it did not."""
    skipped: tuple[SkippedFile, ...]
    """Files whose name or kind is refused unseen."""
    title: str
    subtitle: str
    description: str
    tags: tuple[str, ...]
    creator: str
    url: str
    updated_at: str | None
    """ISO 8601 instant in UTC, None when unknown."""
    statements: tuple[Statement, ...]
    """What the source says about the licence, one for each place where it says something."""


# Prefect asks whether a parameter is one.
@runtime_checkable
class Source(Protocol):
    """Anything that datasets come from."""

    def refs(self) -> tuple[DatasetRef, ...]:
        """All datasets, sorted by owner and slug, each once."""

    def listing(self, ref: DatasetRef) -> Listing | Drop:
        """Files and metadata of one dataset at its version, fetched where they are not here yet.

        Else a drop: `bad_metadata` with evidence, or what a service has said. May be called from
        several threads.
        """

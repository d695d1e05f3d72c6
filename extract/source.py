"""What a source of datasets is: it lists references, and for each gives the files on disk.

A source reads no table. What it says about a dataset (title, description, licence statements) is
foreign text, cleaned of control characters and bounded in length, and nothing else is believed of
it: the files may be anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from pydantic import Field

from extract.dataset import DatasetRef, SkippedFile
from extract.drop import Drop
from extract.licenses import LicenceConfig, Statement
from extract.noun import Noun
from extract.outcome import DatasetOutcome


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


class Source(ABC):
    """Anything that datasets come from, opened. May be used from several threads."""

    @property
    def bytes_transferred(self) -> int:
        """Bytes that were transferred since it was opened."""
        return 0

    @abstractmethod
    def refs(self) -> tuple[DatasetRef, ...]:
        """All datasets, sorted by owner and slug, each once."""

    @abstractmethod
    def fetch(self, ref: DatasetRef) -> Listing | Drop:
        """Files and metadata of one dataset at its version, brought where they are not here yet.

        Else a drop: `bad_metadata` with evidence, or what a service has said.
        """

    def conclude(self, outcomes: Sequence[DatasetOutcome]) -> None:
        """Keep what became of datasets; most sources have no memory."""
        return


@dataclass(frozen=True)
class Opening:
    """What a source is opened with."""

    folder: Path
    """Where datasets are read from: the mirror that the user names, else a folder in STATE."""
    licence: LicenceConfig
    environment: Mapping[str, str]
    """As the user gave it."""
    on_shown: Callable[[int], None] = lambda shown: None
    """Hears how many datasets a search has shown so far."""
    on_pause: Callable[[str], None] = lambda text: None
    """Hears of pauses that a person would wonder at."""


class Flaw(NamedTuple):
    """Why a source cannot be opened as the settings stand."""

    problem: str
    repair: str


class SourceKind(Noun, ABC):
    """One way to come by datasets: its settings, and how it is opened.

    One concrete class in one file of `extract/sources/`; its fields are the section of settings
    that goes by its kind. Such a file imports clients only when the source is opened.
    """

    kind: ClassVar[str]
    """What `source.kind` says."""
    service: ClassVar[str] = ""
    """Name of the service that is asked over the network; empty for what is on this machine."""
    empty_advice: ClassVar[str]
    """What to do when there are no datasets; `{folder}` stands for where they are read from."""

    worker_memory_mb: ClassVar[int] = 0
    """Of each process that brings datasets."""

    @property
    def n_connections(self) -> int:
        """Datasets that are brought side by side, each by a process of the source's own.

        A source that has any has them as its setting `connections`.
        """
        return 0

    def flaw(self, mirror: Path | None) -> Flaw | None:
        """What is missing before it can be opened with this mirror, None when nothing is."""
        return None

    @abstractmethod
    def open(self, opening: Opening) -> AbstractContextManager[Source]:
        """The source. Entering raises what a user can repair."""

    def ask(self, environment: Mapping[str, str]) -> str:
        """Make one small call to the service; its answer in words. Raises `ServiceFault`."""
        raise NotImplementedError(f"a source of kind {self.kind} asks nobody")

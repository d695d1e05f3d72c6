"""What publishing takes in and hands over: proven tasks, and the folder that they became.

`Released` joins a task with the proofs that ship beside it; `Release` lists every file of the
finished folder by hash. Neither promises that the files still lie there unchanged later:
`manifest.py` can tell.
"""

from pathlib import Path

from pydantic import Field

from extract.drop import Drop
from extract.noun import Noun
from transform.task import Task
from validate.verdict import Verdict


class PublishError(Exception):
    """A release that must not go out; the message says what was found and what repairs it."""


class Released(Noun):
    """A task that passed, with what its gates proved."""

    task: Task
    verdict: Verdict
    """Passed, with the proofs that ship."""


class ReleaseFile(Noun):
    """One file of a release."""

    path: str
    """Relative to the folder, with forward slashes."""
    sha256: str
    bytes: int = Field(ge=0)


class SplitCount(Noun):
    """Rows of one split of one config."""

    config: str
    split: str
    path: str
    """Glob of the shards, relative to the folder."""
    rows: int = Field(ge=0)


class Release(Noun):
    """A complete release folder."""

    folder: Path
    files: tuple[ReleaseFile, ...]
    """Every file but the manifest, sorted by path."""
    counts: tuple[SplitCount, ...]
    refused: tuple[Drop, ...]
    """Tasks that publishing itself refused; they stand among the release's rejects too."""
    changed: bool
    """False when the folder already held the same bytes and was not touched."""

"""What publishing takes in and hands over: proven tasks, and the folder that they became.

`ProvenTask` joins a task with the proofs that ship beside it; `Recipe` says how a task is made
again whose data may not ship; `Release` lists every file of the finished folder by hash. None
promises that the files still lie there unchanged later: `manifest.py` can tell.
"""

from pathlib import Path

from pydantic import Field

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.noun import Noun
from transform.plan import Repair
from transform.proposal import Proposal
from transform.task import Task, Variant
from validate.verdict import Verdict


class PublishError(Exception):
    """A release that must not go out; the message says what was found and what repairs it."""


class Recipe(Noun):
    """All that makes a task again, beside its source's files and the settings of the release.

    No cell of the source stands in it but those that a repair names.
    """

    source: DatasetRef
    source_sha256: str
    """Of the dataset, over names and hashes of all its files."""
    columns: tuple[str, ...]
    """Columns of the table that tasks may use; others hold personal data."""
    table_sha256: str
    """Of the typed table as it was stored; the rows are drawn by it."""
    proposals: tuple[Proposal, ...]
    """All of the table, in their order and without their reasons: they decide its split."""
    chosen: int = Field(ge=0)
    """Which of them the task is drawn from."""
    variant: Variant
    repair: Repair
    """What repairs changed, the last one included."""
    versions: dict[str, str]
    """Of this program and of the libraries that write and compute; others may give other bytes."""


class ProvenTask(Noun):
    """A task that passed, with what its gates proved."""

    task: Task
    verdict: Verdict
    """Passed, with the proofs that ship."""
    recipe: Recipe | None = None
    """Only where the licence lets nothing else of the data ship."""


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

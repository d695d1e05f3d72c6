"""What writes one part of a release: a table, a text, a folder for each task.

A writer is one concrete class in one file of this room and is found by itself (`registry.py`); it
takes what all parts have in common and an empty place in the folder, and returns how many rows its
configs have. The manifest is no writer's business: it lists whatever lies there at the end. Not
guaranteed: that two writers keep apart; the file of the later one wins.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.store import Store
from publish.release import SplitCount
from publish.released_task import ReleasedTask
from publish.selecting.previous import PreviousTask
from publish.selecting.split import SplitEvidence
from publish.settings import PublishConfig
from validate.trial import Trial


@dataclass(frozen=True)
class ReleaseContents:
    """What all parts of a release have in common."""

    tasks: Sequence[ReleasedTask]
    """By id."""
    rejects: Sequence[Drop]
    """Of all rooms, this one included."""
    trials: Sequence[Trial]
    sources: Sequence[RawDataset]
    """All that were read, also those that gave no task."""
    evidence: SplitEvidence
    settings: PublishConfig
    configuration: Mapping[str, Any]
    """The resolved configuration as it may be published."""
    previous: Mapping[str, PreviousTask]
    """Tasks of the release before, by id."""
    store: Store
    """Where the files of tasks lie."""
    counts: Sequence[SplitCount] = ()
    """Of the configs that earlier writers wrote."""


class ReleaseWriter(ABC):
    """Writes one part of a release."""

    name: ClassVar[str]
    """What it writes, by its place in the release; no two writers have the same."""
    order: ClassVar[int]
    """Writers run from low to high; equal ones by name. The card is last, as it counts the rest."""

    @abstractmethod
    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write below the release's folder; returns the configs written, in their order.

        Equal contents must give equal bytes. Raises `PublishError` for what must not go out.
        """


class TextWriter(ReleaseWriter):
    """Writes one text, at the place that is its name."""

    @abstractmethod
    def text(self, contents: ReleaseContents) -> str:
        """The whole text, with a line end at its end."""

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write the text with the same line ends on every system."""
        path = folder / self.name
        path.write_text(self.text(contents), encoding="utf-8", newline="\n")
        return ()


def unsplit(config: str, n_rows: int) -> tuple[SplitCount]:
    """The count of a config without sides; its one split is called `train`, as readers expect."""
    return (SplitCount(config=config, split="train", path=f"data/{config}/*.parquet", rows=n_rows),)

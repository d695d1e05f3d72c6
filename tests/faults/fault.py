"""What a planted fault is, by the place where it is planted.

Every fault names what is wrong, who must stop it, and a counterpart: the same world without the
fault, or with something harmless that looks like it, which must pass every gate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.faults.walking import Errand, Seen
from tests.faults.worlds import Source
from transform.files.task_folder import TaskFolder
from transform.task import Variant

Place = Literal["source", "plan", "task", "cluster"]
"""The files of a dataset as published; the plan of a proposer that was taken in; a finished task;
several datasets beside each other."""

LAYOUT = "layout"
"""Stopped by nobody in particular: rows are split and laid out such that the fault is gone."""


@dataclass(frozen=True)
class Planted:
    """A fault that is walked through the rooms, from a source or from a plan."""

    name: str
    place: Place
    planted: str
    expected: tuple[str, ...]
    """Who may stop it: a gate, a drop reason, `proposal`, `draft` or `layout`."""
    errand: Errand
    counterpart: Errand
    shows: Callable[[Seen], bool]
    """Whether a proven task still has the fault."""
    columns: tuple[str, ...] = ()
    """Columns of which one must be gone, where columns are the fault."""
    keeps: tuple[str, ...] = ()
    """Columns that the proven counterpart must still ship: the look-alike is no fault."""


@dataclass(frozen=True)
class Base:
    """A clean task that is tampered with: the first proven one of a clean source."""

    world: Source
    targets: tuple[str, ...]
    """Columns that it may predict."""
    variant: Variant
    n_targets: int = 1


@dataclass(frozen=True)
class Tampered:
    """A fault in a finished task."""

    name: str
    planted: str
    expected: tuple[str, ...]
    base: Base
    plant: Callable[[TaskFolder], TaskFolder]
    """Changes a copy; what it raises is what the reference raised."""
    counterpart: Callable[[TaskFolder], TaskFolder]
    place: Place = "task"


@dataclass(frozen=True)
class Copied:
    """A source that is published again, beside the original and strangers."""

    name: str
    planted: str
    again: Source
    original: Source
    expected: tuple[str, ...] = ("cluster",)
    place: Place = "cluster"


@dataclass(frozen=True)
class Told:
    """A source whose words and data do not agree, or that should not be evaluated on."""

    name: str
    planted: str
    expected: tuple[str, ...]
    """Drop reasons, tags, `refused_table`, `well_known`; `no_update` and `old`: it is not fresh."""
    bad: Source
    good: Source
    place: Place = "source"


Fault = Planted | Tampered | Told | Copied


def name_of(place: Place, name: str) -> str:
    """How a test names a fault."""
    return f"{place}:{name}"


def folder_name(name: str) -> Path:
    """A name that is good for a folder."""
    return Path(name.replace(":", "-").replace("/", "__"))

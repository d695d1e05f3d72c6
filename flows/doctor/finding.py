"""What a check looks at and what it says: the words that all checks of the doctor share.

Enters what a user has set up; leaves one `Finding` a check. A finding that asks for action says
which; that the repair works is not guaranteed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from flows.settings import Settings

Verdict = Literal["ok", "warning", "broken", "skipped"]


@dataclass(frozen=True)
class Setup:
    """What is examined."""

    settings: Settings
    environment: Mapping[str, str]
    """As the user gave it."""
    ask_kaggle: Callable[[], str] | None = None
    """Says in a few words that the API has answered, or raises; None: nobody can ask."""

    @property
    def uses_kaggle(self) -> bool:
        """Whether datasets come from Kaggle's API."""
        return str(self.settings.source.kind) == "kaggle"


@dataclass(frozen=True)
class Finding:
    """What came of one check."""

    verdict: Verdict
    found: str
    repair: str = ""
    """A command or a sentence; always there for a warning and for what is broken."""

    def __post_init__(self) -> None:
        assert self.repair or self.verdict in ("ok", "skipped"), self.found


@dataclass(frozen=True)
class Check:
    """One row of the table; `look` may take long or raise, whoever calls it bounds it."""

    name: str
    look: Callable[[Setup], Finding]


def ok(found: str) -> Finding:
    """Nothing to do."""
    return Finding("ok", found)


def warning(found: str, repair: str) -> Finding:
    """A build works, but worse or not for long."""
    return Finding("warning", found, repair)


def broken(found: str, repair: str) -> Finding:
    """A build cannot work."""
    return Finding("broken", found, repair)


def skipped(found: str) -> Finding:
    """The settings do not ask for it."""
    return Finding("skipped", found)

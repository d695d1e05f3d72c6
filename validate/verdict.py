"""What validation hands over: the outcome of every check on one task.

`valid` and `invalid` are final; `error` and `timeout` are owed: the check said nothing about the
task and is tried again, and a release never goes out while one is owed.
"""

from typing import Literal

from pydantic import Field

from extract.noun import Noun

Outcome = Literal["valid", "invalid", "error", "timeout"]


class Check(Noun):
    """One gate's finding on one task."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    """Name of the gate; the drop reason when the task is refused."""
    verdict: Outcome
    value: float | None = None
    """What was measured, three significant digits; None where nothing is a number."""
    threshold: float | None = None
    evidence: str = ""
    """Why, in one sentence or a short quotation, at most 2,000 characters."""


class Verdict(Noun):
    """All checks of one task, in the order of the gates; later gates are absent after a refusal."""

    task_id: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """True when every check is valid."""
        return all(check.verdict == "valid" for check in self.checks)

    @property
    def refusal(self) -> Check | None:
        """The first check that is not valid."""
        return next((check for check in self.checks if check.verdict != "valid"), None)

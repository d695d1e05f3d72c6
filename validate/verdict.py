"""What validation hands over: the outcome of every check on one task.

`valid` and `invalid` are final; `error` and `timeout` are owed: the check said nothing about the
task and is tried again, and a release never goes out while one is owed.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from extract.drop import Evidence
from extract.noun import Noun

Outcome = Literal["valid", "invalid", "error", "timeout"]


def _rounded(value: float) -> float:
    return value if value.is_integer() else float(f"{value:.3g}")


class Check(Noun):
    """One gate's finding on one task."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    """Name of the gate; the drop reason when the task is refused."""
    verdict: Outcome
    value: Annotated[float, AfterValidator(_rounded)] | None = None
    """What was measured, three significant digits and counts in full; None for no number."""
    threshold: float | None = None
    evidence: Evidence = ""
    """Why, in one sentence or a short quotation."""


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

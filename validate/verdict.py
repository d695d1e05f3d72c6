"""What validation hands over: the outcome of every gate on one task, and what the gates proved.

`valid` and `invalid` are final; `error` and `timeout` are pending: the check said nothing about the
task and is tried again, and a release never goes out while one is pending.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from extract.drop import Evidence
from extract.noun import Noun
from transform.plan import Repair

Outcome = Literal["valid", "invalid", "error", "timeout"]


def _rounded(value: float) -> float:
    return value if value.is_integer() else float(f"{value:.3g}")


Measured = Annotated[float, AfterValidator(_rounded)]
"""Three significant digits, counts in full: what is beyond may differ from machine to machine."""


class Check(Noun):
    """One gate's finding on one task."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    """Name of the gate; the drop reason when the task is refused."""
    verdict: Outcome
    value: Measured | None = None
    """What was measured; None for no number."""
    threshold: float | None = None
    evidence: Evidence = ""
    """Why, in one sentence or a short quotation."""


class EnvironmentResult(Noun):
    """One environment of the matrix and whether it reached the reference's answer."""

    name: str
    differs: str
    """In what it differs from the reference, in a few words."""
    versions: dict[str, str]
    """Library and version, as far as they compute."""
    agrees: bool


class Certificate(Noun):
    """Agreement of the environment matrix on an executed truth."""

    environments: tuple[EnvironmentResult, ...]
    """The reference first."""
    share_of_tolerance: float
    """Part of the shipped tolerance within which numbers had to agree."""
    margin: Measured | None = None
    """Least distance of a label from the next, None where there are no labels or scores."""


class MutationResult(Noun):
    """What one way of getting a step wrong did to the answer."""

    name: str
    killed: bool
    """Whether the answer changes so much that the grade fails it."""
    changed_share: Measured
    """Share of the rows whose answer changes beyond the tolerance."""


class StepMutations(Noun):
    """What the mutations of one stated step did to the answer."""

    position: int = Field(ge=1)
    """Number of the step in the prose."""
    kind: str
    mutations: tuple[MutationResult, ...]

    @property
    def detected(self) -> bool:
        """Whether some mutation is killed: a mistake in this step can cost the grade."""
        return any(mutation.killed for mutation in self.mutations)


class Baseline(Noun):
    """One scripted solver and what it reached."""

    solver: str
    score: Measured
    """In the task's metric, 0 to 1."""
    skill: Measured | None = None
    """Forecasts: mean over series of 1 − error / error of seasonal naive, at most 1."""


class BaselineScores(Noun):
    """The spread between trivial and tuned solvers of one task."""

    baselines: tuple[Baseline, ...]
    floor: Measured
    """Score of the best trivial solver."""
    ceiling: Measured
    """Score of the best scripted solver."""
    p_value: Measured
    """Share of permutations that score as well as the best solver."""


class Proofs(Noun):
    """What gates found out that ships beside a task; None where no gate says it."""

    certificate: Certificate | None = None
    controls: dict[str, tuple[Measured, str]] | None = None
    """Score and reason by control submission."""
    baseline_scores: BaselineScores | None = None
    mutations: tuple[StepMutations, ...] | None = None

    def plus(self, more: "Proofs") -> "Proofs":
        """Both; what `more` holds wins."""
        known = {name: value for name, value in more if value is not None}
        return self.model_copy(update=known)


class Finding(Noun):
    """What a gate hands to the judge."""

    check: Check
    proofs: Proofs = Proofs()
    repair: Repair | None = None
    """With a refusal: what may mend the task. None: nothing can."""


class Verdict(Noun):
    """All checks of one task, in the order of the gates; later gates are absent after a refusal."""

    task_id: str
    checks: tuple[Check, ...]
    proofs: Proofs = Proofs()
    repair: Repair | None = None
    """What may mend a refused task."""

    @property
    def passed(self) -> bool:
        """True when every check is valid."""
        return all(check.verdict == "valid" for check in self.checks)

    @property
    def refusal(self) -> Check | None:
        """The first check that is not valid."""
        return next((check for check in self.checks if check.verdict != "valid"), None)

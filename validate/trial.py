"""What came of one plan: the proven task or the refusal, with every attempt.

Takes nothing; `prover.py` fills it and publishing reads it, so that the ledger of a build can tell
what each gate repaired, refused and cost. Not guaranteed: that the verdicts agree with the result.
"""

from pydantic import Field

from extract.drop import Drop
from extract.noun import Noun
from transform.plan import Repair
from transform.task import Task, Variant
from validate.verdict import Verdict


class Attempt(Noun):
    """One draft of a task and what the gates said to it."""

    repair: Repair
    estimator: str | None = None
    """What the last step fits; None where truth is held out or nothing was drafted."""
    verdict: Verdict | None = None
    """None when nothing could be drafted or executed."""


class Trial(Noun):
    """Everything that came of one plan."""

    task_id: str
    source: str
    """`owner/slug` of the dataset."""
    variant: Variant
    attempts: tuple[Attempt, ...]
    result: Task | Drop
    """A task is proven: the last attempt's verdict passed."""
    cpu_s: dict[str, float] = Field(default_factory=dict)
    """CPU seconds of all attempts by purpose, as they were spent when they were computed; a matter
    of this machine, never released."""

    @property
    def verdict(self) -> Verdict | None:
        """What the gates said to the last attempt."""
        return self.attempts[-1].verdict

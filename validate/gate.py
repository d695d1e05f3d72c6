"""What a gate is, and the laboratory that it may use.

A gate is a frozen model whose fields are its thresholds (they become configuration under its name)
and whose `check` turns a task into one `Check`. Adding a gate is one file in `gates/`: it is found
by `registry.py`. A gate that cannot compute raises; the judge turns that into `error`, never into
`valid`.
"""

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Protocol

from extract.noun import Noun
from transform.task import Task
from validate.verdict import Check


class Lab(Protocol):
    """Runs tasks again, elsewhere; handed to every gate."""

    def execute_again(self, task: Task) -> Path:
        """Parquet answer computed from the spec in another process than truth was."""

    def run_program(self, task: Task, program: str) -> Path:
        """`prediction.csv` that a program leaves in a folder with only the public files.

        Raises `ProgramFailed` with the end of its output when it leaves none.
        """


class Gate(Noun):
    """One proof that a task must pass."""

    name: ClassVar[str]
    """Slug; also the reason under which a task is refused."""
    order: ClassVar[int]
    """Cheap gates first: gates run by ascending order, then name."""

    def applies_to(self, task: Task) -> bool:
        """True when the gate has something to say about this variant."""
        return True

    @abstractmethod
    def check(self, task: Task, lab: Lab) -> Check:
        """The finding; `verdict` is `valid` or `invalid`."""

    def passed(
        self, value: float | None = None, threshold: float | None = None, evidence: str = ""
    ) -> Check:
        """A valid check under this gate's name."""
        return Check(
            name=self.name, verdict="valid", value=value, threshold=threshold, evidence=evidence
        )

    def refused(
        self, value: float | None = None, threshold: float | None = None, evidence: str = ""
    ) -> Check:
        """An invalid check under this gate's name."""
        return Check(
            name=self.name, verdict="invalid", value=value, threshold=threshold, evidence=evidence
        )

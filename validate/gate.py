"""What a gate is.

A gate is a frozen model whose fields are its thresholds (they become configuration under its name)
and whose `check` turns a task into one `Finding`. Adding a gate is one file in `gates/`: it is
found by `registry.py`. What is heavy goes through the executor, into another process. A gate that
cannot compute raises; the judge turns that into `error`, never into `valid`.
"""

from abc import abstractmethod
from typing import ClassVar

from extract.noun import Noun
from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from transform.task import Task
from validate.environments.executor import Executor
from validate.verdict import Check, Finding, Proofs

_NO_PROOFS = Proofs()


class Gate(Noun):
    """One proof that a task must pass."""

    name: ClassVar[str]
    """Slug; also the reason under which a task is refused."""
    order: ClassVar[int]
    """Cheap gates first: gates run by ascending order, then name."""

    def applies_to(self, task: Task) -> bool:
        """True when the gate has something to say about this variant."""
        return True

    def reads(self, executor: Executor) -> tuple[object, ...]:
        """What decides beside the task and the gate's own fields; part of the key of its result."""
        return ()

    @abstractmethod
    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """The finding; its verdict is `valid` or `invalid`."""

    def passed(
        self,
        value: float | None = None,
        threshold: float | None = None,
        evidence: str = "",
        proofs: Proofs = _NO_PROOFS,
    ) -> Finding:
        """A valid check under this gate's name, and what it proved."""
        check = Check(
            name=self.name, verdict="valid", value=value, threshold=threshold, evidence=evidence
        )
        return Finding(check=check, proofs=proofs)

    def refused(
        self,
        value: float | None = None,
        threshold: float | None = None,
        evidence: str = "",
        repair: Repair | None = None,
        proofs: Proofs = _NO_PROOFS,
    ) -> Finding:
        """An invalid check under this gate's name, and what may repair the task."""
        check = Check(
            name=self.name, verdict="invalid", value=value, threshold=threshold, evidence=evidence
        )
        return Finding(check=check, proofs=proofs, repair=repair)


class FileGate(Gate):
    """A gate that needs nothing but the files of the task; it looks at them in a worker."""

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """What `look` finds."""
        return executor.compute(self.look, task)

    @abstractmethod
    def look(self, task: TaskFolder) -> Finding:
        """The finding, by this process."""

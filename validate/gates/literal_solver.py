"""Somebody who has only the text and the public files reaches truth by doing what it says.

The literal solver reads the prose into instructions, writes the program from those alone and runs
it in a process of its own, in a folder that holds nothing but the public files. The program shares
no code with the workers that computed truth, so each proves the other; it is also the shipped
solution.
"""

from importlib.metadata import version
from typing import ClassVar

from transform import wording
from transform.files.task_folder import TaskFolder
from transform.run.fork_server import ProgramDied, ProgramFailed
from transform.run.program import write_program
from transform.task import Task
from validate.controls import answer_of
from validate.environments.executor import Executor
from validate.environments.matrix import PROGRAM_LIBRARIES
from validate.gate import Gate
from validate.score import score
from validate.verdict import Finding


class LiteralSolver(Gate):
    """Refuses a task whose text does not lead to its truth."""

    name: ClassVar[str] = "literal_solver"
    order: ClassVar[int] = 70

    def applies_to(self, task: Task) -> bool:
        """Instruction tasks."""
        return task.spec.instructions.is_executed

    def reads(self, executor: Executor) -> tuple[object, ...]:
        """The libraries that a program imports; no code of ours imports all of them."""
        return tuple((name, version(name)) for name in PROGRAM_LIBRARIES)

    def check(self, task: TaskFolder, executor: Executor) -> Finding:
        """Score of the program's answer."""
        program = write_program(wording.read(task.spec.literal_text))
        if program != task.truth.program:
            return self.refused(evidence="the program from the text is not the shipped one")
        try:
            prediction = executor.run_program(task, program)
        except ProgramDied:
            raise
        except ProgramFailed as failure:
            # The last line says why it ended; those above name paths of this machine.
            return self.refused(evidence=str(failure).strip().splitlines()[-1])
        result = score(answer_of(task), prediction)
        outcome = self.passed if result.score == 1.0 else self.refused
        return outcome(result.score, 1.0, result.message)

"""The prose is complete: read back, it gives the instructions field by field, and nothing else."""

from typing import ClassVar

from transform import wording
from transform.files.task_folder import TaskFolder
from transform.task import Instructions
from validate.gate import FileGate
from validate.verdict import Finding


class Wording(FileGate):
    """Refuses a text that loses, changes or blurs anything that a step or the grader needs."""

    name: ClassVar[str] = "wording"
    order: ClassVar[int] = 10

    def look(self, task: TaskFolder) -> Finding:
        """Compare what the text says with what the task means."""
        instructions = task.spec.instructions
        try:
            understood = wording.read(task.spec.literal_text)
        except ValueError as error:
            return self.refused(evidence=str(error))
        differing = _differing(instructions, understood)
        if differing:
            return self.refused(value=len(differing), threshold=0, evidence=", ".join(differing))
        return self.passed(value=0, threshold=0)


def _differing(instructions: Instructions, understood: Instructions) -> list[str]:
    fields = type(instructions).model_fields
    return [name for name in fields if getattr(instructions, name) != getattr(understood, name)]

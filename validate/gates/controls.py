"""Truth wins, rubbish loses, and no file breaks the grader: see `validate/controls.py`."""

from typing import ClassVar

from transform.files.task_folder import TaskFolder
from validate.controls import answer_of, run_controls
from validate.gate import FileGate
from validate.verdict import Finding, Proofs


class Controls(FileGate):
    """Refuses a task on which a control submission does not get its declared outcome."""

    name: ClassVar[str] = "controls"
    order: ClassVar[int] = 55

    def look(self, task: TaskFolder) -> Finding:
        """The share of controls that went as declared, with those that did not as evidence."""
        # All of them, not only up to the first failure: the evidence names each.
        results = run_controls(answer_of(task))
        wrong = [result for result in results if not result.passed]
        evidence = "; ".join(f"{row.name}: {row.reason}, score {row.score:.3g}" for row in wrong)
        share = 1 - len(wrong) / len(results)
        if wrong:
            return self.refused(share, 1.0, evidence)
        graded = {result.name: (result.score, result.reason) for result in results}
        return self.passed(share, 1.0, evidence, Proofs(controls=graded))

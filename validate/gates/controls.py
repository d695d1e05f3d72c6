"""Truth wins, rubbish loses, and no file breaks the grader: see `validate/controls.py`."""

from typing import ClassVar

from transform.task import Task
from validate.controls import answer_of, run_controls
from validate.gate import Gate, Lab
from validate.verdict import Check


class Controls(Gate):
    """Refuses a task on which a control submission does not get its declared outcome."""

    name: ClassVar[str] = "controls"
    order: ClassVar[int] = 55

    def check(self, task: Task, lab: Lab) -> Check:
        """The share of controls that went as declared, with those that did not as evidence."""
        results = run_controls(answer_of(task))
        wrong = [result for result in results if not result.passed]
        evidence = "; ".join(f"{row.name}: {row.reason}, score {row.score:.3g}" for row in wrong)
        share = 1 - len(wrong) / len(results)
        return (self.refused if wrong else self.passed)(share, 1.0, evidence)

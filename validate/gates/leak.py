"""Nothing in the files of a task leaks its answers: no column, no id, no order of rows, no text."""

from typing import ClassVar

from pydantic import Field

from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from validate.gate import FileGate
from validate.leakage.forecast import find_forecast_leaks
from validate.leakage.shown_answers import shown
from validate.leakage.tabular import find_tabular_leaks
from validate.verdict import Finding


class Leak(FileGate):
    """Refuses a task of which a column, an id or a row leaks a target.

    The repair is to do without the columns; what no column explains is not repaired. Answers that
    are shown outright are asked for first, since nothing else need be known then.
    """

    name: ClassVar[str] = "leak"
    order: ClassVar[int] = 32

    single_feature_score: float = Field(default=0.99, gt=0, le=1)
    """Macro-F1 or R² of a tree on one column of a table from which that column is a leak."""

    def look(self, task: TaskFolder) -> Finding:
        """Count what leaks; name it, and the columns to do without."""
        faults = list(shown(task))
        if faults:
            return self.refused(len(faults), 0, "; ".join(faults))
        if task.spec.instructions.grid is None:
            leaks = find_tabular_leaks(task, self.single_feature_score)
        else:
            leaks = find_forecast_leaks(task)
        if not leaks.count:
            return self.passed(0, 0, "nothing leaks a target")
        # Columns that are left out mend no fault of ids or instants.
        repair = None if leaks.faults else Repair(without_columns=tuple(leaks.columns))
        return self.refused(leaks.count, 0, leaks.evidence, repair=repair)

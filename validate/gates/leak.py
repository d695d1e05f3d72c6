"""Nothing in the files of a task gives its answers away."""

from typing import ClassVar

from transform.files.task_folder import TaskFolder
from transform.plan import Repair
from validate.gate import FileGate
from validate.leakage.forecast import ForecastLeaksConfig, find_future
from validate.leakage.shown_answers import shown
from validate.leakage.tabular import TabularLeaksConfig, find_leaks
from validate.verdict import Finding


class Leak(FileGate):
    """Refuses a task of which a column, an id or a row betrays a target.

    The repair is to do without the columns; what no column explains is not mended. Answers that are
    shown outright are asked for first, since nothing else need be known then.
    """

    name: ClassVar[str] = "leak"
    order: ClassVar[int] = 32

    tabular: TabularLeaksConfig = TabularLeaksConfig()
    """Tables: how near is a copy, and what one column may tell."""
    forecast: ForecastLeaksConfig = ForecastLeaksConfig()
    """Forecasts: what a column may tell of other instants and of its own."""

    def look(self, task: TaskFolder) -> Finding:
        """Count what leaks; name it, and the columns to do without."""
        faults = list(shown(task))
        if faults:
            return self.refused(len(faults), 0, "; ".join(faults))
        if task.spec.instructions.grid is None:
            leaks = find_leaks(task, self.tabular)
        else:
            leaks = find_future(task, self.forecast)
        if not leaks.count:
            return self.passed(0, 0, "nothing tells a target")
        mend = None if leaks.faults else Repair(without_columns=tuple(leaks.columns))
        return self.refused(leaks.count, 0, leaks.evidence, repair=mend)

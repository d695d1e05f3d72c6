"""What the gates did, as two tables of a release: `report/gates.csv` and `report/steps.csv`.

Takes the trials of a build; writes counts. A gate's row says how many tasks it looked at, refused
at first, saw mended by a repair, and cost in the end. A step's row says, for its kind and the
estimator of its tasks, how many stated steps the grade saw before any repair and in what ships.
Refusals of other rooms stand in `data/rejects`.
"""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from publish.release import SplitCount
from publish.writer import ReleaseContents, ReleaseWriter
from transform.task import Task
from validate.trial import Attempt, Trial
from validate.verdict import StepMutations

GATES = ("gate", "variant", "tried", "refused_at_first", "repaired", "refused")
STEPS = (
    *("kind", "estimator", "stated_at_first", "exposed_at_first", "stated", "exposed"),
    *("mutations", "mutations_killed"),
)


class GateReport(ReleaseWriter):
    """Writes both tables."""

    name = "report"
    order = 70

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `report/{gates,steps}.csv`, rows sorted."""
        (folder / "report").mkdir()
        _write_csv(folder / "report" / "gates.csv", [GATES, *gate_rows(contents.trials)])
        _write_csv(folder / "report" / "steps.csv", [STEPS, *step_rows(contents.trials)])
        return ()


def _write_csv(path: Path, rows: Sequence[Sequence[str | int]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def gate_rows(trials: Sequence[Trial]) -> list[tuple[str | int, ...]]:
    """One row for each gate and variant, see `GATES`."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for trial in trials:
        for gate, events in _events(trial).items():
            counts.setdefault((gate, trial.variant), Counter()).update(events)
    return [(*key, *(counts[key][name] for name in GATES[2:])) for key in sorted(counts)]


def _events(trial: Trial) -> dict[str, list[str]]:
    """What happened to a trial at each gate."""
    by_gate: dict[str, list[str]] = {}
    for attempt in trial.attempts:
        for check in attempt.verdict.checks if attempt.verdict else ():
            events = by_gate.setdefault(check.name, ["tried"])
            if check.verdict == "invalid" and "refused_at_first" not in events:
                events.append("refused_at_first")
            if (
                check.verdict == "valid"
                and "refused_at_first" in events
                and "repaired" not in events
            ):
                events.append("repaired")
    last = trial.verdict.refusal if trial.verdict else None
    if last is not None:
        by_gate[last.name].append("refused")
    return by_gate


def step_rows(trials: Sequence[Trial]) -> list[tuple[str | int, ...]]:
    """One row for each kind of step and estimator, see `STEPS`."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for trial in trials:
        measured = [attempt for attempt in trial.attempts if _exposure(attempt)]
        for attempt in measured[:1]:
            _count(counts, attempt, "_at_first")
        for attempt in measured[-1:] if isinstance(trial.result, Task) else ():
            _count(counts, attempt, "")
            for step in _exposure(attempt):
                tally = counts[step.kind, attempt.estimator or ""]
                tally["mutations"] += len(step.mutations)
                tally["mutations_killed"] += sum(mutation.seen for mutation in step.mutations)
    return [(*key, *(counts[key][name] for name in STEPS[2:])) for key in sorted(counts)]


def _exposure(attempt: Attempt) -> tuple[StepMutations, ...]:
    return (attempt.verdict.proofs.exposure or ()) if attempt.verdict else ()


def _count(counts: dict[tuple[str, str], Counter[str]], attempt: Attempt, when: str) -> None:
    for step in _exposure(attempt):
        tally = counts.setdefault((step.kind, attempt.estimator or ""), Counter())
        tally[f"stated{when}"] += 1
        tally[f"exposed{when}"] += step.exposed

"""What the gates did, as two tables of a release: `report/gates.csv` and `report/steps.csv`.

Enter the trials of a build; leave counts. A gate's row says how many tasks it looked at, refused at
first, saw mended by a repair, and cost in the end. A step's row says, for its kind and the
estimator of its tasks, for how many stated steps some mutation was killed, before any
repair and in what ships, and how many of the shipped mutations are killed.
Refusals of other rooms stand in `data/rejects`.
"""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from transform.task import Task
from validate.trial import Attempt, Trial
from validate.verdict import StepMutations

GATES = ("gate", "variant", "tried", "refused_at_first", "mended", "lost")
STEPS = (
    *("kind", "estimator", "stated_at_first", "detected_at_first", "stated", "detected"),
    *("mutations", "killed"),
)


def write_gate_report(folder: Path, trials: Sequence[Trial]) -> None:
    """Write both tables, rows sorted."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, header, rows in (
        ("gates.csv", GATES, gate_rows(trials)),
        ("steps.csv", STEPS, step_rows(trials)),
    ):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([header, *rows])
        (folder / name).write_text(text.getvalue(), encoding="utf-8", newline="\n")


def gate_rows(trials: Sequence[Trial]) -> list[tuple[str | int, ...]]:
    """One row for each gate and variant, see `GATES`."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for trial in trials:
        for gate, events in _said(trial).items():
            counts.setdefault((gate, trial.variant), Counter()).update(events)
    return [(*key, *(counts[key][name] for name in GATES[2:])) for key in sorted(counts)]


def _said(trial: Trial) -> dict[str, list[str]]:
    """What happened to a trial at each gate."""
    found: dict[str, list[str]] = {}
    for attempt in trial.attempts:
        for check in attempt.verdict.checks if attempt.verdict else ():
            events = found.setdefault(check.name, ["tried"])
            if check.verdict == "invalid" and "refused_at_first" not in events:
                events.append("refused_at_first")
            if check.verdict == "valid" and "refused_at_first" in events and "mended" not in events:
                events.append("mended")
    last = trial.verdict.refusal if trial.verdict else None
    if last is not None:
        found[last.name].append("lost")
    return found


def step_rows(trials: Sequence[Trial]) -> list[tuple[str | int, ...]]:
    """One row for each kind of step and estimator, see `STEPS`."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for trial in trials:
        measured = [attempt for attempt in trial.attempts if _step_mutations(attempt)]
        for attempt in measured[:1]:
            _count(counts, attempt, "_at_first")
        for attempt in measured[-1:] if isinstance(trial.result, Task) else ():
            _count(counts, attempt, "")
            for step in _step_mutations(attempt):
                tally = counts[step.kind, attempt.estimator or ""]
                tally["mutations"] += len(step.mutations)
                tally["killed"] += sum(mutation.killed for mutation in step.mutations)
    return [(*key, *(counts[key][name] for name in STEPS[2:])) for key in sorted(counts)]


def _step_mutations(attempt: Attempt) -> tuple[StepMutations, ...]:
    return (attempt.verdict.proofs.mutations or ()) if attempt.verdict else ()


def _count(counts: dict[tuple[str, str], Counter[str]], attempt: Attempt, when: str) -> None:
    for step in _step_mutations(attempt):
        tally = counts.setdefault((step.kind, attempt.estimator or ""), Counter())
        tally[f"stated{when}"] += 1
        tally[f"detected{when}"] += step.detected

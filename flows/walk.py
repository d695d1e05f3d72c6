"""What came of a build.

`Walk` is filled stage by stage; `summarise` says it to people, `outcomes` to the catalogue, and
`write_history` keeps the history of every task in STATE. Nothing here decides anything.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from extract.dataset import DatasetRef, RawDataset
from extract.drop import Drop, Reason
from extract.evidence.evidence import SourceEvidence
from extract.files.atomic import placed
from extract.outcome import DatasetOutcome
from flows.progress import Summary
from publish.data.gate_report import gate_rows
from publish.release import Release
from publish.selecting.split import SplitEvidence
from transform.plan import Plan
from transform.task import Task
from validate.trial import Trial

_COUNTED = 6
"""Tasks of one source that count towards the yield."""


@dataclass
class Walk:
    """What came of a build so far."""

    refs: Sequence[DatasetRef] = ()
    raws: Sequence[RawDataset] = ()
    evidence: Sequence[SourceEvidence] = ()
    split: SplitEvidence | None = None
    """None while something about the sources is pending."""
    plans: Sequence[Plan] = ()
    trials: Sequence[Trial] = ()
    release: Release | None = None
    refusal: str = ""
    drops: list[Drop] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    stages: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By stage and gate: results that were computed, and that were remembered."""

    @property
    def pending(self) -> list[Drop]:
        """Work that another run may do."""
        return [drop for drop in self.drops if drop.transient]

    @property
    def kept(self) -> list[Task]:
        """Tasks that passed every gate, and publishing where it has been."""
        refused = {drop.key for drop in self.release.refused} if self.release else set()
        proven = (trial.result for trial in self.trials)
        return [t for t in proven if isinstance(t, Task) and t.spec.task_id not in refused]


def summarise(walk: Walk) -> Summary:
    """The numbers with which a build closes."""
    kept = walk.kept
    final = [drop for drop in walk.drops if not drop.transient]
    return Summary(
        funnel={
            "sources": len(walk.refs),
            "datasets": len(walk.raws),
            "plans": len(walk.plans),
            "released" if walk.release else "passed": len(kept),
            "their sources": len({task.spec.source.key for task in kept}),
        },
        yields=_yields(walk, kept),
        refused=dict(sorted(Counter(f"{d.room}: {d.reason}" for d in final).items())),
        gates=_gates(walk.trials),
        variants=dict(sorted(Counter(t.spec.instructions.variant for t in kept).items())),
        configs=_configs(walk.release),
        seconds=walk.seconds,
    )


def _configs(release: Release | None) -> dict[str, tuple[int, int]]:
    """Released tasks by config, for train and eval."""
    counts: dict[str, tuple[int, int]] = {}
    for count in release.counts if release else ():
        if count.config.startswith("tasks"):
            train, held = counts.get(count.config, (0, 0))
            is_train = count.split == "train"
            counts[count.config] = (
                train + count.rows * is_train,
                held + count.rows * (not is_train),
            )
    return counts


def _yields(walk: Walk, kept: Sequence[Task]) -> dict[str, float]:
    """Usable sources, and kept tasks for each of them, at most `_COUNTED` of one source."""
    usable = {trial.source for trial in walk.trials if _has_size(trial)}
    per_source = Counter(task.spec.source.key for task in kept)
    counted = sum(min(n, _COUNTED) for n in per_source.values())
    return {
        "usable sources": len(usable),
        f"kept tasks per usable source (at most {_COUNTED} of one)": counted / len(usable)
        if usable
        else 0.0,
    }


def _has_size(trial: Trial) -> bool:
    """Whether some draft of a task passed the size gate."""
    checks = (check for a in trial.attempts for check in (a.verdict.checks if a.verdict else ()))
    return any(check.name == "size" and check.verdict == "valid" for check in checks)


def _gates(trials: Sequence[Trial]) -> dict[str, tuple[int, int, int]]:
    """Tasks that each gate refused at first, saw mended, and cost in the end."""
    totals: dict[str, tuple[int, int, int]] = {}
    for gate, _, _, refused, mended, lost in gate_rows(trials):
        before = totals.get(str(gate), (0, 0, 0))
        now = (int(refused), int(mended), int(lost))
        totals[str(gate)] = (before[0] + now[0], before[1] + now[1], before[2] + now[2])
    return {gate: counts for gate, counts in totals.items() if any(counts)}


def write_history(path: Path, walk: Walk) -> None:
    """One JSON object a line: each stage with what it computed, then each task with its attempts.

    A task's line says what each attempt changed and met, and what it cost this machine.
    """
    stages = [
        {"stage": stage, "computed": computed, "remembered": remembered}
        for stage, (computed, remembered) in walk.stages.items()
    ]
    lines = [*stages, *map(_history, walk.trials)]
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    with placed(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _history(trial: Trial) -> Mapping[str, object]:
    attempts = [
        {
            "repair": attempt.repair.model_dump(mode="json", exclude_defaults=True),
            "estimator": attempt.estimator,
            "checks": [
                {"name": c.name, "verdict": c.verdict, "value": c.value, "evidence": c.evidence}
                for c in (attempt.verdict.checks if attempt.verdict else ())
            ],
        }
        for attempt in trial.attempts
    ]
    outcome = trial.result.reason if isinstance(trial.result, Drop) else "proven"
    return {
        "task_id": trial.task_id,
        "outcome": outcome,
        "cpu_s": {name: round(seconds, 3) for name, seconds in trial.cpu_s.items()},
        "attempts": attempts,
    }


def outcomes(walk: Walk) -> list[DatasetOutcome]:
    """What became of every dataset, for the catalogue; what is pending has been noted before."""
    kept = Counter(task.spec.source.key for task in walk.kept)
    drops: dict[str, list[Drop]] = {}
    for drop in walk.drops:
        drops.setdefault(drop.source, []).append(drop)
    reached: list[DatasetOutcome] = []
    for ref in walk.refs:
        mine = drops.get(ref.key, [])
        whole = next((drop for drop in mine if drop.key == ref.key), None)
        if n := kept[ref.key]:
            reached.append(DatasetOutcome(ref=ref, status="used", detail=f"{n} tasks"))
        elif whole is not None and not whole.transient:
            reached.append(
                DatasetOutcome(ref=ref, status="refused", reason=whole.reason, detail=whole.detail)
            )
        # While something is pending nothing is said, since the next run may keep a task.
        elif mine and not any(drop.transient for drop in mine):
            (reason, _), *_ = Counter(drop.reason for drop in mine).most_common(1)
            detail = f"none of {len(mine)} tasks was kept; most often: {reason}"
            reached.append(DatasetOutcome(ref=ref, status="refused", reason=reason, detail=detail))
    return [one for one in reached if one.reason != Reason.UNAVAILABLE]

"""Takes invented sources through the real rooms and tells who stopped what.

A source enters; leaves a `Walked`: what extraction and design refused, the plans, and the trial of
each plan under all gates. A plan may be altered on its way (`Fooled`), as a proposer would have
made it that fell for the fault, so that the gates are tried even where the heuristic is not taken
in. Nothing is judged here but by the rooms themselves.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import polars as pl

from extract.dataset import RawDataset
from extract.drop import Drop, Reason
from extract.evidence.evidence import SourceEvidence, source_evidence
from extract.memory import Memory
from extract.reading.limits import ReadConfig
from extract.reading.read import read_dataset
from extract.sources.mirror import MirrorSource
from extract.store import Store
from extract.stored_table import file_of, located
from extract.workers import Workers
from tests.faults.worlds import Source
from transform.draft_task import DesignConfig
from transform.files.task_folder import TaskFolder, lay_out
from transform.plan import Plan
from transform.plan_tasks import plan_tasks
from transform.profile.measure import ProfileConfig, profile
from transform.propose.heuristic import HeuristicProposer
from transform.rows.size import SizeConfig
from transform.rows.split import Splitting
from transform.run.execute import load_tables
from transform.task import ID_COLUMN, Task, Variant
from validate.environments.executor import Executor
from validate.gate import Gate
from validate.prover import Prover
from validate.trial import Trial
from validate.verdict import Check

Fooled = Callable[[Plan, pl.DataFrame], Plan]
"""A plan and its table; the plan as a deceived proposer would have made it."""


@dataclass(frozen=True)
class Errand:
    """What is to be walked: a source, and which of its tasks are of interest."""

    source: Source
    targets: tuple[str, ...]
    """Plans that predict some of these and nothing else are tried."""
    variants: tuple[Variant, ...]
    like: Source | None = None
    """Source whose plans are used instead of its own; its tables have the same rows."""
    fooled: Fooled | None = None

    @property
    def key(self) -> str:
        """Errands of one key are walked once."""
        how = (self.like.key if self.like else "", "fooled" if self.fooled else "")
        return "|".join((self.source.key, *self.targets, *self.variants, *how))


@dataclass(frozen=True)
class Seen:
    """A proven task with its tables, as a critic looks at it."""

    plan: Plan
    task: TaskFolder
    split_file: Path
    train: pl.DataFrame
    val: pl.DataFrame
    """With the true answers where truth was held out."""

    @classmethod
    def of(cls, plan: Plan, task: TaskFolder, store: Store) -> "Seen":
        """Read the files."""
        instructions = task.spec.instructions
        train, val = load_tables(instructions, task.public)
        if not instructions.is_executed:
            val = val.join(pl.read_parquet(task.truth_file), on=ID_COLUMN)
        return cls(plan, task, store.path(plan.split.sha256), train, val)

    @property
    def columns(self) -> set[str]:
        """Everything that ships, targets included."""
        return {column.name for column in self.task.spec.instructions.columns}


@dataclass(frozen=True)
class Walked:
    """What came of an errand."""

    drops: tuple[Drop, ...] = ()
    """Refusals of extraction and design."""
    plans: tuple[Plan, ...] = ()
    trials: tuple[Trial, ...] = ()
    raw: RawDataset | None = None
    proven: tuple[Seen, ...] = field(default=(), repr=False)

    def stopped_by(self, columns: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Who refused, or left one of the columns out: reasons, gates, `proposal`, `draft`."""
        # What our checks refuse of a proposal is refused as one.
        stops = ["proposal" if d.reason == Reason.INFEASIBLE else d.reason for d in self.drops]
        if not self.plans and not self.drops:
            stops.append("proposal")
        for plan, trial in zip(self.plans, self.trials, strict=True):
            if not set(columns) <= _named(plan):
                stops.append("proposal")
            refusals = [attempt.verdict.refusal for attempt in trial.attempts if attempt.verdict]
            stops += [check.name for check in refusals if check is not None]
            if isinstance(trial.result, Drop):
                stops.append(trial.result.reason)
        for seen in self.proven:
            at_once = all(check.verdict == "valid" for check in self._first_checks(seen))
            if at_once and any(_is_left_out(column, seen) for column in columns):
                stops.append("draft")
        return tuple(dict.fromkeys(stops))

    def _first_checks(self, seen: Seen) -> tuple[Check, ...]:
        (trial,) = (t for t in self.trials if t.task_id == seen.plan.task_id)
        verdict = trial.attempts[0].verdict
        return verdict.checks if verdict else ()


def _named(plan: Plan) -> set[str]:
    """Columns of which the plan makes use."""
    proposal = plan.proposal
    features = (feature.name for feature in proposal.features)
    return {*features, *proposal.targets, *proposal.entities, *proposal.known_covariates}


def _is_left_out(column: str, seen: Seen) -> bool:
    """Whether the plan makes use of a column that the task does not ship as planned."""
    if column in seen.plan.proposal.known_covariates:
        return column not in seen.val.columns
    return column in _named(seen.plan) and column not in seen.columns


class Walker:
    """Walks errands side by side; each key once."""

    def __init__(self, root: Path, readers: Workers, executor: Executor, gates: Sequence[Gate]):
        self.root, self.executor, self.gates = root, executor, gates
        self._readers, self._store = readers, Store(str(root / "store")).opened()
        self._memory = Memory(self._store)
        self._pool = ThreadPoolExecutor(2)
        self._known: dict[str, Future[Walked]] = {}
        self._evidence: dict[str, SourceEvidence | Drop] = {}
        self._door = Lock()

    def start(self, errand: Errand) -> Future[Walked]:
        """What will come of the errand."""
        with self._door:
            if errand.key not in self._known:
                self._known[errand.key] = self._pool.submit(self._walk, errand)
            return self._known[errand.key]

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, source: Source) -> RawDataset | Drop:
        """What extraction makes of a source."""
        place = self.root / "mirror" / source.key.replace("/", "__")
        with self._door:
            if not place.exists():
                source.write(place)
        mirror = MirrorSource(place)
        (ref,) = mirror.refs()
        raw = read_dataset(mirror, ref, self._memory, self._readers, ReadConfig())
        return raw if isinstance(raw, Drop) else located(raw, self._store)

    def evidence(self, source: Source) -> SourceEvidence | Drop:
        """What is known about a source, or why it is refused."""
        if source.key not in self._evidence:
            raw = self.read(source)
            outcome = raw if isinstance(raw, Drop) else source_evidence(raw)
            self._evidence[source.key] = outcome
        return self._evidence[source.key]

    def _walk(self, errand: Errand) -> Walked:
        raw = self.read(errand.source)
        if isinstance(raw, Drop):
            return Walked(drops=(raw,))
        model = self.read(errand.like) if errand.like else raw
        assert isinstance(model, RawDataset)
        folder = self.root / "work" / errand.key.replace("/", "__").replace("|", "-")
        made = self._plans(model)
        drops = tuple(item for item in made if isinstance(item, Drop))
        plans = [item for item in made if isinstance(item, Plan)]
        plans = [p for p in plans if p.variant in errand.variants]
        plans = [p for p in plans if set(p.proposal.targets) <= set(errand.targets)]
        if errand.fooled:
            plans = [errand.fooled(p, _table(raw, p)) for p in plans]
        trials = tuple(self._try(raw, plan) for plan in plans)
        proven = tuple(
            Seen.of(plan, lay_out(trial.result, self._store, folder / trial.task_id), self._store)
            for plan, trial in zip(plans, trials, strict=True)
            if isinstance(trial.result, Task)
        )
        return Walked(drops, tuple(plans), trials, raw, proven)

    def _plans(self, raw: RawDataset) -> tuple[Plan | Drop, ...]:
        """What the stages of a build make one after another, on the same arithmetic."""
        splitting = Splitting()
        measured = self.executor.compute(profile, raw, ProfileConfig(), splitting)
        proposals = HeuristicProposer().propose(measured)
        if isinstance(proposals, Drop):
            return (proposals,)
        return self.executor.compute(plan_tasks, raw, measured, proposals, splitting, self._store)

    def _try(self, raw: RawDataset, plan: Plan) -> Trial:
        config, size = DesignConfig(), SizeConfig()
        prover = Prover(config, size, self.gates, self.executor, self._memory)
        return prover.prove(raw, plan)


def _table(raw: RawDataset, plan: Plan) -> pl.DataFrame:
    (table,) = (table for table in raw.tables if table.name == plan.proposal.table)
    return pl.read_parquet(file_of(table))

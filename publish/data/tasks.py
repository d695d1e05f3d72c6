"""The canonical row of a task, and its exact columns.

Enter a proven task, its source and its place in the split; leaves one row of the `tasks` configs.
It is public: of the truth it holds only a salted hash, which lets an owner of the answers prove
that they are the ones, and tells nobody else anything. Columns whose maker does not exist yet are
present and null, so that the schema does not change when it comes.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from pydantic import Field

from extract.dataset import LicenceTier, RawDataset
from extract.noun import Noun
from publish.data.parquet import Row
from publish.release import Released
from publish.selecting.license_tiers import DEFAULT, RECIPES
from publish.selecting.split import Side, SplitEvidence
from transform.task import Task
from validate.verdict import BaselineScores

CANARY = "opendare:canary:5f1f7c0e-2b8a-4d39-9b65-0c7a4e91d2f8"
"""Fixed for ever: who finds it in a corpus has found rows of a release."""

_S, _I, _F = pa.string(), pa.int64(), pa.float64()
TASKS = pa.schema(
    {
        "task_id": _S,
        "task_key": _S,
        "task_hash": _S,
        "family": _S,
        "variant": _S,
        "data_source": _S,
        "prompt": pa.list_(pa.struct({"role": _S, "content": _S})),
        "ability": _S,
        "reward_model": pa.struct({"style": _S, "ground_truth": _S}),
        "extra_info": pa.struct({"split": _S, "index": _I, "task_id": _S}),
        "question": _S,
        "spec_json": _S,
        "files": pa.list_(
            pa.struct({"name": _S, "sha256": _S, "bytes": _I, "format": _S, "role": _S})
        ),
        "timeout_s": _I,
        "max_turns": _I,
        "floor": _F,
        "ceiling": _F,
        "baselines": _S,
        "difficulty": _F,
        "domain": _S,
        "language": _S,
        "n_rows": _I,
        "n_cols": _I,
        "n_tables": _I,
        "noise": pa.list_(_S),
        "checks": pa.list_(pa.struct({"name": _S, "verdict": _S, "value": _F, "threshold": _F})),
        "source_ref": _S,
        "source_version": _I,
        "license": _S,
        "license_tier": _S,
        "release": _S,
        "proposer": pa.struct({"model": _S, "prompt_hash": _S}),
        "canary": _S,
    }
)
"""Whatever differs by row (`baselines`, `spec_json`, `ground_truth`) is a JSON string."""


class RowConfig(Noun):
    """What a task allows its solver, by default as in the peer's agent setting."""

    timeout_s: int = Field(default=200, gt=0)
    """Seconds for one call of the solver's tool."""
    max_turns: int = Field(default=5, gt=0)
    """Calls of the tool before the prediction must lie there."""


@dataclass(frozen=True)
class Placed:
    """A task that ships, beside its source."""

    item: Released
    source: RawDataset
    side: Side
    config: str = DEFAULT
    """The config of the release in which its row stands."""

    @property
    def is_recipe(self) -> bool:
        """Whether a user makes its files and truth again, since the release may not hold them."""
        return self.config == RECIPES

    @property
    def task(self) -> Task:
        """The task itself."""
        return self.item.task

    @property
    def tier(self) -> LicenceTier:
        """The tier of its source's licence."""
        return self.source.licence.tier


def task_row(
    placed: Placed, index: int, release: str, config: RowConfig, evidence: SplitEvidence
) -> Row:
    """The row at place `index` of its split; `release` is the first that held this `task_hash`."""
    task, source, spec = placed.task, placed.source, placed.task.spec
    told = spec.instructions
    return {
        "task_id": spec.task_id,
        "task_key": spec.task_key,
        "task_hash": task.task_hash,
        "family": "forecasting" if told.problem == "forecasting" else "tabular",
        "variant": told.variant,
        "data_source": f"opendare/{told.variant}",
        "prompt": [{"role": "user", "content": spec.question}],
        "ability": "data-science",
        "reward_model": {"style": "rule", "ground_truth": ground_truth(task)},
        "extra_info": {"split": placed.side, "index": index, "task_id": spec.task_id},
        "question": spec.literal_text,
        "spec_json": told.model_dump_json() if told.is_executed else None,
        "files": [file.model_dump() for file in spec.files],
        "timeout_s": config.timeout_s,
        "max_turns": config.max_turns,
        **_room(placed.item.verdict.proofs.baseline_scores, graded_by_equality=told.is_executed),
        "domain": evidence.domains.get(source.ref.key, "other"),
        "language": evidence.languages.get(source.ref.key),
        "n_rows": spec.n_rows,
        "n_cols": spec.n_cols,
        "n_tables": told.data.parts,
        "noise": list(spec.noise),
        "checks": [_check(check.model_dump()) for check in placed.item.verdict.checks],
        "source_ref": source.ref.key,
        "source_version": source.ref.version,
        "license": source.licence.spdx,
        "license_tier": placed.tier,
        "release": release,
        "proposer": {"model": spec.proposer, "prompt_hash": None},
        "canary": CANARY,
    }


def _room(baseline_scores: BaselineScores | None, *, graded_by_equality: bool) -> Row:
    """Difficulty is what the best scripted solver leaves.

    Of tasks that are graded by equality only the baselines ship: they say what the reference
    reaches on the true targets, which does not normalise the score of a solver that has to equal
    it.
    """
    row: dict[str, object] = dict.fromkeys(("floor", "ceiling", "baselines", "difficulty"))
    if baseline_scores is None:
        return row
    baselines = {
        baseline.solver: {"score": baseline.score, "skill": baseline.skill}
        for baseline in baseline_scores.baselines
    }
    row["baselines"] = json.dumps(baselines)
    if not graded_by_equality:
        difficulty = float(f"{1 - baseline_scores.ceiling:.3g}")
        row.update(
            floor=baseline_scores.floor, ceiling=baseline_scores.ceiling, difficulty=difficulty
        )
    return row


def ground_truth(task: Task) -> str:
    """JSON of what the grader needs beside the truth, with the salted answer hash."""
    grading = task.truth.grading.model_dump(mode="json")
    return json.dumps(grading | {"answer_hash": answer_hash(task)}, ensure_ascii=False)


def answer_hash(task: Task) -> str:
    """`sha256(salt + ":" + sha256(truth))` with `salt = sha256("opendare:" + task_key)`, in hex.

    The salt keeps equal answers of two tasks from having equal hashes.
    """
    salt = hashlib.sha256(f"opendare:{task.spec.task_key}".encode()).hexdigest()
    return hashlib.sha256(f"{salt}:{task.truth.sha256}".encode()).hexdigest()


def _check(check: Mapping[str, object]) -> dict[str, object]:
    return {name: check[name] for name in ("name", "verdict", "value", "threshold")}

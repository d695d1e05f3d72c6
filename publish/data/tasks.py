"""The canonical row of a task, its exact columns, and the configs in which the rows stand.

Takes the shipped tasks; writes one config for each licence tier's name, with a split for each side.
A row is public: of the truth it holds only a salted hash, which lets an owner of the answers prove
that they are the ones, and tells nobody else anything. Columns whose maker does not exist yet are
present and null, so that the schema does not change when it comes.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from publish.data.ground_truth import ground_truth
from publish.data.parquet import TableRow, write_rows
from publish.release import SplitCount
from publish.released_task import ReleasedTask
from publish.selecting.previous import first_releases
from publish.selecting.split import SplitEvidence, SplitSide
from publish.settings import PublishConfig
from publish.writer import ReleaseContents, ReleaseWriter
from validate.verdict import BaselineScores

CANARY = "opendare:canary:5f1f7c0e-2b8a-4d39-9b65-0c7a4e91d2f8"
"""Fixed for ever: who finds it in a corpus has found rows of a release."""

_S, _I, _F = pa.string(), pa.int64(), pa.float64()
TASKS_SCHEMA = pa.schema(
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


class TaskTables(ReleaseWriter):
    """Writes the configs of all tiers, the default first."""

    name = "data/tasks"
    order = 10

    def write(self, folder: Path, contents: ReleaseContents) -> Sequence[SplitCount]:
        """Write `data/<config>/{train,eval}-*.parquet`, rows by task id."""
        # `tasks` is the least of the names, and `train` goes before `eval`, as readers expect.
        ordered = sorted(contents.tasks, key=lambda e: (e.config, e.side != "train", e.task_id))
        groups = groupby(ordered, lambda entry: (entry.config, entry.side))
        return [
            write_split(folder, config, side, list(group), contents)
            for (config, side), group in groups
        ]


def write_split(
    folder: Path,
    config: str,
    side: SplitSide,
    tasks: Sequence[ReleasedTask],
    contents: ReleaseContents,
) -> SplitCount:
    """Write the rows of one split in the order given."""
    first, settings = first_releases(contents.previous), contents.settings
    releases = [first.get(entry.task.task_hash, settings.release) for entry in tasks]
    rows = [
        task_row(entry, index, releases[index], settings, contents.evidence)
        for index, entry in enumerate(tasks)
    ]
    write_rows(folder / "data" / config, side, TASKS_SCHEMA, rows)
    path = f"data/{config}/{side}-*.parquet"
    return SplitCount(config=config, split=side, path=path, rows=len(rows))


def task_row(
    entry: ReleasedTask, index: int, release: str, settings: PublishConfig, evidence: SplitEvidence
) -> TableRow:
    """The row at place `index` of its split; `release` is the first that held this `task_hash`."""
    task, source, spec = entry.task, entry.source, entry.task.spec
    instructions = spec.instructions
    return {
        "task_id": spec.task_id,
        "task_key": spec.task_key,
        "task_hash": task.task_hash,
        "family": "forecasting" if instructions.problem == "forecasting" else "tabular",
        "variant": instructions.variant,
        "data_source": f"opendare/{instructions.variant}",
        "prompt": [{"role": "user", "content": spec.question}],
        "ability": "data-science",
        "reward_model": {"style": "rule", "ground_truth": ground_truth(task)},
        "extra_info": {"split": entry.side, "index": index, "task_id": spec.task_id},
        "question": spec.literal_text,
        "spec_json": instructions.model_dump_json() if instructions.is_executed else None,
        "files": [file.model_dump() for file in spec.files],
        "timeout_s": settings.timeout_s,
        "max_turns": settings.max_turns,
        **_scores(
            entry.proven.verdict.proofs.baseline_scores, graded_by_equality=instructions.is_executed
        ),
        "domain": evidence.domains.get(source.ref.key, "other"),
        "language": evidence.languages.get(source.ref.key),
        "n_rows": spec.n_rows,
        "n_cols": spec.n_cols,
        "n_tables": instructions.data.parts,
        "noise": list(spec.noise),
        "checks": [_check(check.model_dump()) for check in entry.proven.verdict.checks],
        "source_ref": source.ref.key,
        "source_version": source.ref.version,
        "license": source.licence.spdx,
        "license_tier": entry.tier,
        "release": release,
        "proposer": {"model": spec.proposer, "prompt_hash": None},
        "canary": CANARY,
    }


def _scores(baseline_scores: BaselineScores | None, *, graded_by_equality: bool) -> TableRow:
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


def _check(check: Mapping[str, object]) -> dict[str, object]:
    return {name: check[name] for name in ("name", "verdict", "value", "threshold")}

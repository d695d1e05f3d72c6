"""Recipes: how a task is made again that may not be passed on.

Where a licence allows no copies, a release holds neither files nor truth of a task, but their
hashes and what leads to them. `recipes_of` writes that down while a release is made;
`shipped_recipes` reads it back from a finished one; `make_again` follows it, given the source's
files, and gives the task for its hashes to be compared (`flows/restore.py`).

A recipe holds the proposals rather than asking for them again: they were drawn from the page of the
source too, which its owner may edit. The knobs stand in `config.json`, once. Not guaranteed: equal
bytes under another version of this program or of its libraries; the recipe names its own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow.parquet as pq
from pydantic import ValidationError

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.noun import Noun
from extract.reading.limits import ReadConfig
from extract.stored_table import read_stored
from publish.data.manifest import is_restored, list_files, read_manifest
from publish.data.parquet import Row
from publish.release import PublishError, Recipe, ReleaseFile
from publish.selecting.license_tiers import RECIPES
from transform.files.rendered_task import identify
from transform.plan import Plan
from transform.plan_tasks import DesignConfig, draft, plan_tasks
from transform.profile.measure import ProfileConfig, profile
from transform.propose.heuristic import HeuristicProposer, ProposeConfig
from transform.rows.size import SizeConfig
from transform.rows.split import Splitting, split_rows
from transform.run.execute import execute
from transform.task import Task
from validate.trial import Trial

_VERSIONED = ("opendare", "polars", "pyarrow", "numpy", "scikit-learn", "scipy", "statsmodels")


class NotMadeError(Exception):
    """A recipe that does not lead to a task here; the message says where it ended."""


class Knobs(Noun):
    """What of the configuration shapes a task."""

    profile: ProfileConfig
    propose: ProposeConfig
    design: DesignConfig
    size: SizeConfig
    seed: int
    read: ReadConfig

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> "Knobs":
        """Those of a resolved configuration, as `config.json` holds it."""
        return cls.model_validate(
            {
                "profile": resolved["profile"],
                "propose": resolved["propose"],
                "design": resolved["design"],
                "size": resolved["gates"]["size"]["limits"],
                "seed": resolved["seed"],
                "read": resolved["read"],
            }
        )

    @property
    def splitting(self) -> Splitting:
        """What decides a split but the data and the proposals."""
        return Splitting(config=self.design.split, size=self.size, seed=self.seed)


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe in a release, with what it must lead to."""

    recipe: Recipe
    task: Row
    """Row of the public config."""
    answer: Row
    """Row of `data/answers`, without truth and program."""
    is_restored: bool
    """Whether files and truth lie in the release already."""

    @property
    def task_id(self) -> str:
        """The task's durable name."""
        return str(self.task["task_id"])

    @property
    def files(self) -> dict[str, str]:
        """SHA-256 by name."""
        return {file["name"]: file["sha256"] for file in self.task["files"]}


def recipes_of(
    trials: Sequence[Trial], sources: Sequence[RawDataset], resolved: Mapping[str, Any]
) -> dict[str, Recipe]:
    """The recipe of every proven task whose licence allows nothing else, by task id.

    Plans are drawn again from what a user will have, data and published settings, so that a task
    to which these do not lead has no recipe.
    """
    proven = {t.task_id: t for t in trials if isinstance(t.result, Task)}
    found: dict[str, Recipe] = {}
    for source in sources:
        mine = {key for key, trial in proven.items() if trial.source == source.ref.key}
        if source.licence.tier == "recipe-only" and mine:
            plans = _plans(source, Knobs.of(resolved))
            found |= {
                plan.task_id: _recipe(source, plan, plans, proven[plan.task_id])
                for plan in plans
                if plan.task_id in mine
            }
    return found


def _plans(source: RawDataset, knobs: Knobs) -> list[Plan]:
    measured = profile(source, knobs.profile, knobs.splitting)
    proposals = HeuristicProposer(knobs.propose).propose(measured)
    if isinstance(proposals, Drop):
        return []
    with TemporaryDirectory() as folder:
        drawn = plan_tasks(source, measured, proposals, knobs.splitting, Path(folder))
    return [plan for plan in drawn if isinstance(plan, Plan)]


def _recipe(source: RawDataset, plan: Plan, plans: Sequence[Plan], trial: Trial) -> Recipe:
    (table,) = (table for table in source.tables if table.name == plan.proposal.table)
    proposals = list(dict.fromkeys(p.proposal for p in plans if p.proposal.table == table.name))
    return Recipe(
        source=source.ref,
        source_sha256=source.sha256,
        columns=tuple(column.name for column in table.columns),
        table_sha256=table.sha256,
        proposals=tuple(proposal.model_copy(update={"reasons": ()}) for proposal in proposals),
        chosen=proposals.index(plan.proposal),
        variant=plan.variant,
        repair=trial.attempts[-1].repair,
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Of this program and the libraries that write and compute, as installed."""
    return {name: version(name) for name in _VERSIONED}


# --- reading a release --------------------------------------------------------------------------


def read_knobs(release: Path) -> Knobs:
    """The knobs of a release. Raises `PublishError` when it is none, or one of another version."""
    listed = read_manifest(release)
    if listed is None:
        raise PublishError(f"{release} holds no release; expected a folder with a manifest")
    _check_whole(release, listed)
    try:
        return Knobs.of(json.loads((release / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublishError(
            f"{release / 'config.json'} cannot be read, {_said(error)}; this is OpenDARE "
            f"{version('opendare')}, the recipes in data/answers name the version that made them"
        ) from error


def _check_whole(release: Path, listed: Sequence[ReleaseFile]) -> None:
    """Raise `PublishError` for the first file that is not as the manifest says."""
    expected = {file.path: file.sha256 for file in listed}
    found = {file.path: file.sha256 for file in list_files(release)}
    for path in sorted(expected):
        if found.get(path) != expected[path]:
            raise PublishError(
                f"{release / path}: expected sha256 {expected[path]} as manifest.json says, found "
                f"{found.get(path, 'no such file')}; download the release again"
            )


def shipped_recipes(release: Path) -> tuple[ShippedRecipe, ...]:
    """All recipes of a release by task id. Raises `PublishError` for one that cannot be read."""
    tasks = _rows(release, RECIPES, ("task_id", "files"))
    shipped = [
        path for path in _shards(release, "answers") if not is_restored(_name(release, path))
    ]
    whole = _whole_tasks(release)
    found = []
    for path in shipped:
        for answer in _read(path):
            key = answer["task_id"]
            if key in tasks and answer.get("recipe") is not None:
                recipe = _parsed(answer)
                files = {file["sha256"] for file in tasks[key]["files"]}
                ready = key in whole.answers and files <= whole.files
                found.append(ShippedRecipe(recipe, tasks[key], answer, ready))
    if lacking := tasks.keys() - {entry.task_id for entry in found}:
        raise PublishError(f"{len(lacking)} tasks of {RECIPES} lack a recipe: {min(lacking)}")
    return tuple(sorted(found, key=lambda entry: entry.task_id))


def _parsed(answer: Row) -> Recipe:
    try:
        recipe = Recipe.model_validate_json(answer["recipe"])
    except ValidationError as error:
        raise PublishError(
            f"the recipe of {answer['task_id']} is broken, {_said(error)}"
        ) from error
    if recipe.chosen >= len(recipe.proposals):
        raise PublishError(f"the recipe of {answer['task_id']} is broken: it chooses no proposal")
    return recipe


@dataclass(frozen=True)
class _Whole:
    """What was restored before."""

    answers: frozenset[str]
    files: frozenset[str]


def _whole_tasks(release: Path) -> _Whole:
    answers = [p for p in _shards(release, "answers") if is_restored(_name(release, p))]
    return _Whole(
        frozenset(row["task_id"] for path in answers for row in _read(path, ("task_id",))),
        frozenset(
            row["sha256"] for path in _shards(release, "files") for row in _read(path, ("sha256",))
        ),
    )


def _rows(release: Path, config: str, columns: Sequence[str]) -> dict[str, Row]:
    return {
        row["task_id"]: row for path in _shards(release, config) for row in _read(path, columns)
    }


def _shards(release: Path, config: str) -> list[Path]:
    return sorted(release.glob(f"data/{config}/*.parquet"))


def _name(release: Path, path: Path) -> str:
    return path.relative_to(release).as_posix()


def _read(path: Path, columns: Sequence[str] | None = None) -> list[Row]:
    rows: list[Row] = pq.ParquetFile(path).read(columns).to_pylist()
    return rows


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


# --- following a recipe -------------------------------------------------------------------------


def make_again(raw: RawDataset, recipe: Recipe, knobs: Knobs, folder: Path) -> Task:
    """The task of a recipe from the dataset that it names, its files in `folder`.

    To be called on the arithmetic of the reference. Raises `NotMadeError` where the recipe does not
    fit the data, and what an estimator raises that does not.
    """
    allowed = _allowed(raw, recipe)
    plan = _plan(allowed, recipe, knobs, folder)
    made = draft(allowed, plan, knobs.design, knobs.size, folder)
    if isinstance(made, Drop):
        raise NotMadeError(f"it is refused with {made.reason}: {made.detail}")
    truth = made.truth or execute(made, made.private / "truth.parquet")
    return Task(spec=made.spec, folder=made.folder, truth=truth)


def _allowed(raw: RawDataset, recipe: Recipe) -> RawDataset:
    """The dataset with the one table, its columns, and the tier under which the task was made."""
    name = recipe.proposals[recipe.chosen].table
    table = next((table for table in raw.tables if table.name == name), None)
    by_name = {column.name: column for column in table.columns} if table else {}
    missing = [column for column in recipe.columns if column not in by_name]
    if table is None or missing:
        what = f"column {missing[0]!r} of table {name!r}" if table else f"table {name!r}"
        raise NotMadeError(f"the files were read without {what}")
    kept = table.model_copy(update={"columns": tuple(by_name[name] for name in recipe.columns)})
    licence = raw.licence.model_copy(update={"tier": "recipe-only"})
    return raw.model_copy(update={"tables": (kept,), "licence": licence})


def _plan(raw: RawDataset, recipe: Recipe, knobs: Knobs, folder: Path) -> Plan:
    (table,) = raw.tables
    split = split_rows(read_stored(table), recipe.proposals, knobs.splitting, recipe.table_sha256)
    if isinstance(split, Drop):
        raise NotMadeError(f"its rows cannot be split: {split.detail}")
    proposal = recipe.proposals[recipe.chosen]
    return Plan(
        task_id=identify(proposal, recipe.variant, split),
        variant=recipe.variant,
        proposal=proposal,
        split=split.write(folder),
        repair=recipe.repair,
    )

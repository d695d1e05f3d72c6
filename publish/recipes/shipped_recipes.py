"""Recipes as a finished release holds them: what they must lead to, and what is there already.

Takes a release folder; returns its settings and recipes. The folder must be as its manifest says,
but for what was restored into it. Not guaranteed: that a recipe can be followed here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq
from pydantic import ValidationError

from publish.data.manifest import is_restored, list_files, read_manifest
from publish.data.parquet import TableRow
from publish.recipes.recipe_settings import RecipeSettings
from publish.release import PublishError, Recipe, ReleaseFile
from publish.selecting.license_tiers import RECIPE_CONFIG


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe in a release, with what it must lead to."""

    recipe: Recipe
    task: TableRow
    """Row of the public config."""
    answer: TableRow
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


def read_settings(release: Path) -> RecipeSettings:
    """The settings of a release. Raises `PublishError` for none, and for another version's."""
    listed = read_manifest(release)
    if listed is None:
        raise PublishError(f"{release} holds no release; expected a folder with a manifest")
    _check_whole(release, listed)
    try:
        return RecipeSettings.of(json.loads((release / "config.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PublishError(
            f"{release / 'config.json'} cannot be read, {_short(error)}; this is OpenDARE "
            f"{version('opendare')}, the recipes in data/answers name the version that made them"
        ) from error


def _check_whole(release: Path, listed: Sequence[ReleaseFile]) -> None:
    """Raise `PublishError` for the first file that is not as the manifest says."""
    expected = {file.path: file.sha256 for file in listed}
    actual = {file.path: file.sha256 for file in list_files(release)}
    for path in sorted(expected):
        if actual.get(path) != expected[path]:
            raise PublishError(
                f"{release / path}: expected sha256 {expected[path]} as manifest.json says, found "
                f"{actual.get(path, 'no such file')}; download the release again"
            )


def shipped_recipes(release: Path) -> tuple[ShippedRecipe, ...]:
    """All recipes of a release by task id. Raises `PublishError` for one that cannot be read."""
    tasks = {
        row["task_id"]: row
        for path in _shards(release, RECIPE_CONFIG)
        for row in _read(path, ("task_id", "files"))
    }
    shards = _shards(release, "answers")
    answered = [a for p in shards if not is_restored(_name(release, p)) for a in _read(p)]
    ready = _restored_tasks(release)
    recipes = [
        ShippedRecipe(_parsed(answer), task, answer, ready.holds(task))
        for answer in answered
        if answer.get("recipe") is not None and (task := tasks.get(answer["task_id"]))
    ]
    if lacking := tasks.keys() - {entry.task_id for entry in recipes}:
        raise PublishError(f"{len(lacking)} tasks of {RECIPE_CONFIG} lack a recipe: {min(lacking)}")
    return tuple(sorted(recipes, key=lambda entry: entry.task_id))


def _parsed(answer: TableRow) -> Recipe:
    try:
        recipe = Recipe.model_validate_json(answer["recipe"])
    except ValidationError as error:
        raise PublishError(
            f"the recipe of {answer['task_id']} is broken, {_short(error)}"
        ) from error
    if recipe.chosen >= len(recipe.proposals):
        raise PublishError(f"the recipe of {answer['task_id']} is broken: it chooses no proposal")
    return recipe


@dataclass(frozen=True)
class _Restored:
    """What was restored before."""

    answers: frozenset[str]
    files: frozenset[str]

    def holds(self, task: TableRow) -> bool:
        """Whether truth and all files are there: a kill may have left the files alone."""
        files = {file["sha256"] for file in task["files"]}
        return task["task_id"] in self.answers and files <= self.files


def _restored_tasks(release: Path) -> _Restored:
    answers = [p for p in _shards(release, "answers") if is_restored(_name(release, p))]
    files = _shards(release, "files")
    return _Restored(
        frozenset(row["task_id"] for path in answers for row in _read(path, ("task_id",))),
        frozenset(row["sha256"] for path in files for row in _read(path, ("sha256",))),
    )


def _shards(release: Path, config: str) -> list[Path]:
    return sorted(release.glob(f"data/{config}/*.parquet"))


def _name(release: Path, path: Path) -> str:
    return path.relative_to(release).as_posix()


def _read(path: Path, columns: Sequence[str] | None = None) -> list[TableRow]:
    rows: list[TableRow] = pq.ParquetFile(path).read(columns).to_pylist()
    return rows


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"

"""Makes a task again from its recipe and the files of its source.

Takes the dataset as this user read it; returns the task with files and truth in a folder, for its
hashes to be compared (`flows/restore.py`). Not guaranteed: that they are equal.
"""

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.store import Store
from extract.stored_table import locate, read_stored
from publish.recipes.recipe_settings import RecipeSettings
from publish.release import Recipe
from transform.draft_task import draft
from transform.files.task_folder import TaskFolder
from transform.plan import Plan
from transform.rows.split import split_rows
from transform.run.execute import execute
from transform.task import Task
from transform.task_id import identify


class RecipeError(Exception):
    """A recipe that does not lead to a task here; the message says where it ended."""


def follow_recipe(raw: RawDataset, recipe: Recipe, settings: RecipeSettings, store: Store) -> Task:
    """The task of a recipe from the dataset that it names, its files in the store.

    To be called on the arithmetic of the reference. Raises `RecipeError` where the recipe does not
    fit the data, and what an estimator raises that does not.
    """
    allowed = _allowed(raw, recipe)
    plan = _plan(allowed, recipe, settings, store)
    with store.scratch() as folder:
        made = draft(allowed, plan, settings.design, settings.size, store, folder)
        if isinstance(made, Drop):
            raise RecipeError(f"it is refused with {made.reason}: {made.detail}")
        truth = made.truth or execute(made)
        return TaskFolder(spec=made.spec, folder=made.folder, truth=truth).keep(store)


def _allowed(raw: RawDataset, recipe: Recipe) -> RawDataset:
    """The dataset with the one table, its columns, and the tier under which the task was made."""
    name = recipe.proposals[recipe.chosen].table
    table = next((table for table in raw.tables if table.name == name), None)
    by_name = {column.name: column for column in table.columns} if table else {}
    missing = [column for column in recipe.columns if column not in by_name]
    if table is None or missing:
        what = f"column {missing[0]!r} of table {name!r}" if table else f"table {name!r}"
        raise RecipeError(f"the files were read without {what}")
    kept = table.model_copy(update={"columns": tuple(by_name[name] for name in recipe.columns)})
    licence = raw.licence.model_copy(update={"tier": "recipe-only"})
    return raw.model_copy(update={"tables": (kept,), "licence": licence})


def _plan(raw: RawDataset, recipe: Recipe, settings: RecipeSettings, store: Store) -> Plan:
    (table,) = raw.tables
    split = split_rows(
        read_stored(locate(table, store)), recipe.proposals, settings.splitting, recipe.table_sha256
    )
    if isinstance(split, Drop):
        raise RecipeError(f"its rows cannot be split: {split.detail}")
    proposal = recipe.proposals[recipe.chosen]
    return Plan(
        task_id=identify(proposal, recipe.variant, split),
        variant=recipe.variant,
        proposal=proposal,
        split=split.write(store),
        repair=recipe.repair,
    )

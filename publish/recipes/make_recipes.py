"""How tasks whose data may not be passed on are made again: written down while a release is made.

Where a licence allows no copies, a release holds neither files nor truth of a task, but their
hashes and what leads to them. Takes proven tasks, their sources and the published configuration;
returns a recipe for each task that these lead to. A recipe holds the proposals rather than asking
for them again: they were made from the page of the source too, which its owner may edit. The
settings stand in `config.json`, once. Not guaranteed: equal bytes under another version of this
program or of its libraries; the recipe names its own.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from extract.dataset import RawDataset
from extract.drop import Drop
from extract.store import Store
from extract.stored_table import located
from publish.recipes.recipe_settings import RecipeSettings, versions
from publish.release import Recipe
from transform.plan import Plan
from transform.plan_tasks import plan_tasks
from transform.profile.measure import profile
from transform.propose.heuristic import HeuristicProposer
from transform.task import Task
from validate.trial import Trial


def recipes_of(
    trials: Sequence[Trial],
    sources: Sequence[RawDataset],
    configuration: Mapping[str, Any],
    store: Store,
) -> dict[str, Recipe]:
    """The recipe of every proven task whose licence allows nothing else, by task id.

    Plans are drawn again from what a user will have, data and published settings, so that a task
    to which these do not lead has no recipe.
    """
    withheld = [source for source in sources if source.licence.tier == "recipe-only"]
    recipes: dict[str, Recipe] = {}
    for source in withheld:
        own = [trial for trial in trials if trial.source == source.ref.key]
        proven = {trial.task_id: trial for trial in own if isinstance(trial.result, Task)}
        if proven:
            plans = _plans(source, RecipeSettings.of(configuration), store)
            recipes |= {
                plan.task_id: _recipe(source, plan, plans, proven[plan.task_id])
                for plan in plans
                if plan.task_id in proven
            }
    return recipes


def _plans(source: RawDataset, settings: RecipeSettings, store: Store) -> list[Plan]:
    measured = profile(located(source, store), settings.profile, settings.splitting)
    proposals = HeuristicProposer(settings.propose).propose(measured)
    if isinstance(proposals, Drop):
        return []
    plans = plan_tasks(source, measured, proposals, settings.splitting, store)
    return [plan for plan in plans if isinstance(plan, Plan)]


def _recipe(source: RawDataset, plan: Plan, plans: Sequence[Plan], trial: Trial) -> Recipe:
    (table,) = (table for table in source.tables if table.name == plan.proposal.table)
    proposals = list(dict.fromkeys(p.proposal for p in plans if p.proposal.table == table.name))
    return Recipe(
        source=source.ref,
        source_sha256=source.sha256,
        columns=tuple(column.name for column in table.columns),
        table_sha256=table.sha256,
        # Reasons may quote cells of the source; nothing that is made depends on them.
        proposals=tuple(proposal.model_copy(update={"reasons": ()}) for proposal in proposals),
        chosen=proposals.index(plan.proposal),
        variant=plan.variant,
        repair=trial.attempts[-1].repair,
        versions=versions(),
    )

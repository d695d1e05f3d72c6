"""Fills the cache of a source without building: `opendare fetch`.

Every dataset that the searches want is brought as in a build; what is here already is not brought
again. A Prefect flow with one task for each dataset. Killed at any moment, the same command goes
on; a dataset that is refused, or fails in any way, costs itself only.
"""

import sys
from collections import Counter
from collections.abc import Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.source import Listing
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED, tell_pending
from flows.progress import Progress, Summary, print_summary
from flows.resources import opened, resources
from flows.runner.interrupt import ends_at_once
from flows.runner.task_runner import threads
from flows.settings import Settings
from flows.stages import fetch_dataset

_Results = tuple[Listing | Drop, ...]


def fetch(settings: Settings) -> int:
    """Bring all datasets and print what came; returns the exit code of `opendare fetch`."""
    kind = settings.source.chosen
    if not kind.service:
        print(
            f"nothing to fetch: source.kind is {kind.kind}, which is on this machine; expected a "
            "service, as in --config configs/kaggle.yaml",
            file=sys.stderr,
        )
        return EXIT_REFUSED
    with ends_at_once(), opened(settings) as at:
        source, refs = at.source, at.refs
        results = fetch_all.with_options(task_runner=threads(kind.n_connections))(settings)
    print_summary(_summary(refs, results))
    news = (
        f"{source.bytes_transferred} bytes of archives came"
        if source.bytes_transferred
        else "nothing new"
    )
    print(f"mirror {settings.source_folder}: {news}")
    pending = [item for item in results if isinstance(item, Drop) and item.transient]
    return tell_pending(pending, "not all is here") if pending else EXIT_DONE


@flow(name="fetch")
def fetch_all(settings: Settings) -> _Results:
    """What came of every dataset that the source lists, in its order."""
    refs = resources(settings).refs
    run = task(name="fetch", cache_policy=NO_CACHE, persist_result=False)(fetch_dataset)
    with Progress("fetch", len(refs)) as progress:
        futures = {run.submit(ref, settings): ref for ref in refs}
        for done in as_completed(list(futures)):
            progress.advance(str(futures[done]))
        return tuple(item for future in futures for item in future.result())


def _summary(refs: Sequence[DatasetRef], results: _Results) -> Summary:
    drops = [item for item in results if isinstance(item, Drop)]
    reasons = Counter(f"{drop.room}: {drop.reason}" for drop in drops)
    return Summary(
        funnel={"datasets": len(refs), "in the mirror": len(results) - len(drops)},
        refused=dict(sorted(reasons.items())),
    )

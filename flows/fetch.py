"""Fills the cache of a source without building: `opendare fetch`.

Every dataset that the searches want is brought as in a build; what is here already is not brought
again. A Prefect flow with one task for each dataset. Killed at any moment, the same command goes
on; a dataset that is refused, or fails in any way, costs itself only.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.kaggle.source import KaggleSource
from extract.source import Listing, Source
from flows.build import threads
from flows.exit_codes import EXIT_DONE, EXIT_REFUSED, tell_pending
from flows.progress import Progress, Summary, print_summary
from flows.settings import Settings
from flows.sources import open_source
from flows.stages import fetch_dataset

_Found = tuple[Listing | Drop, ...]


def fetch(settings: Settings, environment: Mapping[str, str]) -> int:
    """Bring all datasets and print what came; returns the exit code of `opendare fetch`."""
    if settings.source.kind != "kaggle":
        print(
            f"nothing to fetch: source.kind is {settings.source.kind}; expected kaggle, as in "
            "--config configs/kaggle.yaml",
            file=sys.stderr,
        )
        return EXIT_REFUSED
    with open_source(settings, environment) as source:
        assert isinstance(source, KaggleSource), "the kind says so"
        refs = source.refs()
        connections = settings.source.kaggle.service.connections
        found = fetch_all.with_options(task_runner=threads(connections))(source, refs)
    print_summary(_summary(refs, found))
    news = f"{source.brought} bytes of archives came" if source.brought else "nothing new"
    print(f"mirror {settings.cache}: {news}")
    pending = [item for item in found if isinstance(item, Drop) and item.transient]
    return tell_pending(pending, "not all is here") if pending else EXIT_DONE


@flow(name="fetch", validate_parameters=False)
def fetch_all(source: Source, refs: Sequence[DatasetRef]) -> _Found:
    """What came of every dataset, in the order of `refs`."""
    run = task(name="fetch", cache_policy=NO_CACHE, persist_result=False)(fetch_dataset)
    with Progress("fetch", len(refs)) as progress:
        futures = {run.submit(ref, source): ref for ref in refs}
        for done in as_completed(list(futures)):
            progress.advance(str(futures[done]))
        return tuple(item for future in futures for item in future.result())


def _summary(refs: Sequence[DatasetRef], found: _Found) -> Summary:
    drops = [item for item in found if isinstance(item, Drop)]
    reasons = Counter(f"{drop.room}: {drop.reason}" for drop in drops)
    return Summary(
        funnel={"datasets": len(refs), "in the mirror": len(found) - len(drops)},
        refused=dict(sorted(reasons.items())),
    )

"""Fills the cache of a source without building: `opendare fetch`.

Every dataset that the searches want is brought as in a build, whose first stage this is; what is
here already is not brought again. A Prefect flow with one task for each dataset. Killed at any
moment, the same command goes on; datasets that are refused cost themselves only.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed

from extract.dataset import DatasetRef
from extract.drop import Drop
from extract.kaggle_source import KaggleSource
from extract.service import ServiceFault
from extract.source import Listing, Source
from flows.build import EXIT_DONE, EXIT_REFUSED, REFUSALS, exit_code, tell_fault, threads
from flows.progress import Progress, Summary, print_summary
from flows.settings import Settings
from flows.sources import open_source
from flows.walk import tell_owed

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
    try:
        with open_source(settings, environment) as source:
            assert isinstance(source, KaggleSource), "the kind says so"
            refs = source.refs()
            connections = settings.source.kaggle.service.connections
            found = fetch_all.with_options(task_runner=threads(connections))(source, refs)
            brought = source.brought
    except ServiceFault as fault:
        return tell_fault(fault)
    except REFUSALS as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    print_summary(_summary(refs, found))
    print(f"mirror {settings.cache}: {brought} bytes of archives came")
    owed = [item for item in found if isinstance(item, Drop) and item.transient]
    if owed:
        tell_owed(owed, "not all is here")
        return exit_code(owed)
    return EXIT_DONE


@flow(name="fetch", validate_parameters=False)
def fetch_all(source: Source, refs: Sequence[DatasetRef]) -> _Found:
    """What came of every dataset, in the order of `refs`."""
    run = task(name="fetch", cache_policy=NO_CACHE, persist_result=False)(source.listing)
    with Progress("fetch", len(refs)) as progress:
        futures = {run.submit(ref): ref for ref in refs}
        for done in as_completed(list(futures)):
            progress.advance(str(futures[done]))
        return tuple(future.result() for future in futures)


def _summary(refs: Sequence[DatasetRef], found: _Found) -> Summary:
    drops = [item for item in found if isinstance(item, Drop)]
    reasons = Counter(f"{drop.room}: {drop.reason}" for drop in drops)
    return Summary(
        funnel={"datasets": len(refs), "in the mirror": len(found) - len(drops)},
        refused=dict(sorted(reasons.items())),
    )

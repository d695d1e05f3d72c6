"""Makes the tasks again that a release may hold as recipes only: `opendare restore DIR`.

Takes a release, and a source that gives the files of its datasets to this user; writes files and
truth of each task in `data/files/restored-*` and `data/answers/restored-*`, where loaders and
`score.py` find them. Nothing is written whose hash is not the one that the release names. What is
there already is not made again; a task that fails costs itself only, and says what was expected,
what was found and what repairs it.

Not guaranteed: equal bytes under another version of OpenDARE or of its libraries. What is restored
is under its source's licence, and this user's own.
"""

import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from extract.dataset import DatasetRef, LicenceTier, RawDataset
from extract.drop import Drop, Reason
from extract.files.file_lock import file_lock
from extract.memory import Memory
from extract.reading.read import read_dataset
from extract.source import Source
from extract.store import Store
from extract.workers import WorkerDied, Workers, run_patiently
from flows.exit_codes import EXIT_DONE, EXIT_PENDING, EXIT_REFUSED, this_command
from flows.progress import Progress
from flows.resources import open_source, store_of
from flows.settings import Settings, WorkersConfig
from publish.recipes.follow_recipe import RecipeError, follow_recipe
from publish.recipes.recipe_settings import RecipeSettings, versions
from publish.recipes.restored_shards import restored_shards, write_restored_shards
from publish.recipes.shipped_recipes import ShippedRecipe, read_settings, shipped_recipes
from publish.release import PublishError
from transform.task import Task
from validate.environments.matrix import REFERENCE

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Failure:
    """Why a source or a task could not be restored."""

    message: str
    is_pending: bool = False
    """Whether the same command may do it."""


def restore_release(release: Path, settings: Settings, environment: Mapping[str, str]) -> int:
    """Restore from the source that the settings name; returns the exit code of the command.

    Every tier may be read: what comes stays with this user. `environment` is that of the user.
    """
    licence = settings.read.licence.model_copy(update={"allowed": get_args(LicenceTier)})
    read = settings.read.model_copy(update={"licence": licence})
    mine = settings.model_copy(update={"read": read})
    with (
        file_lock(mine.state / "lock", f"works in {mine.state}", "--state DIR"),
        open_source(mine, environment) as source,
    ):
        return restore(release, source, Memory(store_of(mine).opened()), mine.workers)


def restore(release: Path, source: Source, memory: Memory, limits: WorkersConfig) -> int:
    """Restore what is missing and say what came of it; returns the exit code of the command."""
    try:
        settings, recipes = read_settings(release), shipped_recipes(release)
    except PublishError as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    missing = [shipped for shipped in recipes if not shipped.is_restored]
    print(f"recipes: {len(recipes)}; restored before: {len(recipes) - len(missing)}")
    if not missing:
        print(f"nothing to do: {release} {'is restored' if recipes else 'ships no recipes'}")
        return EXIT_DONE
    raws = _read_sources(missing, source, memory, settings, limits)
    failures = {
        f"{ref} ({_n_tasks(ref, missing)} tasks)": raw
        for ref, raw in raws.items()
        if isinstance(raw, Failure)
    }
    failures |= _restore_tasks(release, missing, raws, memory.store, settings, limits)
    return _report(release, failures)


def _n_tasks(ref: DatasetRef, recipes: Sequence[ShippedRecipe]) -> int:
    return sum(shipped.recipe.source == ref for shipped in recipes)


def _report(release: Path, failures: Mapping[str, Failure]) -> int:
    for key, failure in sorted(failures.items()):
        print(
            f"{'pending' if failure.is_pending else 'failed'}: {key}: {failure.message}",
            file=sys.stderr,
        )
    if any(failure.is_pending for failure in failures.values()):
        print(f"some work is pending; continue with: {this_command()}", file=sys.stderr)
        return EXIT_PENDING
    if failures:
        return EXIT_REFUSED
    print(
        f"all recipes are restored in {release} (data/*/restored-*): for your own use; delete them "
        "before passing the folder on"
    )
    return EXIT_DONE


# --- sources ------------------------------------------------------------------------------------


def _read_sources(
    recipes: Sequence[ShippedRecipe],
    source: Source,
    memory: Memory,
    settings: RecipeSettings,
    limits: WorkersConfig,
) -> dict[DatasetRef, RawDataset | Failure]:
    """The datasets of recipes at the version that each names, or why not."""
    wanted = {shipped.recipe.source: shipped.recipe.source_sha256 for shipped in recipes}
    datasets: dict[DatasetRef, RawDataset | Failure] = {}
    with (
        Workers(limits.processes, memory_mb=settings.read.memory_mb) as workers,
        Progress("fetch", len(wanted)) as progress,
    ):
        for ref, sha256 in sorted(wanted.items(), key=str):
            raw = _guarded(partial(read_dataset, source, ref, memory, workers, settings.read))
            datasets[ref] = _as_named(raw, sha256)
            progress.advance(str(ref))
    return datasets


def _as_named(raw: RawDataset | Drop | Failure, sha256: str) -> RawDataset | Failure:
    if isinstance(raw, Drop):
        # Refused credentials are for the user to mend, not for another try.
        is_pending = raw.transient and raw.reason != Reason.NO_ACCESS
        return Failure(f"{raw.reason}: {raw.detail}", is_pending=is_pending)
    if isinstance(raw, RawDataset) and raw.sha256 != sha256:
        return Failure(
            f"data: expected sha256 {sha256}, found {raw.sha256}; these are not the files of "
            f"version {raw.ref.version}, or not all of them. Fetch that version and restore again"
        )
    return raw


# --- tasks --------------------------------------------------------------------------------------


def _restore_tasks(
    release: Path,
    recipes: Sequence[ShippedRecipe],
    raws: Mapping[DatasetRef, RawDataset | Failure],
    store: Store,
    settings: RecipeSettings,
    limits: WorkersConfig,
) -> dict[str, Failure]:
    """Make the tasks of those datasets that are there; the failures by task id."""
    possible = [s for s in recipes if isinstance(raws[s.recipe.source], RawDataset)]
    timeout_s = limits.dataset_timeout_s + limits.executor.timeout_s
    failures: dict[str, Failure] = {}
    with (
        # Made on the arithmetic of the reference, as truth was.
        Workers(limits.processes, environment=REFERENCE.process_variables) as workers,
        Progress("restore", len(possible)) as progress,
        _threads(limits.processes) as threads,
    ):

        def make(shipped: ShippedRecipe) -> Failure | None:
            arguments = (raws[shipped.recipe.source], shipped.recipe, settings, store)
            run = partial(run_patiently, workers, follow_recipe, *arguments, timeout_s=timeout_s)
            made = _guarded(run)
            if isinstance(made, Task):
                return _kept(release, shipped, made, store)
            return made if made.is_pending else Failure(made.message + _other_versions(shipped))

        futures: dict[Future[Failure | None], str] = {
            threads.submit(make, shipped): shipped.task_id for shipped in possible
        }
        for done in as_completed(futures):
            if failure := done.result():
                failures[futures[done]] = failure
            progress.advance(futures[done])
    return failures


@contextmanager
def _threads(n: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more once the block has ended, however it ended."""
    pool = ThreadPoolExecutor(n)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _kept(release: Path, shipped: ShippedRecipe, made: Task, store: Store) -> Failure | None:
    """Compare every hash and put the task into the release, or say what differs."""
    different = [f"{what}: expected {a}, found {b}" for what, a, b in _differences(shipped, made)]
    if different:
        return Failure("; ".join(different) + _other_versions(shipped))
    return _guarded(partial(_put, release, shipped, made, store))


def _differences(shipped: ShippedRecipe, made: Task) -> Iterator[tuple[str, str, str]]:
    """What differs: the thing, as the release has it, as it came out here."""
    if made.spec.task_id != shipped.task_id:
        yield "task", shipped.task_id, made.spec.task_id
    made_files = {file.name: file.sha256 for file in made.spec.files}
    for name in sorted(shipped.files.keys() | made_files.keys()):
        expected = shipped.files.get(name, "no such file")
        if made_files.get(name) != expected:
            yield name, f"sha256 {expected}", made_files.get(name, "no such file")
    if made.truth.sha256 != shipped.answer["sha256"]:
        yield "truth", f"sha256 {shipped.answer['sha256']}", made.truth.sha256


def _other_versions(shipped: ShippedRecipe) -> str:
    """A hint at what may have made other bytes, and the repair."""
    then, now = shipped.recipe.versions, versions()
    pins = [
        f"{name}=={v} (here {now.get(name, 'none')})"
        for name, v in sorted(then.items())
        if now.get(name) != v
    ]
    if not pins:
        return ". Versions are the same as in the recipe: the machine or its data differ"
    return f". Other versions may make other bytes; install {', '.join(pins)} and restore again"


def _put(release: Path, shipped: ShippedRecipe, made: Task, store: Store) -> None:
    """Write beside the release and rename into it, files before answers: a kill leaves no half."""
    place = release.resolve()
    with tempfile.TemporaryDirectory(
        dir=place.parent, prefix=f".{place.name}.restoring-"
    ) as beside:
        write_restored_shards(Path(beside), made, shipped.answer, store)
        for path in restored_shards(Path(beside)):
            target = place / path.relative_to(beside)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def _guarded(compute: Callable[[], _Result]) -> _Result | Failure:
    """What was computed, or why not; a lost worker or a broken machine may do it another time."""
    try:
        return compute()
    except (RecipeError, PublishError) as error:
        return Failure(str(error))
    except (OSError, WorkerDied) as error:
        return Failure(f"{type(error).__name__}: {error}", is_pending=True)
    except Exception as error:
        traceback.print_exception(error, file=sys.stderr)
        return Failure(f"{type(error).__name__}: {error}")

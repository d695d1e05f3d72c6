"""A task laid out in a folder of this machine, and its way into the store and out of it.

Takes a folder whose `public/` holds exactly the files of a spec and whose `private/` holds what no
solver may see; gives the `Task` that names them by content, and lays a `Task` out again. Who
computes on a task gets a folder; who hands one over hands over the noun.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from extract.noun import Noun
from extract.store import Store
from transform.task import PrivateFile, Task, TaskSpec, Truth

TRUTH_FILE = "truth.parquet"


class Draft(Noun):
    """A task that is rendered; its truth may still have to be executed."""

    spec: TaskSpec
    folder: Path
    """Holds `public/` (what a solver sees) and `private/` (what only we see)."""
    truth: Truth | None
    """Set where truth is held out rather than executed (`-mm`, `ts-`)."""

    @property
    def public(self) -> Path:
        """Folder with exactly the files of the spec."""
        return self.folder / "public"

    @property
    def private(self) -> Path:
        """Folder with what no solver may see."""
        return self.folder / "private"

    @property
    def truth_file(self) -> Path:
        """Parquet table of the id and the answer columns, ascending id."""
        return self.private / TRUTH_FILE

    @property
    def clean_file(self) -> Path:
        """IF: the table that the stated cleaning must restore."""
        return self.private / "clean.parquet"

    @property
    def noise_file(self) -> Path:
        """IF: what noise was injected where.

        `row_id`, `column` (null: the whole row was inserted), `kind` of noise, and `step`, the
        position from 1 of the step that undoes it.
        """
        return self.private / "noise.parquet"

    @property
    def phrases_file(self) -> Path:
        """IF: the `StepSpan` of each step, as a JSON list in the order of the steps."""
        return self.private / "phrases.json"

    @property
    def held_out_file(self) -> Path:
        """IF: id and true targets of the rows to predict; truth is what the steps lead to."""
        return self.private / "held_out.parquet"


class TaskFolder(Draft):
    """A draft whose truth is known, held out or executed."""

    truth: Truth

    def keep(self, store: Store) -> Task:
        """Put every file into the store; returns the task that names them."""
        for file in self.spec.files:
            assert store.add(self.public / file.name) == file.sha256, f"{file.name} has changed"
        assert store.add(self.truth_file) == self.truth.sha256, "the truth has changed"
        others = sorted(path for path in self.private.iterdir() if path.name != TRUTH_FILE)
        private = tuple(PrivateFile(name=path.name, sha256=store.add(path)) for path in others)
        return Task(spec=self.spec, truth=self.truth, private=private)


def lay_out(task: Task, store: Store, folder: Path) -> TaskFolder:
    """Copy the files of a task into `folder`. Raises `MissingError` where the store has lost one.

    They are copies, since a program that runs on them must not be able to change the store.
    """
    laid_out = TaskFolder(spec=task.spec, folder=folder, truth=task.truth)
    laid_out.public.mkdir(parents=True)
    laid_out.private.mkdir()
    for file in task.spec.files:
        shutil.copyfile(store.path(file.sha256), laid_out.public / file.name)
    shutil.copyfile(store.path(task.truth.sha256), laid_out.truth_file)
    for private in task.private:
        shutil.copyfile(store.path(private.sha256), laid_out.private / private.name)
    return laid_out


@contextmanager
def laid_out(task: Task, store: Store) -> Iterator[TaskFolder]:
    """The task in a scratch folder that is gone afterwards."""
    with store.scratch() as folder:
        yield lay_out(task, store, folder / task.spec.task_id)

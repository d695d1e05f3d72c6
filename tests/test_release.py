"""What a release promises, proved over whole releases: a small one, and one of real tables."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import proofs
from tests.building import (
    Built,
    digests,
    environment,
    kaggle_arguments,
    remember,
    run_opendare,
)
from tests.opened import OpenedRelease, OpenedTask
from tests.servers.kaggle import Faults, LoopbackKaggle

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(small_build: Built) -> OpenedRelease:
    assert small_build.code == 0, small_build.complained
    return OpenedRelease(small_build.out)


@pytest.fixture(scope="module")
def real(real_build: Built) -> OpenedRelease:
    assert real_build.code == 0, real_build.complained
    return OpenedRelease(real_build.out)


# The long one first: the other is built by another process meanwhile.
@pytest.fixture(params=["real", "small"], scope="module")
def release(request: pytest.FixtureRequest) -> OpenedRelease:
    """Each release in turn; the real one is skipped where there are no real tables."""
    opened = request.getfixturevalue(request.param)
    assert isinstance(opened, OpenedRelease)
    return opened


# --- promises of every release ----------------------------------------------------------------


def test_rows_and_ids_are_in_order(release: OpenedRelease) -> None:
    proofs.prove_rows(release)
    proofs.prove_sides(release)


def test_truth_wins_with_the_shipped_grader(release: OpenedRelease, tmp_path: Path) -> None:
    with _no_trace(release):
        proofs.prove_truth_wins(release, tmp_path)


@contextmanager
def _no_trace(release: OpenedRelease) -> Iterator[None]:
    """Nothing is written into the release meanwhile."""
    before = sorted(release.folder.rglob("*"))
    yield
    assert sorted(release.folder.rglob("*")) == before


def test_the_environments_agree(release: OpenedRelease) -> None:
    proofs.prove_environments(release, older_libraries=2)


def test_there_is_room(release: OpenedRelease) -> None:
    proofs.prove_room(release)


def test_every_step_is_seen(release: OpenedRelease) -> None:
    proofs.prove_steps(release)


def test_controls_have_their_outcome(
    release: OpenedRelease, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # What is wrong with the form of a file does not depend on the task.
    proofs.prove_controls(
        release, tmp_path, forms=request.node.callspec.params["release"] == "small"
    )


def test_no_public_file_shows_an_answer(release: OpenedRelease) -> None:
    proofs.prove_no_answer_in_tables(release)
    proofs.prove_no_answer_in_rows(release)


def test_every_config_is_read_offline(release: OpenedRelease, tmp_path: Path) -> None:
    with _no_trace(release):
        proofs.prove_readers(release, tmp_path)


def test_nothing_tells_where_it_was_made(release: OpenedRelease) -> None:
    proofs.prove_nothing_local(release, release.folder.parent, Path.cwd())


def test_some_programs_reach_truth_in_a_fresh_interpreter(
    small: OpenedRelease, tmp_path: Path
) -> None:
    executed = [task for task in small.tasks if task.executed]
    kinds = {task.row["variant"] for task in executed}
    assert kinds == {"class-if", "reg-if", "ts-if"}
    one_of_each = {task.row["variant"]: task for task in executed}
    proofs.prove_solutions(small, tmp_path, list(one_of_each.values()))


# --- the small release ------------------------------------------------------------------------


def test_the_small_release_has_every_variant_and_tier(small: OpenedRelease) -> None:
    variants = {task.row["variant"] for task in small.tasks}
    assert variants == {"class-if", "reg-if", "class-mm", "reg-mm", "ts-xf", "ts-cf", "ts-if"}
    assert {task.row["license_tier"] for task in small.tasks} == {"open", "share-alike"}
    assert {path.name for path in small.folder.glob("data/tasks*")} == {
        "tasks",
        "tasks_share-alike",
    }


def test_the_search_finds_what_is_planted(small: OpenedRelease) -> None:
    for variant in ("reg-mm", "class-mm", "ts-cf"):
        tasks = [_replanted(task, variant) for task in small.tasks]
        changed = OpenedRelease(small.folder)
        changed.__dict__["tasks"] = tasks
        with pytest.raises(AssertionError, match=rf"train of .*{variant}-\w+ shows 1 rows"):
            proofs.prove_no_answer_in_tables(changed)


def _replanted(task: OpenedTask, variant: str) -> OpenedTask:
    """The task with one held-out row in its train table, if it is of the variant."""
    if task.row["variant"] != variant:
        return task
    train, val = task.tables["train"], task.tables["val"]
    truth = task.truth.to_pandas()
    shown = val[3:4].merge(truth, on="row_id").assign(row_id=-1)
    copy = OpenedTask(task.row, task.contents, task.truth, task.answer)
    copy.__dict__["tables"] = {"train": pd.concat([train, shown]), "val": val}
    return copy


def test_a_lost_truth_is_noticed(small: OpenedRelease, tmp_path: Path) -> None:
    """The proof of truth can fail: with one changed cell it does."""
    task = next(task for task in small.tasks if task.row["variant"] == "reg-if")
    target = task.grading["targets"][0]
    values = task.truth.column(target).to_pylist()
    values[5] += 1
    place = task.truth.column_names.index(target)
    changed = task.truth.set_column(place, target, pa.array(values))
    other = OpenedRelease(small.folder)
    other.__dict__["tasks"] = [
        OpenedTask(t.row, t.contents, changed if t is task else t.truth, t.answer)
        for t in small.tasks
    ]
    with pytest.raises(AssertionError, match=task.task_id):
        proofs.prove_truth_wins(other, tmp_path)


# --- the release of real tables ---------------------------------------------------------------


def test_real_tables_give_what_was_asked(real_build: Built, real: OpenedRelease) -> None:
    sources = {task.row["source_ref"] for task in real.tasks}
    variants = Counter(task.row["variant"] for task in real.tasks)
    assert len(sources) >= 24
    assert sum(variants.values()) >= 80
    for variant in ("class-if", "reg-if", "class-mm", "reg-mm"):
        assert variants[variant] >= 8, variants
    for variant in ("ts-cf", "ts-xf", "ts-if"):
        assert variants[variant] >= 2, variants
    (line,) = (x for x in real_build.printed.splitlines() if "kept tasks per usable source" in x)
    assert float(line.split()[-1]) >= 3
    reasons = Counter(row["reason"] for row in real.rows("rejects"))
    assert not reasons.keys() & {"crashed", "timeout", "worker_died", "error"}, reasons


def test_every_program_reaches_truth_in_a_fresh_interpreter(
    real: OpenedRelease, tmp_path: Path
) -> None:
    proofs.prove_solutions(real, tmp_path)


def test_truths_are_tables_of_ids_and_answers(real: OpenedRelease) -> None:
    for task in real.tasks:
        names = ["row_id", *task.grading["targets"], *task.grading["scores"]]
        assert task.truth.column_names == names
        assert task.truth.num_rows == task.grading["n_rows"]
        assert not any(column.null_count for column in task.truth.columns)
        content = pa.BufferReader(task.answer["truth"])
        assert b"pandas" not in (pq.ParquetFile(content).schema_arrow.metadata or {})


def test_kaggle_gives_the_same_release_of_real_tables(
    mirror: Path, real_build: Built, tmp_path: Path
) -> None:
    """Through all passing faults; what the mirror's build has computed is remembered by content."""
    remember(real_build.state, tmp_path / "state")
    with LoopbackKaggle(mirror, faults=Faults.passing(5)) as server:
        variables = environment(server.environment)
        given = kaggle_arguments("build", tmp_path)
        built = run_opendare(given, tmp_path, tmp_path / "mirror", variables)
    assert built.code == 0, built.complained
    assert digests(built.out) == digests(real_build.out)

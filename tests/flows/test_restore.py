"""A source that may not be passed on: its tasks ship as recipes, and a user makes them again."""

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from extract.dataset import DatasetRef
from extract.drop import Drop, Reason
from extract.memory import Memory
from extract.source import Listing
from extract.sources.mirror import MirrorSource
from extract.store import Store
from flows.exit_codes import EXIT_DONE, EXIT_PENDING, EXIT_REFUSED
from flows.restore import restore
from flows.settings import WorkersConfig
from publish.data.manifest import list_files, read_manifest, write_manifest
from publish.recipes.restored_shards import restored_shards
from publish.release import PublishError
from publish.swap import staging, swap_in
from tests import proofs
from tests.building import (
    MIRROR_CONFIG,
    OPENDARE,
    Built,
    build,
    digests,
    environment,
    kaggle_arguments,
    run_opendare,
)
from tests.opened import OpenedRelease
from tests.servers.kaggle import Faults, LoopbackKaggle
from validate.score import GraderError, load_answers, score

pytestmark = pytest.mark.slow

OPEN = ("ann/churn", "ann/rents")
WITHHELD = ("bob/shops", "cyd/alike-one", "cyd/alike-two")
PAGE = "Collected by hand on forty Sundays"
TIERS = "[open, share-alike, recipe-only]"


@pytest.fixture(scope="module")
def mirror(small_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Open sources, and others that allow no derivatives, one of them with addresses of people."""
    root = tmp_path_factory.mktemp("withheld")
    for key in (*OPEN, *WITHHELD):
        shutil.copytree(small_mirror / key, root / key)
    for key in WITHHELD:
        path = root / key / "dataset-metadata.json"
        metadata = {"licenses": [{"name": "CC-BY-ND-4.0"}], "description": PAGE}
        path.write_text(json.dumps(json.loads(path.read_text()) | metadata))
    _with_addresses(root / "cyd/alike-one/flats.csv")
    return root


def _with_addresses(path: Path) -> None:
    header, *rows = _cells(path)
    with_addresses = [[*row, f"tenant{i}@example.org"] for i, row in enumerate(rows)]
    _write(path, [[*header, "email"], *with_addresses])


def _cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture(scope="module")
def built(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A release with recipes; nobody writes into it."""
    place = tmp_path_factory.mktemp("built")
    more = ("--set", f"read.licence.allowed={TIERS}", "--set", "environments.library_versions=[]")
    return build(mirror, place, *more)


@pytest.fixture
def release(built: Built, tmp_path: Path) -> Path:
    """A copy, as a user has downloaded it."""
    assert built.code == 0, built.complained
    shutil.copytree(built.out, tmp_path / "release")
    return tmp_path / "release"


@pytest.fixture(scope="module")
def restored(built: Built, mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A restored copy; nobody writes into it."""
    place = tmp_path_factory.mktemp("restored")
    shutil.copytree(built.out, place / "release")
    assert _restore(place / "release", MirrorSource(mirror), place / "state") == EXIT_DONE
    return place / "release"


def _restore(release: Path, source: Any, state: Path) -> int:
    memory = Memory(Store(str(state)).opened())
    return restore(release, source, memory, WorkersConfig(count=2))


def _rows(release: Path, config: str) -> list[dict[str, Any]]:
    paths = sorted(release.glob(f"data/{config}/*.parquet"))
    return [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]


# --- what ships -------------------------------------------------------------------------------


def test_recipes_have_both_sides_and_every_family(release: Path) -> None:
    rows = _rows(release, "tasks_recipe")
    assert {row["extra_info"]["split"] for row in rows} == {"train", "eval"}
    assert {row["license_tier"] for row in rows} == {"recipe-only"}
    assert {row["source_ref"] for row in rows} == {*WITHHELD}
    assert {"reg-if", "reg-mm", "ts-if", "ts-cf"} <= {row["variant"] for row in rows}
    assert {row["license_tier"] for row in _rows(release, "tasks")} == {"open"}


def test_answers_of_recipes_are_hashes_and_the_recipe(release: Path) -> None:
    recipes = {row["task_id"] for row in _rows(release, "tasks_recipe")}
    for row in _rows(release, "answers"):
        withheld = row["task_id"] in recipes
        assert (row["truth"] is None) == withheld
        assert (row["recipe"] is not None) == withheld
        assert len(row["sha256"]) == 64
        if withheld:
            assert row["solution"] is None
            assert "/" not in re.sub(r'"(bob|cyd)/', "", row["recipe"]), "no path of a machine"


def test_no_released_file_holds_their_data(release: Path, restored: Path, mirror: Path) -> None:
    assert _shown(release, mirror) == set()
    assert _shown(restored, mirror) == {*WITHHELD}, "the same search finds what was restored"
    for text in map(_text, _files(release)):
        assert "@example.org" not in text
        assert PAGE not in text


def _shown(release: Path, mirror: Path) -> set[str]:
    """Withheld sources of which a line of some file has three telling cells of a row."""
    lines = {frozenset(re.split(r"[,|\s]", line)) for f in _files(release) for line in _lines(f)}
    shown = set()
    for key in WITHHELD:
        (path,) = (mirror / key).glob("*.csv")
        rows = [{cell for cell in row if len(cell) > 2} for row in _cells(path)[1:100]]
        if any(len(row & line) > 2 for row in rows for line in lines):
            shown.add(key)
    return shown


def _files(release: Path) -> list[Path]:
    return [path for path in release.rglob("*") if path.is_file()]


def _lines(path: Path) -> list[str]:
    return _text(path).splitlines()


def _text(path: Path) -> str:
    """A file as text, the cells of Parquet and what it stores as text included."""
    if path.suffix != ".parquet":
        return path.read_text(encoding="utf-8")
    return "\n".join(_leaves(pq.ParquetFile(path).read().to_pylist()))


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, dict | list):
        for inner in node.values() if isinstance(node, dict) else node:
            yield from _leaves(inner)
    elif isinstance(node, bytes) and node.startswith(b"PAR1"):
        yield pl.read_parquet(node).write_csv()
    else:
        yield node.decode("utf-8", "replace") if isinstance(node, bytes) else str(node)


def test_the_release_says_what_is_missing_and_how_to_get_it(release: Path) -> None:
    card = (release / "README.md").read_text()
    assert "## Recipes" in card
    assert "opendare restore DIR" in card
    notes = {row["ref"]: row["note"] for row in _rows(release, "sources")}
    assert {ref for ref, note in notes.items() if note} == {*WITHHELD}
    licences = (release / "LICENSES.md").read_text()
    assert licences.count("- Note: nothing of its data is in this release") == len(WITHHELD)


def test_the_grader_leaves_recipes_out_until_they_are_restored(release: Path) -> None:
    graded = {answer.task_id for answer in load_answers(release)}
    recipes = {row["task_id"] for row in _rows(release, "tasks_recipe")}
    assert graded
    assert not graded & recipes
    with pytest.raises(GraderError, match=r"restored first: opendare restore /"):
        list(load_answers(release, [min(recipes)]))


def test_readers_find_it_well_before_and_after(
    release: Path, restored: Path, built: Built, tmp_path: Path
) -> None:
    for name, folder in {"before": release, "after": restored}.items():
        opened = OpenedRelease(folder)
        # A cache for each: `datasets` takes folders of one name for the same.
        proofs.prove_readers(opened, tmp_path / name)
        proofs.prove_sides(opened)
        proofs.prove_nothing_local(opened, built.state, built.mirror, tmp_path)


# --- restoring --------------------------------------------------------------------------------


def test_everything_is_made_again_with_equal_hashes(restored: Path, built: Built) -> None:
    rows = _rows(restored, "tasks_recipe")
    contents = {row["sha256"]: row["content"] for row in _rows(restored, "files")}
    assert {file["sha256"] for row in rows for file in row["files"]} <= contents.keys()
    answers = {answer.task_id: answer for answer in load_answers(restored)}
    assert {row["task_id"] for row in rows} <= answers.keys()
    for row in rows:
        truth = answers[row["task_id"]].truth
        assert score(answers[row["task_id"]], truth).score == 1.0, row["task_id"]
    programs = {row["task_id"] for row in _rows(restored, "answers") if row["solution"]}
    assert {row["task_id"] for row in rows if row["variant"].endswith("-if")} <= programs
    pages = [contents[f["sha256"]] for row in rows for f in row["files"] if f["role"] == "metadata"]
    assert all(b"at Kaggle" in page and PAGE.encode() not in page for page in pages)
    ours = {name: sha for name, sha in digests(restored).items() if "/restored-" not in name}
    assert ours == digests(built.out), "what came with the release is untouched"


def test_restored_tasks_keep_what_all_tasks_promise(restored: Path, tmp_path: Path) -> None:
    opened = OpenedRelease(restored)
    proofs.prove_truth_wins(opened, tmp_path / "graded")
    proofs.prove_no_answer_in_tables(opened)
    proofs.prove_no_answer_in_rows(opened)


def test_the_command_restores(mirror: Path, release: Path, tmp_path: Path) -> None:
    command = [str(OPENDARE), "restore", str(release), "--config", str(MIRROR_CONFIG)]
    done = subprocess.run(
        [*command, "--mirror", str(mirror), "--state", str(tmp_path / "state")],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_DONE, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"all recipes are restored in {release} ")


def test_a_second_run_makes_nothing(
    restored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in restored_shards(restored)}
    n = len(_rows(restored, "tasks_recipe"))
    # Nothing is asked of a source that is not there.
    assert _restore(restored, MirrorSource(tmp_path / "nowhere"), tmp_path / "state") == EXIT_DONE
    said = capsys.readouterr().out
    assert said.startswith(f"recipes: {n}; restored before: {n}\nnothing to do")
    assert {path: path.stat().st_mtime_ns for path in restored_shards(restored)} == before


def test_only_what_is_missing_is_made_again(
    restored: Path, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = tmp_path / "release"
    shutil.copytree(restored, release)
    lost = [path for path in restored_shards(release) if "ts-cf" in path.name]
    lost[0].unlink()
    kept = {p: p.stat().st_mtime_ns for p in restored_shards(release) if "ts-cf" not in p.name}
    assert _restore(release, MirrorSource(mirror), tmp_path / "state") == EXIT_DONE
    n = len(_rows(release, "tasks_recipe"))
    assert f"recipes: {n}; restored before: {n - 1}\n" in capsys.readouterr().out
    assert digests(release) == digests(restored)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_what_was_restored_is_no_part_of_the_release(restored: Path, built: Built) -> None:
    assert restored_shards(restored)
    assert list_files(restored) == read_manifest(restored) == read_manifest(built.out)
    with staging(restored) as staged:
        shutil.copytree(built.out, staged, dirs_exist_ok=True)
        assert not swap_in(restored), "the same release keeps it"
    assert restored_shards(restored)


def test_an_edit_of_the_page_changes_no_hash(
    release: Path, restored: Path, mirror: Path, tmp_path: Path
) -> None:
    other = tmp_path / "edited"
    shutil.copytree(mirror, other)
    for key in WITHHELD:
        path = other / key / "dataset-metadata.json"
        edited = {"title": "Sales and rents of all", "licenses": [{"name": "CC-BY-4.0"}]}
        path.write_text(json.dumps(json.loads(path.read_text()) | edited))
    assert _restore(release, MirrorSource(other), tmp_path / "state") == EXIT_DONE
    assert digests(release) == digests(restored)


def test_other_data_costs_its_own_tasks_and_says_so(
    release: Path, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "changed"
    shutil.copytree(mirror, other)
    path = other / "cyd/alike-two/flats.csv"
    header, first, *rest = _cells(path)
    _write(path, [header, ["1", *first[1:]], *rest])
    assert _restore(release, MirrorSource(other), tmp_path / "state") == EXIT_REFUSED
    said = capsys.readouterr().err
    assert re.search(r"failed: cyd/alike-two/2 .*data: expected sha256 \w{64}, found \w{64}", said)
    assert "Fetch that version" in said
    answers = {answer.task_id for answer in load_answers(release)}
    recipes = _rows(release, "tasks_recipe")
    for row in recipes:
        assert (row["task_id"] in answers) == (row["source_ref"] != "cyd/alike-two")


def test_a_hash_that_differs_is_told_and_nothing_of_the_task_is_written(
    release: Path, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = min(row["task_id"] for row in _rows(release, "tasks_recipe"))
    (path,) = release.glob("data/answers/recipe-only-*.parquet")
    rows = pq.ParquetFile(path).read().to_pylist()
    for row in rows:
        if row["task_id"] == key:
            recipe = json.loads(row["recipe"])
            recipe["versions"]["opendare"] = "0.0.9"
            row.update(sha256="0" * 64, recipe=json.dumps(recipe))
    pq.write_table(pq.ParquetFile(path).read().from_pylist(rows), path)
    write_manifest(release, "dev")
    assert _restore(release, MirrorSource(mirror), tmp_path / "state") == EXIT_REFUSED
    said = capsys.readouterr().err
    assert re.search(rf"failed: {key}: truth: expected sha256 0{{64}}, found \w{{64}}", said)
    assert re.search(r"install opendare==0\.0\.9 \(here \d", said)
    answers = {answer.task_id for answer in load_answers(release)}
    missing = {row["task_id"] for row in _rows(release, "tasks_recipe")} - answers
    assert missing == {key}
    assert not list(release.glob(f"data/*/restored-{key}-*"))


def test_a_release_that_somebody_changed_is_told(
    release: Path, mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sorted(release.glob("data/tasks_recipe/*.parquet"))[0]
    table = pq.ParquetFile(path).read()
    place = table.column_names.index("question")
    questions = [f"{text} And hurry." for text in table["question"].to_pylist()]
    pq.write_table(table.set_column(place, "question", [questions]), path)
    assert _restore(release, MirrorSource(mirror), tmp_path / "state") == EXIT_REFUSED
    said = capsys.readouterr().err
    assert path.relative_to(release).as_posix() in said
    assert "download the release again" in said


class Unreachable(MirrorSource):
    """A source that a network hides for now."""

    def fetch(self, ref: DatasetRef) -> Listing | Drop:
        return Drop(
            key=ref.key,
            source=ref.key,
            room="extract",
            reason=Reason.TIMEOUT,
            detail="no answer",
            transient=True,
        )


def test_a_source_that_does_not_answer_is_owed(
    release: Path,
    mirror: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "argv", ["opendare", "restore", str(release)])
    assert _restore(release, Unreachable(mirror), tmp_path / "state") == EXIT_PENDING
    said = capsys.readouterr().err
    assert re.search(r"pending: bob/shops/2 \(\d tasks\): timeout: no answer", said)
    assert f"continue with: opendare restore {release}" in said


def test_what_is_no_release_is_refused(
    mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _restore(tmp_path, MirrorSource(mirror), tmp_path / "state") == EXIT_REFUSED
    assert "holds no release" in capsys.readouterr().err


def test_foreign_files_beside_restored_ones_are_still_refused(release: Path) -> None:
    (release / "data" / "files" / "mine.parquet").write_bytes(b"x")
    with pytest.raises(PublishError, match="no release wrote"), staging(release):
        pass


def test_a_user_restores_with_kaggle_access_of_their_own(
    release: Path, mirror: Path, tmp_path: Path
) -> None:
    with LoopbackKaggle(mirror, faults=Faults.passing(1)) as server:
        arguments = kaggle_arguments("restore", tmp_path, str(release))
        variables = environment(server.environment)
        done = run_opendare(arguments, tmp_path, tmp_path / "mirror", variables)
        fetched = {(r.ref, r.version) for r in server.requests if r.rpc == "DownloadDataset"}
        assert server.count("ListDatasets") == 0, "what a recipe names is not searched for"
    assert done.code == EXIT_DONE, done.complained
    assert fetched == {(key, 2) for key in WITHHELD}
    proofs.prove_truth_wins(OpenedRelease(release), tmp_path / "truth")

"""What every release must show, whatever it was built from: one function for each promise.

Enters an opened release; a promise that does not hold raises `AssertionError` and names the tasks.
The code here reads, searches and grades without the rooms that made the release; only the grader is
the product's, and it is run as the file that lies in the release.
"""

import ast
import csv
import json
import os
import random
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml

from tests.opened import OpenedRelease, OpenedTask

TASK_ID = r"[\w.-]+__[\w.-]+__v\d+__(class|reg)-(if|mm)-[0-9a-f]{8}|.*__ts-(xf|cf|if)-[0-9a-f]{8}"
IMPORTS = {"numpy", "pandas", "sklearn", "statsmodels", "sqlite3"}
"""What a reference program may import; the last is part of Python."""

Rows = list[list[str]]
Grades = dict[str, dict[str, Any]]


# --- grading with the shipped file ------------------------------------------------------------


def truth_rows(task: OpenedTask) -> Rows:
    """Header and rows of the answer as text."""
    names = ["row_id", *task.grading["targets"], *task.grading["scores"]]
    columns = [task.truth.column(name).to_pylist() for name in names]
    return [names, *(list(map(str, row)) for row in zip(*columns, strict=True))]


def write_prediction(folder: Path, task: OpenedTask, rows: Rows) -> None:
    """`<folder>/<task_id>/prediction.csv`."""
    place = folder / task.task_id
    place.mkdir(parents=True, exist_ok=True)
    with (place / "prediction.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def grade(release: OpenedRelease, predictions: Path) -> Grades:
    """What the release's own `score.py` says, by task; run inside it, with nothing of ours near."""
    done = subprocess.run(
        [sys.executable, "-I", "score.py", "--release", ".", "--predictions", str(predictions)],
        cwd=release.folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=1800,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["task_id"]: line for line in lines if "task_id" in line}


def prove_truth_wins(release: OpenedRelease, scratch: Path) -> None:
    """Truth as submission scores 1 for every task."""
    for task in release.tasks:
        write_prediction(scratch, task, truth_rows(task))
    grades = grade(release, scratch)
    assert grades.keys() == {task.task_id for task in release.tasks}
    lost = {key: got for key, got in grades.items() if (got["score"], got["reason"]) != (1, "ok")}
    assert not lost, lost


def _shuffled(rows: Rows, rng: random.Random) -> Rows:
    return [rows[0], *rng.sample(rows[1:], len(rows) - 1)]


def _exchanged(rows: Rows, rng: random.Random) -> Rows:
    """Every answer under the id of another row."""
    ring = rng.sample(rows[1:], len(rows) - 1)
    turned = [*ring[1:], ring[0]]
    return [rows[0], *([own[0], *other[1:]] for own, other in zip(ring, turned, strict=True))]


def _constant(rows: Rows, rng: random.Random) -> Rows:
    return [rows[0], *([row[0], *rows[1][1:]] for row in rows[1:])]


_SUBMISSIONS: dict[str, tuple[Callable[[Rows, random.Random], Rows], set[str], float]] = {
    "shuffled rows": (_shuffled, {"ok"}, 1.0),
    "exchanged": (_exchanged, {"ok", "mismatch"}, 0.75),
    "constant": (_constant, {"ok", "mismatch"}, 0.6),
}
"""How truth is changed, the reasons that are right for it, and the best score it may get."""
_FORMS: dict[str, tuple[Callable[[Rows, random.Random], Rows], set[str], float]] = {
    "header": (lambda rows, rng: rows[:1], {"missing_ids"}, 0),
    "one short": (lambda rows, rng: rows[:-1], {"missing_ids"}, 0),
    "one twice": (lambda rows, rng: [*rows, rows[-1]], {"duplicate_ids"}, 0),
    "one row": (lambda rows, rng: [rows[0], *[rows[1]] * (len(rows) - 1)], {"duplicate_ids"}, 0),
    "a stranger": (lambda rows, rng: [*rows, ["-7", *rows[1][1:]]], {"unknown_ids"}, 0),
    "no target": (lambda rows, rng: [row[:1] for row in rows], {"bad_columns"}, 0),
    "nothing": (lambda rows, rng: [], {"unreadable"}, 0),
}
"""The same where the file is no answer, whatever its values."""


def prove_controls(release: OpenedRelease, scratch: Path, *, forms: bool = True) -> None:
    """Changed truth gets its reason and no more than its score, and the shipped controls agree."""
    submissions = _SUBMISSIONS | (_FORMS if forms else {})
    for name, (change, reasons, best) in submissions.items():
        rng = random.Random(name)
        place = scratch / name
        for task in release.tasks:
            write_prediction(place, task, change(truth_rows(task), rng))
        grades = grade(release, place)
        assert len(grades) == len(release.tasks)
        for key, got in grades.items():
            assert got["reason"] in reasons, (name, key, got)
            assert got["score"] <= best, (name, key, got)
            assert best < 1 or got["score"] == 1, (name, key, got)
        shutil.rmtree(place)
    for task in release.tasks:
        controls = json.loads(task.answer["controls"])
        wins = {name for name, control in controls.items() if control["score"] == 1}
        assert wins == {"truth", "shuffled_rows"}, task.task_id
        assert len(controls) >= 15, task.task_id


# --- programs ---------------------------------------------------------------------------------


def prove_solutions(
    release: OpenedRelease, scratch: Path, tasks: Sequence[OpenedTask] | None = None
) -> None:
    """The reference program of each instruction task reaches truth in a fresh interpreter.

    Each runs in a folder with only the public files, two at a time as on a small machine.
    """
    chosen = [task for task in release.tasks if task.executed] if tasks is None else tasks
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda task: _solve(task, scratch / task.task_id), chosen))
    grades = grade(release, scratch)
    lost = {t.task_id: grades[t.task_id] for t in chosen if grades[t.task_id]["score"] != 1}
    assert chosen
    assert not lost, lost


def _solve(task: OpenedTask, folder: Path) -> None:
    program = task.answer["solution"]
    roots = {name.partition(".")[0] for name in _imported(program)}
    assert roots <= IMPORTS, task.task_id
    task.render_task(folder)
    path = folder.parent / f"{task.task_id}.py"
    path.write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", str(path)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, (task.task_id, done.stderr[-1500:])
    left = {path.name for path in folder.iterdir()} - set(task.contents)
    assert left == {"prediction.csv"}, task.task_id


def _imported(program: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


# --- what the gates proved --------------------------------------------------------------------


def prove_environments(release: OpenedRelease, older_libraries: int = 0) -> None:
    """Every executed truth has a certificate on which all environments agree."""
    executed = [task for task in release.tasks if task.executed]
    assert executed
    for task in release.tasks:
        certificate = json.loads(task.answer["certificate"] or "null")
        assert (certificate is not None) == task.executed, task.task_id
        if certificate is None:
            continue
        environments = {
            environment["name"]: environment for environment in certificate["environments"]
        }
        assert len(environments) >= 6 + older_libraries, task.task_id
        assert all(environment["agrees"] for environment in environments.values()), task.task_id
        older = [name for name in environments if name.startswith("libraries_")]
        assert len(older) == older_libraries, task.task_id
        versions = {
            environments[name]["versions"]["scikit-learn"] for name in ["reference", *older]
        }
        assert len(versions) == 1 + older_libraries, "library versions differ"
        assert certificate["margin"] is None or certificate["margin"] >= 1e-4, task.task_id


def prove_room(release: OpenedRelease) -> None:
    """Every open task has a baseline_scores with room above the trivial and below perfection."""
    for task in release.tasks:
        row, checks = task.row, {check["name"]: check for check in task.row["checks"]}
        assert checks["learnable"]["verdict"] == "valid", task.task_id
        if task.executed:
            continue
        assert row["ceiling"] - row["floor"] >= 0.0999, task.task_id
        baselines = json.loads(row["baselines"])
        assert baselines["booster"]["score"] < 0.98, task.task_id
        if row["variant"].startswith("ts-"):
            assert max(baseline["skill"] for baseline in baselines.values()) >= 0.05, task.task_id
        elif task.answer["skill"]:
            normalisation = json.loads(task.answer["skill"])
            assert normalisation == {"floor": row["floor"], "ceiling": row["ceiling"]}, task.task_id


def prove_steps(release: OpenedRelease) -> None:
    """Eight steps and three cleaning rules at least, each seen by the grade when it is broken."""
    with (release.folder / "report" / "steps.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert all(row["stated"] == row["detected"] for row in rows), rows
    stated = sum(int(row["stated"]) for row in rows)
    steps = [json.loads(task.row["spec_json"])["steps"] for task in release.tasks if task.executed]
    assert stated >= sum(map(len, steps)), "tasks that publishing refused are counted as well"
    assert all(len(of_task) >= 8 for of_task in steps)
    assert all(len(task.row["noise"]) >= 3 for task in release.tasks if task.executed)


# --- answers ----------------------------------------------------------------------------------


def prove_no_answer_in_tables(release: OpenedRelease) -> None:
    """No held-out row stands with its target in any file of its source.

    Where a table has all columns of the row, one equal row is a finding; where it has some, only
    rows count that the shared features tell apart from all others on both sides.
    """
    answers: list[str] = []
    for source in sorted({task.row["source_ref"] for task in release.tasks}):
        siblings = [task for task in release.tasks if task.row["source_ref"] == source]
        hashed = {task.task_id: _hashed(task) for task in siblings}
        for task in siblings:
            if not task.executed:
                answers += _shown(task, siblings, hashed)
    assert not answers, "\n".join(answers)


_MISSING = np.uint64(0x9E3779B97F4A7C15)
_Hashed = dict[str, dict[str, np.ndarray]]


def _hashed(task: OpenedTask) -> _Hashed:
    """One number a cell by table and column; `solved` is val with truth."""
    tables = {side: _cells(table) for side, table in task.tables.items()}
    ids = task.truth.column("row_id").to_pylist()
    order = pd.Series(range(len(ids)), index=ids).loc[task.tables["val"]["row_id"]].to_numpy()
    answers = task.truth.select(task.grading["targets"]).to_pandas()
    tables["solved"] = tables["val"] | {
        name: column[order] for name, column in _cells(answers).items()
    }
    return tables


def _cells(table: pd.DataFrame) -> dict[str, np.ndarray]:
    return {str(name): _hash(table[name]) for name in table.columns if name != "row_id"}


def _hash(column: pd.Series) -> np.ndarray:
    """Numbers by value, whatever their type; all else by text; missing is a value apart."""
    numbers = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy()
    texts = column.astype("string").str.replace(r"T00:00:00$", "", regex=True).fillna("")
    hashes = pd.util.hash_array(texts.to_numpy(dtype=object))
    is_number = ~np.isnan(numbers)
    hashes[is_number] = pd.util.hash_array(numbers[is_number] + 0.0)
    hashes[column.isna().to_numpy()] = _MISSING
    return np.asarray(hashes)


def _shown(
    task: OpenedTask, siblings: Sequence[OpenedTask], hashed: dict[str, _Hashed]
) -> Iterator[str]:
    solved = hashed[task.task_id]["solved"]
    targets = set(task.grading["targets"])
    for sibling in siblings:
        for side in ("train", "val"):
            table = hashed[sibling.task_id][side]
            shared = [name for name in solved if name in table]
            features = [name for name in shared if name not in targets]
            if not features or len(features) == len(shared):
                continue
            rows, others = _rows(solved, shared), _rows(table, shared)
            hits = np.isin(rows, others)
            if len(shared) < len(solved):
                ours, theirs = _rows(solved, features), _rows(table, features)
                hits &= _single(ours) & np.isin(ours, theirs[_single(theirs)])
                if _single(ours).mean() < 0.95:
                    continue
            if hits.any():
                yield f"{side} of {sibling.task_id} shows {hits.sum()} rows of {task.task_id}"


def _rows(columns: dict[str, np.ndarray], names: Sequence[str]) -> np.ndarray:
    mixed = np.zeros(len(columns[names[0]]), dtype=np.uint64)
    for name in names:
        mixed = mixed * np.uint64(1_000_003) ^ columns[name]
    return mixed


def _single(values: np.ndarray) -> np.ndarray:
    """True where a value occurs once."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] == 1)


def prove_no_answer_in_rows(release: OpenedRelease) -> None:
    """A task's row holds no truth: neither a run of it, nor its hash, nor the program."""
    for task in release.tasks:
        row = task.row
        text = "\n".join([row["question"], row["spec_json"] or "", json.dumps(row["reward_model"])])
        assert row["prompt"] == [{"role": "user", "content": row["question"]}]
        assert task.answer["sha256"] not in text
        for target in task.grading["targets"]:
            values = [str(value) for value in task.truth.column(target).to_pylist()]
            runs = {", ".join(values[i : i + 4]) for i in range(0, len(values) - 4, 4)}
            # Four equal or tiny answers in a row are text like any other.
            telling = [run for run in runs if len(run) > 16]
            assert not any(run in text for run in telling), task.task_id
            exact = {v for v in values if re.fullmatch(r"-?\d+\.\d{6,}", v)}
            assert not any(value in text for value in exact), task.task_id
        if task.executed:
            assert "import" not in row["spec_json"]
            assert task.answer["solution"] not in text


# --- the shape of a release -------------------------------------------------------------------


def prove_rows(release: OpenedRelease) -> None:
    """Ids, checks and files of every task are in order."""
    ids = [task.task_id for task in release.tasks]
    assert ids
    assert len(set(ids)) == len(ids)
    assert {row["task_id"] for row in release.rows("answers")} == set(ids)
    assert {row["task_id"] for row in release.rows("lite")} <= set(ids)
    for task in release.tasks:
        assert re.fullmatch(TASK_ID, task.task_id), task.task_id
        assert task.row["checks"], task.task_id
        assert {check["verdict"] for check in task.row["checks"]} == {"valid"}, task.task_id
        for name in task.contents:
            if not name.startswith(("train", "val", "data")):
                assert "train" not in name
                assert "val" not in name
        _prove_ids(task)


def _prove_ids(task: OpenedTask) -> None:
    """`row_id` is one permutation over train and val, which stand in its order."""
    train, val = (task.tables[side]["row_id"].to_list() for side in ("train", "val"))
    assert train == sorted(set(train)), task.task_id
    assert val == sorted(set(val)), task.task_id
    assert sorted(train + val) == list(range(len(train) + len(val))), task.task_id
    assert task.truth.column("row_id").to_pylist() == val, task.task_id
    assert len(train) + len(val) == task.row["n_rows"], task.task_id
    assert not set(task.grading["targets"]) & set(task.tables["val"].columns), task.task_id


def prove_sides(release: OpenedRelease) -> None:
    """Every config of tasks has both sides, and no source stands on both."""
    for folder in sorted(release.folder.glob("data/tasks*")):
        sides: dict[str, set[str]] = {}
        for row in release.rows(folder.name):
            sides.setdefault(row["extra_info"]["split"], set()).add(row["source_ref"])
        assert sides.keys() == {"train", "eval"}, folder.name
        assert not sides["train"] & sides["eval"], folder.name


def prove_nothing_local(release: OpenedRelease, *places: Path) -> None:
    """No byte tells where or on which machine the release was made."""
    host = socket.gethostname()
    words = [str(place).encode() for place in places]
    words += [host.encode()] if len(host) >= 6 and host != "localhost" else []
    for name, content in _all_bytes(release):
        for word in words:
            assert word not in content, (name, word)


def _all_bytes(release: OpenedRelease) -> Iterator[tuple[str, bytes]]:
    """Files as they lie there, and what the compressed ones hold."""
    for path in sorted(release.folder.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
    for path in sorted(release.folder.glob("data/*/*.parquet")):
        yield from _cells_of(path)


def _cells_of(path: Path) -> Iterator[tuple[str, bytes]]:
    for row in pq.ParquetFile(path).read().to_pylist():
        blobs = [value for value in row.values() if isinstance(value, bytes)]
        texts = {name: value for name, value in row.items() if not isinstance(value, bytes)}
        yield path.name, json.dumps(texts, default=str, ensure_ascii=False).encode()
        for blob in blobs:
            yield path.name, blob


# --- readers ----------------------------------------------------------------------------------


def configs(release: OpenedRelease) -> dict[str, dict[str, str]]:
    """Pattern by config and split, from the card's front matter."""
    front = (release.folder / "README.md").read_text(encoding="utf-8").split("---\n")[1]
    listed = yaml.safe_load(front)["configs"]
    defaults = [config["config_name"] for config in listed if config.get("default")]
    assert defaults == ["tasks"]
    return {
        config["config_name"]: {part["split"]: part["path"] for part in config["data_files"]}
        for config in listed
    }


_READER = """
import sys, json, datasets, polars, duckdb, pyarrow.parquet as pq, pathlib
datasets.disable_progress_bars()
release, wanted = sys.argv[1], json.loads(sys.argv[2])
for name, splits in wanted.items():
    for split, pattern in splits.items():
        paths = sorted(map(str, pathlib.Path(release).glob(pattern)))
        n = sum(pq.ParquetFile(path).metadata.num_rows for path in paths)
        by = {
            "datasets": datasets.load_dataset(release, name, split=split).num_rows,
            "polars": polars.read_parquet(f"{release}/{pattern}").height,
            "duckdb": duckdb.read_parquet(f"{release}/{pattern}").shape[0],
        }
        print(json.dumps([name, split, n, by]))
"""


def prove_readers(release: OpenedRelease, scratch: Path) -> None:
    """`datasets`, polars and DuckDB read every config and split, without a network."""
    wanted = configs(release)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _READER, str(release.folder), json.dumps(wanted)],
        env={
            "PATH": os.environ["PATH"],
            "HF_HOME": str(scratch),
            "HOME": str(scratch),
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == sum(map(len, wanted.values()))
    for name, split, n, by in lines:
        assert set(by.values()) == {n}, (name, split, n, by)
    assert {name for name, _, n, _ in lines if n} >= {"tasks", "files", "answers", "sources"}

"""Small invented datasets through all rooms, compared with files that a person can review.

One build of a mirror that is written here: three datasets that yield tasks, in three dialects, and
bad ones, each with the reason it must get. `make golden` rewrites `tests/golden/walk` and prints
the difference.
"""

import csv
import io
import json
import math
import random
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.building import Built, build
from tests.conftest import Golden
from tests.opened import OpenedRelease, OpenedTask

pytestmark = pytest.mark.slow

VARIANTS = ("class-if", "reg-if", "class-mm", "reg-mm", "ts-xf", "ts-cf", "ts-if")
GOOD = ("garden/apple-trees", "harbour/ferry-rides", "school/maths-marks")
BAD = {
    "bad/alone-in-its-tier": "tier_too_small",
    "bad/another-dataset": "bad_metadata",
    "bad/broken-metadata": "bad_metadata",
    "bad/constant": "no_proposal",
    "bad/empty-table": "no_table",
    "bad/no-licence": "licence_unknown",
    "bad/no-metadata": "bad_metadata",
    "bad/no-table": "no_table",
    "bad/non-commercial": "licence_refused",
    "bad/only-ids": "no_proposal",
    "bad/pure-noise": "no_proposal",
    "bad/too-few-rows": "no_proposal",
    "bad/unreadable-file": "no_table",
}
Rows = list[list[Any]]


# --- the mirror --------------------------------------------------------------------------------


def _write(
    root: Path, key: str, content: bytes, name: str = "table.csv", licence: str = "CC0-1.0"
) -> Path:
    folder = root / key
    folder.mkdir(parents=True)
    title = key.partition("/")[2].replace("-", " ").capitalize()
    info = {
        "id": key,
        "title": title,
        "subtitle": f"{title}, counted by nobody",
        "description": f"All of it was made up.\n\nThe file is `{name}`. <b>Bold</b> & free.",
        "licenses": [{"name": licence}] if licence else [],
        "keywords": ["agriculture", "tabular"],
    }
    (folder / "dataset-metadata.json").write_text(json.dumps(info))
    day = 1 + len(key)
    record = {"currentVersionNumber": 3, "lastUpdated": f"2024-05-{day:02d}T12:00:00Z"}
    (folder / "list-record.json").write_text(json.dumps(record))
    (folder / name).write_bytes(content)
    return folder


def _csv(rows: Iterable[Sequence[Any]], delimiter: str = ",", encoding: str = "utf-8") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode(encoding)


def _trees() -> Rows:
    """A plain table: the harvest of trees, and a grade that follows from it in part."""
    rng = random.Random("trees")
    rows: Rows = [
        ["tree", "girth (cm)", "height (m)", "age", "variety", "soil", "planted", "kg", "grade"]
    ]
    for number in range(640):
        age, height = rng.randint(3, 60), round(rng.gauss(4.2, 0.8), 2)
        girth = round(rng.gauss(70, 18), 1)
        variety, soil = (
            rng.choice(["Boskoop", "Gala", "Cox's Orange"]),
            rng.choice(["clay", "sand"]),
        )
        planted = date(2024, 3, 1) - timedelta(days=365 * age + rng.randrange(200))
        kg = 5 + 0.5 * girth + 6 * height - 0.3 * age + 12 * (variety == "Gala") + rng.gauss(0, 5)
        sweet = 0.05 * age - 0.04 * girth + 1.2 * (soil == "sand") + rng.gauss(0, 0.5)
        grade = "first" if sweet > -0.2 else "second" if sweet > -1.5 else "cider"
        row: list[Any] = [f"T-{number:04d}", girth, height, age, variety, soil]
        rows.append([*row, planted.isoformat(), round(kg, 1), grade])
    for place in rng.sample(range(1, 641), 60):
        rows[place][rng.choice([2, 5])] = ""
    return rows


def _rides() -> Rows:
    """A daily series as a German office writes it: semicolons, decimal commas, Latin-1."""
    rng = random.Random("rides")
    rows: Rows = [["Tag", "Feiertag", "Fahrgäste", "Erlös"]]
    for number in range(620):
        day = date(2022, 3, 1) + timedelta(days=number)
        holiday = int(rng.random() < 0.1)
        riders = 900 + 300 * holiday + 180 * math.sin(2 * math.pi * number / 7) + rng.gauss(0, 45)
        takings = f"{riders * 2.4 + rng.gauss(0, 90):.2f}".replace(".", ",")
        rows.append([day.strftime("%d.%m.%Y"), holiday, round(riders), takings])
    return rows


def _marks(seed: str) -> bytes:
    """JSON lines with whole-number marks to classify."""
    rng, lines = random.Random(seed), []
    for _ in range(520):
        hours, absent = round(rng.expovariate(0.2), 1), rng.randint(0, 20)
        school, bus = rng.choice(["north", "south", "hill"]), rng.random() < 0.4
        sleep = None if rng.random() < 0.06 else round(rng.gauss(7.5, 1), 1)
        reading = rng.randint(20, 100)
        merit = 0.35 * hours - 0.1 * absent + 0.04 * reading + rng.gauss(0, 0.5)
        mark = 1 if merit > 4 else 2 if merit > 2.6 else 3
        record = {"hours": hours, "absent": absent, "school": school, "by bus": bus}
        lines.append(json.dumps({**record, "sleep": sleep, "reading": reading, "mark": mark}))
    return ("\n".join(lines) + "\n").encode()


def _write_bad(root: Path) -> None:
    rng, trees = random.Random("bad"), _csv(_trees())
    _write(root, "bad/no-licence", trees, licence="")
    _write(root, "bad/non-commercial", trees, licence="CC-BY-NC-SA-4.0")
    _write(
        root, "bad/alone-in-its-tier", _csv(_trees()[:1] + _trees()[:0:-1]), licence="CC-BY-SA-4.0"
    )
    _write(root, "bad/empty-table", _csv([["a", "b", "c"]]))
    _write(root, "bad/no-table", b"Nothing but words.\n", name="readme.txt")
    _write(root, "bad/only-ids", _csv([["id", "uuid"], *_ids(rng)]))
    _write(root, "bad/constant", _csv([["unit", "factor"], *[["kg", 1.5]] * 500]))
    _write(root, "bad/too-few-rows", _csv(_trees()[:40]))
    noise = [[round(rng.gauss(0, 1), 3) for _ in range(4)] for _ in range(500)]
    _write(root, "bad/pure-noise", _csv([["a", "b", "c", "d"], *noise]))
    _write(root, "bad/unreadable-file", rng.randbytes(4000), name="table.xlsx")
    broken = _write(root, "bad/broken-metadata", trees)
    (broken / "dataset-metadata.json").write_text('{"title": "Half of a')
    other = _write(root, "bad/another-dataset", trees)
    (other / "dataset-metadata.json").write_text('{"id": "good/dataset", "licenses": "CC0-1.0"}')
    bare = _write(root, "bad/no-metadata", trees)
    for name in ("dataset-metadata.json", "list-record.json"):
        (bare / name).unlink()


def _ids(rng: random.Random) -> Rows:
    return [[number, f"{rng.getrandbits(64):016x}"] for number in range(500)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The build of the mirror."""
    place = tmp_path_factory.mktemp("walk")
    mirror = place / "mirror"
    _write(mirror, "garden/apple-trees", _csv(_trees()))
    rides = _csv(_rides(), delimiter=";", encoding="latin-1")
    _write(
        mirror, "harbour/ferry-rides", rides, licence="Attribution 4.0 International (CC BY 4.0)"
    )
    _write(mirror, "school/maths-marks", _marks("marks"), name="marks.jsonl")
    _write_bad(mirror)
    return build(mirror, place)


@pytest.fixture(scope="module")
def release(built: Built) -> OpenedRelease:
    """What it released."""
    assert built.code == 0, built.complained
    return OpenedRelease(built.out)


def _first(release: OpenedRelease, variant: str) -> OpenedTask:
    return next(task for task in release.tasks if task.row["variant"] == variant)


# --- what it must be ---------------------------------------------------------------------------


def test_good_datasets_yield_every_variant(release: OpenedRelease) -> None:
    assert {task.row["variant"] for task in release.tasks} == set(VARIANTS)
    assert {task.row["source_ref"] for task in release.tasks} == set(GOOD)
    assert {task.row["extra_info"]["split"] for task in release.tasks} == {"train", "eval"}


def test_bad_datasets_get_their_reason(release: OpenedRelease) -> None:
    rejects = release.rows("rejects")
    reasons = {
        key: {row["reason"] for row in rejects if row["source_ref"] == key} for key in sorted(BAD)
    }
    assert reasons == {key: {reason} for key, reason in BAD.items()}
    assert all(row["detail"] for row in rejects)


# --- what it was when somebody last looked -----------------------------------------------------


def test_funnel(release: OpenedRelease, golden: Golden) -> None:
    golden("walk/funnel.md", f"{_tasks_table(release)}\n{_rejects_table(release)}")


def _tasks_table(release: OpenedRelease) -> str:
    rows = [
        [
            task.task_id,
            task.row["extra_info"]["split"],
            "+".join(task.grading["targets"]),
            "+".join(sorted(task.contents)),
            task.row["n_rows"],
            task.row["n_cols"],
            ", ".join(task.row["noise"] or ()),
            ", ".join(step["kind"] for step in _steps(task)),
        ]
        for task in release.tasks
    ]
    head = ["task", "split", "targets", "files", "rows", "columns", "noise", "steps"]
    return "# Tasks\n\n" + _markdown(head, rows)


def _steps(task: OpenedTask) -> list[dict[str, Any]]:
    spec = json.loads(task.row["spec_json"] or "{}")
    return list(spec.get("steps", ()))


def _rejects_table(release: OpenedRelease) -> str:
    names = ("key", "variant", "room", "reason", "value", "threshold", "detail")
    rows = [[_cell(row[name]) for name in names] for row in release.rows("rejects")]
    return "# Rejects\n\n" + _markdown(names, sorted(rows))


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value or "")


def _markdown(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


@pytest.mark.parametrize("variant", VARIANTS)
def test_question(release: OpenedRelease, golden: Golden, variant: str) -> None:
    golden(f"walk/{variant}.txt", _first(release, variant).row["question"] + "\n")


def _marks_task(release: OpenedRelease) -> OpenedTask:
    """The instruction task whose files are the easiest to read."""
    return next(
        t for t in release.tasks if t.task_id.startswith("school__maths-marks__v3__class-if")
    )


def test_metadata(release: OpenedRelease, golden: Golden) -> None:
    golden("walk/metadata.md", _marks_task(release).contents["metadata.md"].decode())


def test_solution(release: OpenedRelease, golden: Golden) -> None:
    golden("walk/solution.py.txt", _marks_task(release).answer["solution"])


def test_noisy_rows(release: OpenedRelease, golden: Golden) -> None:
    tables = _marks_task(release).tables
    parts = (f"# {side}\n{table.head(24).to_csv(index=False)}" for side, table in tables.items())
    golden("walk/rows.txt", "\n".join(parts))

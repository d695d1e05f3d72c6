"""Control submissions: truth wins, rubbish loses, on every variant; bad tasks are seen."""

import random
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from extract.dataset import DatasetRef
from transform.files.task_folder import TaskFolder
from transform.task import DataFiles, Grading, Instructions, TaskSpec, Truth
from validate.controls import answer_of, run_controls
from validate.gates.controls import Controls
from validate.registry import gate_classes
from validate.score import Answer, score

N_ROWS = 1500

_rng = random.Random(7)
_ids = sorted(_rng.sample(range(10_000), N_ROWS))
_labels = _rng.choices(["ham", "cheese, old", 'the "rest"'], [5, 4, 1], k=N_ROWS)
_flags = _rng.choices([0, 1], [9, 1], k=N_ROWS)
_reals = [_rng.gauss(100, 20) for _ in range(N_ROWS)]
_tails = [_rng.paretovariate(0.5) for _ in range(N_ROWS)]

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "class-if": (
        {"label": _labels, "score_ham": _reals, 'score_the "rest"': _tails},
        {"metric": "exact", "label_type": "text", "classes": tuple(sorted({*_labels}))},
    ),
    "reg-if": ({"price": _reals, "cost": _tails}, {"metric": "allclose", "atol": {"price": 1e-7}}),
    "class-mm": (
        {"flag": _flags},
        {"metric": "macro_f1", "label_type": "integer", "classes": ("0", "1")},
    ),
    "reg-mm": ({"price": _reals, "cost": _tails}, {"metric": "clipped_r2"}),
    "ts-cf": ({"sales": _tails}, {"metric": "clipped_r2"}),
}


def make_task(
    folder: Path, variant: Any, columns: dict[str, Any], rules: dict[str, Any], n: int = N_ROWS
) -> TaskFolder:
    path = folder / "private" / "truth.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"row_id": _ids[:n], **{k: v[:n] for k, v in columns.items()}}), path)
    scores = tuple(name for name in columns if name.startswith("score_"))
    targets = tuple(name for name in columns if name not in scores)
    grading = Grading(targets=targets, scores=scores, n_rows=n, **rules)
    given = Instructions(
        variant=variant,
        problem="regression",
        data=DataFiles(format="csv"),
        columns=(),
        targets=targets,
        scores=scores,
        metric=grading.metric,
    )
    spec = TaskSpec(
        task_id=f"ann__homes__v1__{variant}-00000000",
        source=DatasetRef(owner="ann", slug="homes"),
        source_sha256="0" * 64,
        table="homes",
        instructions=given,
        literal_text="?",
        question="?",
        files=(),
        n_rows=n,
        n_cols=1,
        proposer="heuristic-1",
    )
    return TaskFolder(spec=spec, folder=folder, truth=Truth(sha256="0" * 64, grading=grading))


@pytest.fixture(params=CASES)
def task(request: pytest.FixtureRequest, tmp_path: Path) -> TaskFolder:
    return make_task(tmp_path, request.param, *CASES[request.param])


def test_controls_go_as_declared(task: TaskFolder) -> None:
    results = {result.name: result for result in run_controls(answer_of(task))}
    assert [name for name, result in results.items() if not result.passed] == []
    assert {"truth", "shuffled_rows"} == {n for n, r in results.items() if r.score == 1.0}
    reasons = {
        "repeated_row": "duplicate_ids",
        "duplicated_ids": "duplicate_ids",
        "missing_ids": "missing_ids",
        "extra_rows": "unknown_ids",
        "header_only": "missing_ids",
        "empty": "unreadable",
        "binary": "unreadable",
        "utf_16": "unreadable",
        "junk": "too_large",
    }
    assert {name: results[name].reason for name in reasons} == reasons
    check = Controls().look(task).check
    assert (check.name, check.verdict, check.value) == ("controls", "valid", 1.0)


def test_controls_are_the_same_in_every_run(task: TaskFolder) -> None:
    first, again = (run_controls(answer_of(task)) for _ in range(2))
    assert first == again
    (truth,) = (result for result in first if result.name == "truth")
    assert (truth.score, truth.reason) == (1.0, "ok")


@pytest.mark.parametrize(
    ("variant", "columns", "rules", "control"),
    [
        ("reg-if", {"y": [1.0] * 40}, {"metric": "allclose"}, "constant"),
        ("reg-if", {"y": _reals}, {"metric": "allclose", "rtol": 10.0}, "constant"),
        (
            "class-if",
            {"y": ["a"] * 40},
            {"metric": "exact", "label_type": "text", "classes": ("a",)},
            "shuffled_answers",
        ),
    ],
)
def test_a_task_that_rubbish_wins_is_refused(
    tmp_path: Path, variant: str, columns: Any, rules: Any, control: str
) -> None:
    check = Controls().look(make_task(tmp_path, variant, columns, rules, n=40)).check
    assert check.verdict == "invalid"
    assert check.value is not None
    assert check.value < 1.0
    assert f"{control}: ok, score 1" in check.evidence


@pytest.mark.parametrize("seed", range(20))
def test_luck_refuses_no_small_task(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    few = {"y": rng.choices(["a", "b"], [1, 9], k=100)}
    rules = {"metric": "macro_f1", "label_type": "text", "classes": ("a", "b")}
    labels = make_task(tmp_path, "class-mm", few, rules, n=100)
    assert Controls().look(labels).check.verdict == "valid"
    heavy = {"y": [rng.paretovariate(0.3) for _ in range(24)]}
    series = make_task(tmp_path, "ts-cf", heavy, {"metric": "clipped_r2"}, n=24)
    assert Controls().look(series).check.verdict == "valid"


def test_a_gate_may_ask_for_a_part_of_the_tolerance(tmp_path: Path) -> None:
    rules = {"metric": "allclose", "rtol": 1e-3, "atol": {"price": 0.5}}
    task = make_task(tmp_path, "reg-if", {"price": _reals}, rules)
    near = pa.table({"row_id": _ids, "price": [value + 0.4 for value in _reals]})
    assert score(answer_of(task), near).score == 1.0
    strict: Answer = answer_of(task, 0.1)
    assert score(strict, near).score == 0.0
    assert strict.rules.rtol == pytest.approx(1e-4)


def test_the_gate_is_found() -> None:
    assert Controls in gate_classes()


@pytest.mark.slow
def test_controls_are_fast(tmp_path: Path) -> None:
    answer = answer_of(make_task(tmp_path, "class-mm", *CASES["class-mm"]))
    times = []
    for _ in range(5):
        start = time.process_time()
        run_controls(answer)
        times.append(time.process_time() - start)
    assert min(times) < 0.05 * 3, "three times the 50 ms that it takes on an idle machine"

"""Instruction tasks end to end: the text and the public files lead to truth, and nowhere else."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from extract.drop import Drop
from extract.workers import Workers
from transform import wording
from transform.families import missing_values
from transform.families.answer_quality import is_telling, sure_rows
from transform.families.instruction import MIN_MARGIN
from transform.files.tables import shipped
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Repair
from transform.rows.divide import divide, without_repeats
from transform.rows.size import SizeConfig
from transform.rows.split import Split
from transform.run.execute import cleaned, execute, load_tables
from transform.run.fork_server import PRELOAD, run_program
from transform.run.program import write_program
from transform.steps import registry
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.step import CleaningStep
from transform.task import StepSpan, StepSpec
from validate.controls import answer_of, run_controls
from validate.gates.wording import Wording
from validate.score import score

ROOT = Path(__file__).parents[2]
SHAPES = (
    "numbers",
    "categories",
    "dates",
    "several_targets",
    "integer_labels",
    "text_labels",
    "several_labels",
    "many_missing",
    "wide",
    "hostile_names",
)
every_shape = pytest.mark.parametrize("shape", SHAPES)

MakeTask = Callable[[str], tuple[Any, TaskFolder]]


@pytest.fixture(scope="module")
def make_task(make_case: Any, tmp_path_factory: pytest.TempPathFactory) -> MakeTask:
    """A case and its executed task, made once for each shape."""
    made: dict[str, tuple[Any, TaskFolder]] = {}

    def make(shape: str) -> tuple[Any, TaskFolder]:
        if shape not in made:
            case = make_case(shape)
            draft = case.draft(tmp_path_factory.mktemp(shape))
            assert isinstance(draft, Draft), draft
            truth = execute(draft)
            made[shape] = case, TaskFolder(spec=draft.spec, folder=draft.folder, truth=truth)
        return made[shape]

    return make


@every_shape
def test_truth_wins_and_rubbish_loses(make_task: MakeTask, shape: str) -> None:
    _, task = make_task(shape)
    assert score(answer_of(task), pl.read_parquet(task.truth_file)).score == 1.0
    assert [result for result in run_controls(answer_of(task)) if not result.passed] == []


@every_shape
def test_the_text_is_complete(make_task: MakeTask, shape: str) -> None:
    _, task = make_task(shape)
    instructions = wording.read(task.spec.question)
    assert instructions == task.spec.instructions
    assert write_program(instructions) == task.truth.program


@every_shape
def test_the_stated_cleaning_gives_the_clean_table_exactly(make_task: MakeTask, shape: str) -> None:
    _, task = make_task(shape)
    expected = pl.read_parquet(task.clean_file)
    observed = cleaned(task.spec.instructions, task.public)
    assert observed.columns == expected.columns
    # A column that lost a cell to noise ships as numbers; 1 and 1.0 are one value.
    assert observed.cast(expected.schema).equals(expected)
    assert expected.height >= 200


@every_shape
def test_the_private_side_says_which_step_undoes_which_noise(
    make_task: MakeTask, shape: str
) -> None:
    _, task = make_task(shape)
    record = pl.read_parquet(task.noise_file)
    assert record.columns == ["row_id", "column", "kind", "step"]
    steps = dict(enumerate(task.spec.instructions.steps, start=1))
    kinds = {
        number: getattr(registry.resolve(spec), "noise", None) for number, spec in steps.items()
    }
    assert all(kinds[row["step"]] == row["kind"] for row in record.iter_rows(named=True))
    assert set(record["kind"]) == set(task.spec.noise)
    inserted = record.filter(pl.col("column").is_null())["row_id"]
    noisy, _ = load_tables(task.spec.instructions, task.public)
    clean = pl.read_parquet(task.clean_file)
    assert sorted(inserted) == sorted(set(noisy["row_id"]) - set(clean["row_id"]))


@every_shape
def test_the_private_side_says_which_words_are_which_step(make_task: MakeTask, shape: str) -> None:
    _, task = make_task(shape)
    spans = [StepSpan.model_validate(span) for span in json.loads(task.phrases_file.read_text())]
    assert [span.step for span in spans] == list(range(1, len(spans) + 1))
    sentences = [task.spec.literal_text[span.start : span.end] for span in spans]
    steps = tuple(registry.read_sentence(sentence).spec() for sentence in sentences)
    assert steps == task.spec.instructions.steps
    assert [span.kind for span in spans] == [step.kind for step in steps]


def test_what_is_asked_may_differ_from_the_literal_text(make_task: MakeTask) -> None:
    """Gates read the literal text; the question is part of the task's key all the same."""
    _, task = make_task("numbers")
    reworded = task.model_copy(
        update={"spec": task.spec.model_copy(update={"question": "Please do as a friend told."})}
    )
    assert Wording().look(task).check.verdict == "valid"
    assert Wording().look(reworded).check.verdict == "valid"
    assert reworded.spec.task_key != task.spec.task_key
    lost = task.model_copy(
        update={"spec": task.spec.model_copy(update={"literal_text": "Do as a friend told."})}
    )
    assert Wording().look(lost).check.verdict == "invalid"


@every_shape
def test_the_task_is_as_long_and_as_noisy_as_it_should_be(make_task: MakeTask, shape: str) -> None:
    case, task = make_task(shape)
    steps = [registry.resolve(spec) for spec in task.spec.instructions.steps]
    assert len(steps) >= 8
    assert [step for step in steps if isinstance(step, FitPredict)] == steps[-1:]
    cleaning = [step for step in steps if isinstance(step, CleaningStep)]
    assert task.spec.noise == tuple(sorted({step.noise for step in cleaning}))
    assert len(task.spec.noise) >= 3
    assert len(set(map(str, steps))) == len(steps)
    stages = [step.stage for step in steps]
    classes = [cls.stage for cls in registry.step_classes()]
    assert stages == sorted(stages, key=classes.index)
    assert task.spec.instructions.targets == case.proposal.targets


@every_shape
def test_the_rows_to_predict_hold_no_target(make_task: MakeTask, shape: str) -> None:
    _, task = make_task(shape)
    train, val = load_tables(task.spec.instructions, task.public)
    targets = task.spec.instructions.targets
    assert val.columns == [name for name in train.columns if name not in targets]
    ids = [*train["row_id"], *val["row_id"]]
    assert sorted(ids) == list(range(len(ids)))
    truth = pl.read_parquet(task.truth_file)
    assert truth["row_id"].equals(val["row_id"])
    assert truth.columns[1 : 1 + len(targets)] == list(targets)
    assert sum(truth.null_count().row(0)) == 0
    names = {file.name for file in task.spec.files}
    assert {path.name for path in task.public.iterdir()} == names


@every_shape
def test_no_training_row_is_a_held_out_row(make_task: MakeTask, shape: str) -> None:
    case, task = make_task(shape)
    train, _ = load_tables(task.spec.instructions, task.public)
    held_out = shipped(divide(case.frame, case.proposal, case.split).val)
    for table in (train, pl.read_parquet(task.clean_file)):
        known = _as_text(shipped(table).select(held_out.columns))
        assert _as_text(held_out).join(known, on=held_out.columns, nulls_equal=True).is_empty()


def test_an_emptied_cell_does_not_make_a_held_out_row(
    make_case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every row is held out too, with another feature missing by turns."""
    case = make_case("categories")
    features = [feature.name for feature in case.proposal.features]
    turn = pl.int_range(700) % len(features)
    copies = case.frame.with_columns(
        pl.when(turn != place).then(pl.col(name)).alias(name) for place, name in enumerate(features)
    )
    sides = pl.Series([i >= 700 for i in range(1400)])
    split = Split("random", None, sides, "by hand")
    doubled = replace(case, frame=pl.concat([case.frame, copies]), split=split)
    monkeypatch.setattr(missing_values, "MAX_INJECTED_COLUMNS", len(features))
    draft = doubled.draft(tmp_path)
    assert isinstance(draft, Draft)
    held_out = shipped(without_repeats(divide(doubled.frame, case.proposal, split)).val)
    clean = _as_text(shipped(pl.read_parquet(draft.clean_file).drop("row_id")))
    assert clean.join(_as_text(held_out), on=held_out.columns, nulls_equal=True).is_empty()
    assert any(clean[name].null_count() for name in features)


def _as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Cells by value, whatever type a column has come to: 1 and 1.0 are one, dates are instants."""
    return frame.select(
        column.cast(pl.Float64).cast(pl.String)
        if column.dtype.is_numeric()
        else column.str.replace("T00:00:00$", "")
        for column in frame
    )


@every_shape
def test_grading_fits_the_answer(make_task: MakeTask, shape: str) -> None:
    case, task = make_task(shape)
    grading, instructions = task.truth.grading, task.spec.instructions
    is_class = case.proposal.problem == "classification"
    assert instructions.variant == ("class-if" if is_class else "reg-if")
    assert grading.metric == instructions.metric == ("exact" if is_class else "allclose")
    assert grading.scores == instructions.scores
    assert set(grading.atol) == set(instructions.scores if is_class else instructions.targets)
    labels = {str(label) for name in instructions.targets for label in case.frame[name]}
    assert set(grading.classes) == (labels if is_class else set())


def test_all_formats_occur_among_the_shapes(make_task: MakeTask) -> None:
    """The tests above say nothing about a format that no shape has drawn."""
    formats = {make_task(shape)[1].spec.instructions.data.format for shape in SHAPES}
    assert formats == {"csv", "parquet", "sqlite"}


# --- refusals ----------------------------------------------------------------------------------


def refused(result: Draft | Drop) -> tuple[str, str | None]:
    assert isinstance(result, Drop), "expected a refusal"
    assert "table 'made up'" in result.detail
    return result.reason, result.variant


def test_a_tiny_table_is_refused(make_case: Any, tmp_path: Path) -> None:
    case = make_case("numbers", n=400)
    small = case.frame.head(150)
    sides = pl.Series([i % 3 == 0 for i in range(150)])
    tiny = replace(case, frame=small, split=Split("random", None, sides, "by hand"))
    assert refused(tiny.draft(tmp_path)) == ("too_small", "reg-if")
    drop = case.draft(tmp_path, SizeConfig(min_train_rows=301))
    assert refused(drop) == ("too_small", "reg-if")
    assert (drop.value, drop.threshold) == (300, 301)
    assert list(tmp_path.iterdir()) == []


def test_repeats_of_the_source_are_not_taken_for_noise(make_case: Any, tmp_path: Path) -> None:
    case = make_case("categories", n=400)
    copied = case.frame.with_columns(
        pl.when(pl.int_range(400) % 2 == 0).then(pl.all()).otherwise(pl.all().first())
    )
    sides = pl.Series([i >= 280 for i in range(400)])
    repeated = replace(case, frame=copied, split=Split("random", None, sides, "by hand"))
    assert refused(repeated.draft(tmp_path)) == ("too_small", "reg-if")
    draft = repeated.draft(tmp_path, SizeConfig(min_val_rows=30))
    assert isinstance(draft, Draft)
    assert "duplicate" not in draft.spec.noise
    clean = pl.read_parquet(draft.clean_file).drop("row_id")
    assert clean.n_unique() < clean.height


def test_too_little_noise_or_too_few_steps_are_refused(make_case: Any, tmp_path: Path) -> None:
    case = make_case("text_labels")
    assert refused(case.draft(tmp_path, min_steps=60)) == ("no_steps", "class-if")
    assert refused(case.draft(tmp_path, min_noise_kinds=9)) == ("no_noise", "class-if")
    constant = case.frame.with_columns(pl.lit(1.5).alias(f"n{i}") for i in range(5))
    constant = constant.with_columns(kind=pl.lit("red"), place=pl.lit("north"))
    flat = replace(case, frame=constant)
    assert isinstance(flat.draft(tmp_path), Drop)


def test_features_without_a_value_are_refused(make_case: Any, tmp_path: Path) -> None:
    case = make_case("numbers")
    empty = case.frame.with_columns(pl.lit(None, pl.Float64).alias(f"n{i}") for i in range(5))
    assert refused(replace(case, frame=empty).draft(tmp_path)) == ("no_feature", "reg-if")


# --- repairs --------------------------------------------------------------------------------


def _steps(draft: Draft | Drop) -> tuple[StepSpec, ...]:
    assert isinstance(draft, Draft), draft
    return draft.spec.instructions.steps


@pytest.mark.parametrize("shape", ["dates", "text_labels"])
def test_a_forbidden_step_is_not_stated_and_most_others_stay(
    make_case: Any, tmp_path: Path, shape: str
) -> None:
    case = make_case(shape)
    first = _steps(case.draft(tmp_path))
    assert _steps(case.draft(tmp_path)) == first
    kept = []
    for step in first:
        others = _steps(case.draft(tmp_path, repair=Repair(avoid_steps=(step,))))
        assert step not in others
        kept.append(len(set(map(str, first)) & set(map(str, others))) / (len(first) - 1))
    # Whatever is stated later may have to follow, but nothing else.
    assert sorted(kept)[len(kept) // 2] >= 0.6


def test_forbidden_kinds_and_estimators_are_not_drawn(make_case: Any, tmp_path: Path) -> None:
    for shape in ("categories", "integer_labels"):
        case = make_case(shape)
        first, avoided = _steps(case.draft(tmp_path)), 0
        for kind in {step.kind for step in first} - {"fit_predict"}:
            repair = Repair(avoid_kinds=(kind,))
            draft = case.draft(tmp_path, repair=repair, min_noise_kinds=2)
            if isinstance(draft, Draft):
                assert kind not in {step.kind for step in _steps(draft)}
                avoided += 1
        assert avoided
        estimator = first[-1].parameters["estimator"]
        repair = Repair(avoid_models=(str(estimator),))
        others = _steps(case.draft(tmp_path, repair=repair))
        assert others[-1].parameters["estimator"] != estimator


def test_another_draw_gives_other_steps_and_noise_on_the_same_rows(
    make_case: Any, tmp_path: Path
) -> None:
    case = make_case("categories")
    clean = []
    for draw in range(2):
        draft = case.draft(tmp_path / str(draw), repair=Repair(salt=draw))
        clean.append((_steps(draft), pl.read_parquet(draft.clean_file)))
    (steps, table), (other_steps, other_table) = clean
    assert steps != other_steps
    assert draft.spec.task_id == case.plan().task_id
    target = case.proposal.targets[0]
    assert table[target].sort().equals(other_table[target].sort())
    assert not table[target].equals(other_table[target])


def test_a_removed_column_is_nowhere(make_case: Any, tmp_path: Path) -> None:
    draft = make_case("categories").draft(tmp_path, repair=Repair(without_columns=("n2",)))
    assert isinstance(draft, Draft)
    assert "n2" not in {column.name for column in draft.spec.instructions.columns}
    assert "`n2`" not in draft.spec.question


@pytest.mark.parametrize("seed", range(4))
def test_a_forbidden_join_gives_another_file(make_case: Any, tmp_path: Path, seed: int) -> None:
    n_parts = []
    for shape in SHAPES:
        case = make_case(shape, n=500, seed=seed)
        draft = case.draft(tmp_path, repair=Repair(avoid_kinds=("join_tables",)))
        n_parts.append(draft.spec.instructions.data.parts)
    assert set(n_parts) == {1}


# --- the reference -----------------------------------------------------------------------------


@every_shape
def test_the_reference_is_better_than_chance_and_sure(make_task: MakeTask, shape: str) -> None:
    _, task = make_task(shape)
    instructions, truth = task.spec.instructions, pl.read_parquet(task.truth_file)
    held_out = pl.read_parquet(task.held_out_file)
    assert held_out.columns == ["row_id", *instructions.targets]
    assert held_out["row_id"].equals(truth["row_id"])
    assert is_telling(truth, held_out, instructions.targets, instructions.problem)
    fit = registry.resolve(instructions.steps[-1])
    assert isinstance(fit, FitPredict)
    # Other matrices than those that the rows were chosen by: the last digits may differ.
    sure = sure_rows(truth, instructions.scores, fit.scores, 0.99 * MIN_MARGIN)
    assert sure == truth["row_id"].to_list()


def test_held_out_answers_are_those_of_the_source(make_case: Any, tmp_path: Path) -> None:
    case = make_case("numbers")
    draft = case.draft(tmp_path)
    held_out = pl.read_parquet(draft.held_out_file)
    _, val = load_tables(draft.spec.instructions, draft.public)
    both = val.join(held_out, on="row_id")
    known = [name for name in val.columns[1:] if both[name].null_count() == 0] + ["y"]
    matched = both.select(known).join(case.frame, on=known, how="semi")
    assert matched.height == val.height


def test_noise_without_signal_is_refused(make_case: Any, tmp_path: Path) -> None:
    case = make_case("categories")
    noise = case.frame.with_columns(pl.col("y").shuffle(seed=1))
    assert refused(replace(case, frame=noise).draft(tmp_path)) == ("no_fit", "reg-if")


# --- processes ---------------------------------------------------------------------------------


@pytest.mark.slow
@every_shape
def test_the_program_alone_reaches_truth_in_a_fresh_interpreter(
    make_task: MakeTask, shape: str, tmp_path: Path
) -> None:
    _, task = make_task(shape)
    assert task.truth.program is not None
    folder = tmp_path / "solver"
    shutil.copytree(task.public, folder)
    (folder / "solution.py").write_text(task.truth.program, encoding="utf-8")
    # No other module, no environment: the public files are all there is. A warning is an error.
    command = [sys.executable, "-I", "-W", "error", "solution.py"]
    done = subprocess.run(
        command, cwd=folder, env={}, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr
    result = score(answer_of(task, 0.1), folder / "prediction.csv")
    assert (result.score, result.reason) == (1.0, "ok")
    added = {path.name for path in folder.iterdir()} - {file.name for file in task.spec.files}
    assert added == {"solution.py", "prediction.csv"}


@pytest.mark.slow
def test_many_tables_lead_from_the_text_to_truth(make_case: Any, tmp_path: Path) -> None:
    """Other seeds draw other steps, models and formats."""
    kinds, wrong = set(), []
    with Workers(1) as reference, Workers(1, preload=PRELOAD) as programs:
        for seed in range(1, 5):
            for shape in SHAPES:
                draft = make_case(shape, n=500, seed=seed).draft(tmp_path)
                assert isinstance(draft, Draft), draft
                truth = reference.run(execute, draft, timeout_s=900)
                task = TaskFolder(spec=draft.spec, folder=draft.folder, truth=truth)
                program = write_program(wording.read(draft.spec.question))
                limits = (60.0, 2000)
                place = (draft.public, tmp_path / "solver")
                prediction = programs.run(run_program, program, *place, *limits, timeout_s=900)
                if score(answer_of(task, 0.1), prediction).score != 1.0:
                    wrong.append((shape, seed))
                kinds |= {step.kind for step in draft.spec.instructions.steps}
    assert wrong == []
    of_series = ("resample", "fill", "lag", "incomplete")
    tabular = {cls.kind for cls in registry.step_classes() if cls.stage not in of_series}
    assert kinds >= tabular - {"impute_label"}


CHILD = """
import json, hashlib, sys
from pathlib import Path
import polars as pl
from extract.dataset import RawDataset
from extract.workers import Workers
from transform.run.execute import execute
from transform.families.instruction import InstructionConfig
from transform.families.tabular_instruction import draft_instruction
from transform.plan import Plan
from transform.rows.size import SizeConfig
from transform.rows.split import split_rows

here = Path(sys.argv[1])
printed = {}
with Workers(1) as workers:
    for place in sorted(here.parent.glob("case-*")):
        frame = pl.read_parquet(place / "frame.parquet")
        raw = RawDataset.model_validate_json((place / "raw.json").read_text())
        plan = Plan.model_validate_json((place / "plan.json").read_text())
        split = split_rows(frame, [plan.proposal])
        parts = (raw, frame, plan, split, InstructionConfig(), SizeConfig())
        draft = draft_instruction(*parts, here)
        truth = workers.run(execute, draft, timeout_s=900)
        printed[place.name] = [draft.spec.task_key, truth.sha256, truth.program]
        printed[place.name].append(truth.grading.model_dump_json())
for path in sorted(here.rglob("*")):
    if path.is_file():
        name = path.relative_to(here).as_posix()
        printed[name] = hashlib.sha256(path.read_bytes()).hexdigest()
print(json.dumps(printed))
"""


@pytest.mark.slow
def test_another_process_gives_the_same_bytes(make_case: Any, tmp_path: Path) -> None:
    for shape in ("several_targets", "integer_labels", "text_labels", "dates", "wide"):
        case, place = make_case(shape), tmp_path / f"case-{shape}"
        place.mkdir()
        case.frame.write_parquet(place / "frame.parquet")
        (place / "raw.json").write_text(case.raw.model_dump_json())
        (place / "plan.json").write_text(case.plan().model_dump_json())
    first = _run_child(tmp_path / "one", hash_seed="1", threads="1")
    other = _run_child(tmp_path / "two", hash_seed="4242", threads="4")
    assert len(first) >= 5 * (1 + 4)
    assert first == other


def _run_child(folder: Path, hash_seed: str, threads: str) -> dict[str, Any]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, threads), "PYTHONHASHSEED": hash_seed}
    folder.mkdir()
    command = [sys.executable, "-c", CHILD, str(folder)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert isinstance(printed, dict)
    return printed

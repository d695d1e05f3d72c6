"""Truth by execution: from the public files alone, by the steps in their order."""

import hashlib
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extract.workers import Workers
from transform.files.tables import cell_types, shipped, write_tables
from transform.files.task_folder import Draft
from transform.run.execute import (
    apply_steps,
    cleaned,
    compute_answer,
    execute,
    load_tables,
    load_workspace,
)
from transform.steps import registry
from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.cleaning.join_tables import JoinTables
from transform.steps.cleaning.read_missing import ReadMissing
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.preparing.impute_constant import ImputeConstant
from transform.steps.step import Step
from transform.task import DataFiles, FileFormat, Instructions, StepSpec

TRAIN = pl.DataFrame(
    {
        "row_id": [7, 0, 3, 9, 4, 8],
        "x": ["1.0", "2.0", "?", "3.0", "900.0", "1.0"],
        "w": [1, 1, 2, 2, 5, 1],
        "y": [10.0, 20.0, 30.0, 30.0, 77.0, 10.0],
    }
)
VAL = pl.DataFrame({"row_id": [5, 1], "x": [4.0, None], "w": [3, 0]})
STEPS: tuple[Step, ...] = (
    ReadMissing(columns=("x",), marker="?", type="number"),
    FilterRange(column="x", low=0.0, high=10.0),
    DropDuplicates(),
    ImputeConstant(columns=("x",), value=3.0),
    FitPredict(estimator="LinearRegression", module="sklearn.linear_model", arguments={}),
)


def instructions_of(data: DataFiles, steps: tuple[Step, ...] = STEPS) -> Instructions:
    numbers = TRAIN.with_columns(pl.lit(0.5).alias("x"))
    join = (JoinTables.of(data.parts),) if data.parts > 1 else ()
    return Instructions(
        variant="reg-if",
        problem="regression",
        data=data,
        columns=cell_types(numbers),
        targets=("y",),
        metric="allclose",
        steps=tuple(step.spec() for step in (*join, *steps)),
    )


@pytest.fixture(params=[("csv", 1), ("parquet", 1), ("sqlite", 1), ("sqlite", 2)], ids=str)
def laid_out(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Instructions, Path]:
    form: FileFormat = request.param[0]
    data = DataFiles(format=form, parts=request.param[1])
    write_tables(tmp_path, data, shipped(TRAIN).sort("row_id"), shipped(VAL).sort("row_id"))
    return instructions_of(data), tmp_path


def test_the_answer_is_what_a_person_would_work_out(laid_out: tuple[Instructions, Path]) -> None:
    """After cleaning y is 10, 20, 30, 30 at x 1, 2, 3, 3 (w 1, 1, 2, 2): y = 10 x."""
    answer = compute_answer(*laid_out)
    expected = pl.DataFrame({"row_id": [1, 5], "y": [30.0, 40.0]})
    assert_frame_equal(answer, expected, abs_tol=1e-9)


def test_cleaning_ends_before_the_other_steps(laid_out: tuple[Instructions, Path]) -> None:
    table = cleaned(*laid_out)
    assert table["row_id"].to_list() == [0, 3, 7, 9]
    assert table["x"].to_list() == [2.0, None, 1.0, 3.0]
    assert table.columns == TRAIN.columns


def test_loading_joins_parts_and_sorts_by_id(laid_out: tuple[Instructions, Path]) -> None:
    instructions, public = laid_out
    train, val = load_tables(instructions, public)
    assert_frame_equal(train, TRAIN.sort("row_id"))
    assert_frame_equal(val, VAL.sort("row_id"))
    work = load_workspace(instructions, public)
    assert len(work.parts) == (2 if instructions.data.parts == 2 else 0)
    assert work.targets == ("y",)
    # What a marker stands in is text until the step that reads it.
    x = next(side["x"] for side, _ in work.parts or [(work.train, work.val)] if "x" in side.columns)
    assert x.dtype == pl.String


def test_the_order_of_steps_acts(laid_out: tuple[Instructions, Path]) -> None:
    instructions, public = laid_out
    join = instructions.steps[: instructions.data.parts - 1]
    reader, *middle, imputer, fit = (step.spec() for step in STEPS)
    early = instructions.model_copy(update={"steps": (*join, reader, imputer, *middle, fit)})
    steps = tuple(registry.resolve(spec) for spec in early.steps[:-1])
    # Filled in before duplicates are sought, row 3 makes row 9 its copy.
    table = apply_steps(steps, load_workspace(early, public)).train
    assert table["row_id"].to_list() == [0, 3, 7]


def test_an_unknown_step_is_our_mistake(laid_out: tuple[Instructions, Path]) -> None:
    instructions, public = laid_out
    odd = StepSpec(kind="think_hard", parameters={})
    with pytest.raises(ValueError, match="'think_hard' is unknown; expected one of: "):
        compute_answer(instructions.model_copy(update={"steps": (odd,)}), public)


def test_what_an_estimator_refuses_is_raised(laid_out: tuple[Instructions, Path]) -> None:
    instructions, public = laid_out
    without_rows = FilterRange(column="w", low=100.0, high=200.0).spec()
    steps = (*instructions.steps[:-1], without_rows, instructions.steps[-1])
    with pytest.raises(ValueError, match="0 sample"):
        compute_answer(instructions.model_copy(update={"steps": steps}), public)


@pytest.fixture
def draft(make_case: Any, tmp_path: Path) -> Draft:
    made = make_case("text_labels").draft(tmp_path / "drafts")
    assert isinstance(made, Draft)
    return made


def test_truth_is_written_and_hashed(draft: Draft) -> None:
    truth = execute(draft)
    assert truth.sha256 == hashlib.sha256(draft.truth_file.read_bytes()).hexdigest()
    answer = pl.read_parquet(draft.truth_file)
    assert answer.columns == ["row_id", *draft.spec.instructions.answer_columns]
    assert answer["row_id"].is_sorted()
    assert truth.grading.n_rows == answer.height
    assert truth.grading.scores == draft.spec.instructions.scores
    assert truth.program is not None
    again = execute(draft)
    assert again.sha256 == truth.sha256


def test_truth_needs_nothing_but_the_public_files(draft: Draft, tmp_path: Path) -> None:
    first = execute(draft)
    alone = Draft(spec=draft.spec, folder=tmp_path / "alone", truth=None)
    alone.private.mkdir(parents=True)
    draft.public.rename(alone.public)
    before = {path: path.stat().st_mtime_ns for path in alone.public.iterdir()}
    assert execute(alone).sha256 == first.sha256
    assert {path: path.stat().st_mtime_ns for path in alone.public.iterdir()} == before


@pytest.mark.slow
def test_workers_agree_with_this_process(draft: Draft) -> None:
    here = execute(draft)
    with Workers(1, memory_mb=2000, environment={"PYTHONHASHSEED": "77"}) as workers:
        assert workers.run(os.getpid, timeout_s=900) != os.getpid()
        there = workers.run(execute, draft, timeout_s=900)
    assert there.sha256 == here.sha256
    assert there.program == here.program
    assert there.grading == here.grading

"""Instruction forecasts end to end: text and public files lead to truth, and to no later value."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from extract.drop import Drop
from extract.store import Store
from transform import wording
from transform.families.forecasting import ForecastingConfig
from transform.families.instruction import InstructionConfig
from transform.families.series_instruction import draft_series_instruction
from transform.files.task_folder import Draft, TaskFolder
from transform.plan import Plan, Repair
from transform.proposal import Feature, Proposal, TimeAxis
from transform.rows.size import SizeConfig
from transform.rows.split import Split, split_rows
from transform.run.execute import apply_steps, cleaned, execute, load_tables, load_workspace
from transform.run.program import write_program
from transform.steps import registry
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.series.derive_lag import DeriveLag
from transform.steps.series.derive_rolling import DeriveRolling
from transform.steps.step import CleaningStep
from transform.task_id import identify
from validate.controls import answer_of, run_controls
from validate.score import score

SHAPES = ("panel", "single", "finer", "integer_entities", "promotions")
every_shape = pytest.mark.parametrize("shape", SHAPES)
MakeTask = Callable[[str], tuple[pl.DataFrame, Plan, TaskFolder]]


def sales(shape: str) -> pl.DataFrame:
    """Weekly rhythms with a little noise; every column but the first two moves in time."""
    rng = np.random.default_rng(SHAPES.index(shape))
    shops: list[Any] = ["north", "South, old", "west"]
    if shape == "integer_entities":
        shops = [4, 7, 11]
    shops = shops[:1] if shape == "single" else shops
    hours = range(0, 24, 8) if shape == "finer" else [0]
    rows = [
        (datetime(2022, 1, 1) + timedelta(days=day, hours=hour), place, shop)
        for day in range(420)
        for hour in hours
        for place, shop in enumerate(shops)
    ]
    day = np.array([(when - rows[0][0]).days for when, _, _ in rows])
    place = np.array([place for _, place, _ in rows])
    visitors = 50 + 5 * place + 12 * np.sin(day * 2 * np.pi / 7) + rng.normal(0, 2, len(rows))
    promo = (rng.random(len(rows)) < 0.3).astype(np.int64)
    columns: dict[str, Any] = {
        "day": [when for when, _, _ in rows],
        "shop": [shop for _, _, shop in rows],
        "sales": (3 * visitors + 20 * promo + rng.normal(0, 3, len(rows))).round(2),
        "visitors": visitors.round(1),
    }
    if shape == "promotions":
        columns |= {"promo": promo}
    frame = pl.DataFrame(columns)
    return frame.drop("shop") if shape == "single" else frame


def planned(frame: pl.DataFrame, raw: Any, repair: Repair, finer: bool) -> tuple[Plan, Split]:
    others = [name for name in frame.columns if name not in ("day", "shop", "sales")]
    proposal = Proposal(
        dataset=raw.ref,
        table="sales",
        problem="forecasting",
        targets=("sales",),
        features=tuple(Feature(name=name, type="number") for name in others),
        time=TimeAxis(column="day", frequency="1d", resample=finer),
        entities=("shop",) if "shop" in frame.columns else (),
        known_covariates=("promo",) if "promo" in frame.columns else (),
        aggregations=(("sales", "sum"), ("visitors", "mean")) if finer else (),
        reasons=(),
        proposer="test-1",
    )
    split = split_rows(frame, [proposal])
    assert isinstance(split, Split)
    plan = Plan(
        task_id=identify(proposal, "ts-if", split),
        variant="ts-if",
        proposal=proposal,
        split=split.write(Store(str(raw.tables[0].path.parent))),
        repair=repair,
    )
    return plan, split


def drafted(
    frame: pl.DataFrame,
    make_raw: Any,
    folder: Path,
    repair: Repair | None = None,
    finer: bool = False,
    **knobs: Any,
) -> tuple[Plan, Draft | Drop]:
    raw = make_raw(sales=frame)
    plan, split = planned(frame, raw, repair or Repair(), finer)
    limits = (InstructionConfig(**knobs), ForecastingConfig())
    parts = (raw, frame, plan, split, limits, SizeConfig(), folder)
    return plan, draft_series_instruction(*parts)


@pytest.fixture(scope="module")
def make_task(make_module_raw: Any, tmp_path_factory: pytest.TempPathFactory) -> MakeTask:
    made: dict[str, tuple[pl.DataFrame, Plan, TaskFolder]] = {}

    def make(shape: str) -> tuple[pl.DataFrame, Plan, TaskFolder]:
        if shape not in made:
            frame, folder = sales(shape), tmp_path_factory.mktemp(shape)
            plan, draft = drafted(frame, make_module_raw, folder, finer=shape == "finer")
            assert isinstance(draft, Draft), draft
            truth = execute(draft)
            made[shape] = frame, plan, TaskFolder(spec=draft.spec, folder=draft.folder, truth=truth)
        return made[shape]

    return make


def steps_of(task: Draft) -> list[Any]:
    return [registry.resolve(spec) for spec in task.spec.instructions.steps]


@every_shape
def test_truth_wins_and_rubbish_loses(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    assert score(answer_of(task), pl.read_parquet(task.truth_file)).score == 1.0
    assert [result for result in run_controls(answer_of(task)) if not result.passed] == []
    assert task.truth.grading.metric == "allclose"


@every_shape
def test_the_text_is_complete(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    instructions = wording.read(task.spec.question)
    assert instructions == task.spec.instructions
    assert write_program(instructions) == task.truth.program


@every_shape
def test_the_program_leads_to_truth(make_task: MakeTask, shape: str, tmp_path: Path) -> None:
    _, _, task = make_task(shape)
    assert task.truth.program is not None
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path / "alone"
        folder.mkdir()
        for path in task.public.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        patch.chdir(folder)
        exec(compile(task.truth.program, "solution.py", "exec"), names)
        assert score(answer_of(task), folder / "prediction.csv").score == 1.0


@every_shape
def test_the_stated_cleaning_gives_the_clean_table_exactly(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    expected = pl.read_parquet(task.clean_file)
    observed = cleaned(task.spec.instructions, task.public)
    assert observed.columns == expected.columns
    assert observed.cast(expected.schema).equals(expected)
    noisy, _ = load_tables(task.spec.instructions, task.public)
    assert noisy.height > 1.05 * expected.height


@every_shape
def test_the_task_is_as_long_and_as_noisy_as_it_should_be(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    steps = steps_of(task)
    assert len(steps) >= 8
    assert isinstance(steps[-1], FitPredict)
    cleaning = [step for step in steps if isinstance(step, CleaningStep)]
    assert len(cleaning) >= 3
    assert len(task.spec.noise) >= 3
    stages = [step.stage for step in steps]
    order = [cls.stage for cls in registry.step_classes()]
    assert stages == sorted(stages, key=order.index)
    assert any(isinstance(step, DeriveLag) for step in steps)
    assert ("resample" in [step.kind for step in steps]) == (shape == "finer")


@every_shape
def test_nothing_from_the_cutoff_on_is_shipped(make_task: MakeTask, shape: str) -> None:
    """Not even the rows behind the cells that a sibling scores."""
    _, plan, task = make_task(shape)
    cutoff = plan.split.cutoff
    assert cutoff is not None
    train, val = load_tables(task.spec.instructions, task.public)
    clean = pl.read_parquet(task.clean_file)
    for table in (train, clean):
        assert (table["day"] < cutoff).all()
    assert val["day"].min() == cutoff
    assert not {"sales", "visitors"} & set(val.columns)
    assert ("promo" in val.columns) == (shape == "promotions")
    ids = [*train["row_id"], *val["row_id"]]
    assert sorted(ids) == list(range(len(ids)))


@every_shape
def test_what_is_held_out_is_the_source(make_task: MakeTask, shape: str) -> None:
    frame, _, task = make_task(shape)
    _, val = load_tables(task.spec.instructions, task.public)
    held_out = pl.read_parquet(task.held_out_file).join(val, on="row_id")
    keys = [name for name in ("shop", "day") if name in frame.columns]
    day = pl.col("day").dt.truncate("1d").cast(held_out.schema["day"])
    source = frame.with_columns(day, *(pl.col(key).cast(pl.String) for key in keys[:-1]))
    daily = source.group_by(keys).agg(pl.col("sales").sum().alias("right"))
    folded = pl.col("shop").str.to_lowercase() if "shop" in keys else pl.lit(value=True)
    both = held_out.with_columns(folded.alias("at")).join(
        daily.with_columns(folded.alias("at")), on=["at", "day"]
    )
    assert both.height == held_out.height >= 24
    assert (both["sales"] - both["right"]).abs().max() < 1e-6  # type: ignore[operator]
    assert pl.read_parquet(task.truth_file)["row_id"].equals(val["row_id"])


@every_shape
def test_every_lag_is_known_for_every_row_to_predict(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    instructions, steps = task.spec.instructions, steps_of(task)
    end = max(i for i, step in enumerate(steps) if step.stage == "lag")
    work = apply_steps(tuple(steps[: end + 1]), load_workspace(instructions, task.public))
    new = [step.name for step in steps[: end + 1] if isinstance(step, DeriveLag | DeriveRolling)]
    assert sum(work.val.select(new).null_count().row(0)) == 0
    assert sum(work.train.select(new).null_count().row(0)) > 0


@every_shape
def test_instructions_lead_to_something_about_the_world(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    both = pl.read_parquet(task.held_out_file).join(
        pl.read_parquet(task.truth_file), on="row_id", suffix=" said"
    )
    assert both.select(pl.corr("sales", "sales said")).item() > 0.3


@every_shape
def test_own_violations_of_what_looks_back_are_seen(make_task: MakeTask, shape: str) -> None:
    _, _, task = make_task(shape)
    instructions, steps = task.spec.instructions, steps_of(task)
    right = pl.read_parquet(task.truth_file)["sales"]
    work = load_workspace(instructions, task.public)
    for place, step in enumerate(steps):
        if step.stage in ("resample", "fill", "lag", "incomplete"):
            for wrong in step.mutations():
                others = (*wrong.instead, *steps[place + 1 :])
                answer = _answer(others, work)
                assert answer is None or _moved(answer, right), (step.kind, wrong.name)
        work = step.apply(work)


def _answer(steps: Iterable[Any], work: Any) -> pl.Series | None:
    """None when the mistake leads nowhere."""
    try:
        for step in steps:
            work = step.apply(work)
    except ValueError:
        return None
    return work.answer.sort("row_id")["sales"]  # type: ignore[no-any-return]


def _moved(answer: pl.Series, right: pl.Series) -> bool:
    return float(((answer - right).abs() > 1e-5 * right.abs()).mean()) >= 0.01  # type: ignore[arg-type]


def test_a_draft_is_the_same_every_time(make_raw: Any, tmp_path: Path) -> None:
    frame = sales("panel")
    (_, one), (_, other) = (drafted(frame, make_raw, tmp_path / name) for name in "ab")
    assert isinstance(one, Draft)
    assert isinstance(other, Draft)
    assert one.spec == other.spec


def test_amendments_are_honoured(make_raw: Any, tmp_path: Path) -> None:
    frame = sales("panel")
    _, first = drafted(frame, make_raw, tmp_path / "first")
    assert isinstance(first, Draft)
    steps = first.spec.instructions.steps
    fit = steps[-1].parameters["estimator"]
    lag = next(step for step in steps if step.kind == "derive_lag")
    asked = Repair(
        salt=1,
        avoid_kinds=("derive_date_parts",),
        avoid_models=(str(fit),),
        avoid_steps=(lag,),
        without_columns=("visitors",),
    )
    plan, second = drafted(frame, make_raw, tmp_path / "second", asked)
    assert isinstance(second, Draft)
    assert plan.task_id == first.spec.task_id
    instructions = second.spec.instructions
    assert "derive_date_parts" not in {step.kind for step in instructions.steps}
    assert instructions.steps[-1].parameters["estimator"] != fit
    assert lag not in instructions.steps
    assert "visitors" not in {column.name for column in instructions.columns}


def test_noise_is_refused(make_raw: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    frame = sales("panel")
    frame = frame.with_columns(pl.Series("sales", rng.normal(0, 1, frame.height).round(3)))
    _, refused = drafted(frame, make_raw, tmp_path)
    assert isinstance(refused, Drop)
    assert (refused.reason, refused.variant) == ("no_fit", "ts-if")


def test_a_short_history_is_refused(make_raw: Any, tmp_path: Path) -> None:
    frame = sales("single")
    raw = make_raw(sales=frame)
    plan, split = planned(frame, raw, Repair(), finer=False)
    short = frame.with_columns(pl.when(pl.int_range(pl.len()) > 300).then("sales").alias("sales"))
    size, limits = SizeConfig(), (InstructionConfig(), ForecastingConfig())
    refused = draft_series_instruction(raw, short, plan, split, limits, size, tmp_path)
    assert isinstance(refused, Drop)
    assert (refused.reason, refused.variant) == ("too_small", "ts-if")


def test_repeated_events_are_not_taken_for_noise(make_raw: Any, tmp_path: Path) -> None:
    """In a table of events, equal rows are two events."""
    tens = (pl.col("sales", "visitors") / 10).round() * 10
    frame = sales("finer").with_columns(tens)
    # Every other row, so that no shop sells more than the others.
    frame = pl.concat([frame, frame.gather_every(2)])
    _, draft = drafted(frame, make_raw, tmp_path, finer=True)
    assert isinstance(draft, Draft), draft
    assert "drop_duplicates" not in {step.kind for step in draft.spec.instructions.steps}

"""What the prose says can be read back, and nothing of it can be lost or changed in silence."""

import random
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transform import wording
from transform.files.task_folder import Draft
from transform.proposal import Frequency
from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.cleaning.filter_categories import FilterCategories
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.cleaning.normalise_text import NormaliseText
from transform.steps.cleaning.read_missing import ReadMissing
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.fitting.models import MODELS
from transform.steps.preparing.derive_ratio import DeriveRatio
from transform.steps.preparing.drop_incomplete import DropIncomplete
from transform.steps.preparing.select_columns import SelectColumns
from transform.steps.series.derive_lag import DeriveLag
from transform.steps.series.derive_rolling import DeriveRolling
from transform.steps.series.fill_series import FillSeries
from transform.steps.series.resample import Resample
from transform.steps.step import Step
from transform.task import (
    MAX_PARTS,
    CellType,
    ColumnSpec,
    DataFiles,
    Grid,
    Instructions,
    Metric,
    Variant,
)

FORMATS = [("csv", 1), ("parquet", 1), *(("sqlite", parts) for parts in range(1, MAX_PARTS + 1))]
METRICS: dict[str, Metric] = {
    "class-if": "exact",
    "reg-if": "allclose",
    "class-mm": "macro_f1",
    "reg-mm": "clipped_r2",
    "ts-xf": "clipped_r2",
    "ts-cf": "clipped_r2",
    "ts-if": "allclose",
}
PROBLEMS = {"class": "classification", "reg": "regression", "ts": "forecasting"}
# What extraction lets through: no back quote and no control character, but anything else.
NAMES = st.text(
    st.one_of(
        st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="`"),
        st.sampled_from(", ;:\"'\\.()"),
    ),
    min_size=1,
    max_size=25,
).filter(lambda name: name == name.strip())
VALUES = st.text(max_size=30)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
MODEL_NAMES = st.sampled_from(sorted(MODELS))


def instructions_of(**changes: Any) -> Instructions:
    """A small task; `changes` of its fields."""
    variant: str = changes.get("variant", "reg-mm")
    fields: dict[str, Any] = {
        "variant": variant,
        "problem": PROBLEMS[variant.split("-", maxsplit=1)[0]],
        "data": DataFiles(format="csv"),
        "columns": (ColumnSpec(name="x", type="number"), ColumnSpec(name="y", type="number")),
        "targets": ("y",),
        "metric": METRICS[variant],
    }
    return Instructions(**{**fields, **changes})


@pytest.mark.parametrize(("form", "parts"), FORMATS)
@pytest.mark.parametrize("variant", get_args(Variant))
def test_every_variant_in_every_format(variant: Variant, form: Any, parts: int) -> None:
    instructions = instructions_of(variant=variant, data=DataFiles(format=form, parts=parts))
    assert wording.read(wording.say(instructions)) == instructions


@pytest.mark.parametrize("known_covariates", [(), ("x",), ("x", "price, ahead")])
@pytest.mark.parametrize("entities", [(), ("shop",), ("shop", "the `till`".replace("`", "'"))])
@pytest.mark.parametrize("frequency", get_args(Frequency))
def test_every_grid(
    frequency: Frequency, entities: tuple[str, ...], known_covariates: tuple[str, ...]
) -> None:
    grid = Grid(
        column="day", frequency=frequency, entities=entities, known_covariates=known_covariates
    )
    for variant in ("ts-xf", "ts-if"):
        instructions = instructions_of(variant=variant, grid=grid)
        text = wording.say(instructions)
        assert wording.read(text) == instructions
        assert "one series" in text


def test_a_history_that_is_not_on_the_grid_is_not_said_to_be() -> None:
    grid = Grid(column="day", frequency="1d", entities=(), known_covariates=())
    said = wording.say(instructions_of(variant="ts-if", grid=grid))
    assert "`day` holds ISO 8601 instants; those to predict stand every day" in said
    assert "instants, every day" in wording.say(instructions_of(variant="ts-cf", grid=grid))


def test_the_tolerance_is_read_as_it_is_said() -> None:
    loose = instructions_of(variant="reg-if", rtol=0.25)
    assert "relative tolerance of 0.25" in wording.say(loose)
    assert wording.read(wording.say(loose)) == loose != instructions_of(variant="reg-if")
    with pytest.raises(ValueError, match="expected the line"):
        wording.read(wording.say(loose).replace("1e-08", "1e-07"))


@pytest.mark.parametrize("rtol", [1e-5, 0.001, 2.5e-7, 1.0])
@pytest.mark.parametrize("variant", ["class-if", "reg-if"])
def test_the_tolerance_is_stated_and_read_back(variant: str, rtol: float) -> None:
    instructions = instructions_of(variant=variant, rtol=rtol)
    text = wording.say(instructions)
    assert repr(rtol) in text
    assert wording.read(text) == instructions != instructions_of(variant=variant, rtol=rtol / 2)


def test_names_are_quoted_verbatim() -> None:
    columns = tuple(ColumnSpec(name=n, type="text") for n in ("a, b", 'say "hi"', "it's (text)"))
    text = wording.say(instructions_of(columns=columns, targets=("it's (text)",)))
    for quoted in ("`a, b` (text)", '`say "hi"` (text)', "`it's (text)`", "`prediction.csv`"):
        assert quoted in text
    for name in ("`row_id`", "`train.csv`", "`val.csv`", "`metadata.md`"):
        assert name in text


@st.composite
def columns(draw: st.DrawFn) -> tuple[ColumnSpec, ...]:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    kinds = st.sampled_from(get_args(CellType))
    return tuple(ColumnSpec(name=name, type=draw(kinds)) for name in names)


@st.composite
def fits(draw: st.DrawFn) -> FitPredict:
    name = draw(MODEL_NAMES)
    keys = st.sampled_from(["alpha", "C", "max_depth", "weights", "solver"])
    values = st.one_of(NUMBERS, st.integers(), st.booleans(), VALUES, st.lists(st.integers()))
    return FitPredict(
        estimator=name,
        module=MODELS[name].module,
        arguments=draw(st.dictionaries(keys, values.filter(lambda v: "`" not in repr(v)))),
        targets=draw(st.sampled_from(["single", "joint", "separate"])),
        scores=draw(st.sampled_from(["none", MODELS[name].scores])),
    )


NAME_LISTS = st.lists(NAMES, min_size=1, max_size=4).map(tuple)
CHOICES = st.sampled_from(["keep", "remove", "unstated"])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(FilterRange, column=NAMES, low=NUMBERS, high=NUMBERS, missing=CHOICES),
    st.builds(
        FilterCategories,
        column=NAMES,
        categories=st.lists(VALUES, min_size=1, max_size=4).map(tuple),
        missing=CHOICES,
    ),
    st.builds(ReadMissing, columns=NAME_LISTS, marker=VALUES),
    st.builds(NormaliseText, columns=NAME_LISTS),
    st.builds(SelectColumns, columns=NAME_LISTS),
    st.builds(DropDuplicates),
    fits(),
)


@settings(max_examples=150, deadline=None)
@given(
    columns=columns(),
    form=st.sampled_from(FORMATS),
    variant=st.sampled_from(get_args(Variant)),
    steps=st.lists(STEPS, max_size=5),
    labels=st.lists(NAMES, max_size=3, unique=True),
    grid=st.none()
    | st.builds(
        Grid,
        column=NAMES,
        frequency=st.sampled_from(get_args(Frequency)),
        entities=st.lists(NAMES, max_size=2).map(tuple),
        known_covariates=st.lists(NAMES, max_size=2).map(tuple),
    ),
)
def test_hostile_names_and_values_come_back(
    columns: tuple[ColumnSpec, ...],
    form: Any,
    variant: Variant,
    steps: list[Step],
    labels: list[str],
    grid: Grid | None,
) -> None:
    instructions = instructions_of(
        variant=variant,
        data=DataFiles(format=form[0], parts=form[1]),
        columns=columns,
        targets=tuple(column.name for column in columns[-1:]),
        scores=tuple(f"score_{label}" for label in labels),
        grid=grid,
        steps=tuple(step.spec() for step in steps),
    )
    text = wording.say(instructions)
    assert wording.read(text) == instructions
    assert wording.say(wording.read(text)) == text


# --- tampering ---------------------------------------------------------------------------------


def heard(text: str) -> Instructions | None:
    """What is understood; None when it is refused. No other exception passes."""
    try:
        return wording.read(text)
    except ValueError:
        return None


def _in_series() -> tuple[Step, ...]:
    at: dict[str, Any] = {"time": "day", "by": ("kind",)}
    return (
        Resample(every="1w", aggregations=(("x", "sum"), ("y", "last")), **at),
        FillSeries(columns=("w", "x"), how="previous", **at),
        DeriveLag(name="y lag 28", column="y", lag=28, **at),
        DeriveLag(name="x lag 1", column="x", lag=1, time="day", order="id"),
        DeriveRolling(name="y mean 3", column="y", lag=28, window=3, statistic="mean", time="day"),
        DropIncomplete(columns=("y lag 28", "x lag 1")),
    )


def long_tasks() -> list[Instructions]:
    """Tasks with every clause there is."""
    steps = (
        ReadMissing(columns=("x",), marker="?", type="number"),
        FilterRange(column="x", low=0.5, high=12.0),
        FilterCategories(column="kind", categories=("a", 'b "c"')),
        DropDuplicates(),
        DeriveRatio(numerator="x", denominator="w", name="x per w"),
        FitPredict(
            estimator="LogisticRegression",
            module="sklearn.linear_model",
            arguments={"C": 0.5, "class_weight": "balanced"},
            scores="probability",
        ),
    )
    columns = [("x", "number"), ("w", "number"), ("kind", "text"), ("day", "time"), ("y", "text")]
    common: dict[str, Any] = {
        "columns": tuple(ColumnSpec(name=n, type=t) for n, t in columns),  # type: ignore[arg-type]
    }
    grid = Grid(column="day", frequency="1w", entities=("kind",), known_covariates=("w", "x"))
    return [
        instructions_of(
            variant="class-if",
            data=DataFiles(format="sqlite", parts=3),
            scores=("score_a", "score_b"),
            steps=tuple(step.spec() for step in steps),
            **common,
        ),
        instructions_of(variant="ts-xf", data=DataFiles(format="parquet"), grid=grid, **common),
        instructions_of(
            variant="ts-if", grid=grid, steps=tuple(step.spec() for step in _in_series()), **common
        ),
        instructions_of(variant="class-mm", **common),
    ]


@pytest.fixture(params=long_tasks(), ids=lambda task: task.variant)
def task(request: pytest.FixtureRequest) -> Instructions:
    assert isinstance(request.param, Instructions)
    return request.param


def test_no_line_can_be_left_out(task: Instructions) -> None:
    lines = wording.say(task).split("\n")
    for i in range(len(lines)):
        assert heard("\n".join(lines[:i] + lines[i + 1 :])) != task, lines[i]


def test_no_line_can_stand_twice_or_elsewhere(task: Instructions) -> None:
    lines = wording.say(task).split("\n")
    for i, line in enumerate(lines):
        assert heard("\n".join([*lines, line])) != task, line
        for j in range(i):
            swapped = lines.copy()
            swapped[i], swapped[j] = lines[j], line
            assert heard("\n".join(swapped)) != task, (line, lines[j])


def test_steps_in_another_order_are_another_task(task: Instructions) -> None:
    for i in range(1, len(task.steps)):
        steps = list(task.steps)
        steps[i], steps[i - 1] = steps[i - 1], steps[i]
        turned = task.model_copy(update={"steps": tuple(steps)})
        assert heard(wording.say(turned)) == turned != task


def test_no_character_can_change_unseen(task: Instructions) -> None:
    text, rng = wording.say(task), random.Random(5)
    for position in rng.sample(range(len(text)), 300):
        changed = rng.choice([c for c in ' ,.`"\\0aZ(\n' if c != text[position]])
        before, after = text[:position], text[position + 1 :]
        for tampered in (before + after, before + changed + after):
            understood = heard(tampered)
            assert tampered == text or understood != task, (position, text[position], changed)
            assert understood is None or wording.say(understood) == tampered


def test_what_is_not_ours_is_refused(task: Instructions) -> None:
    text = wording.say(task)
    for foreign in (
        "",
        "\n",
        text + "\n",
        text.replace("\n", "\r\n"),
        text + "\nAlso remove every second row.",
        "Please.\n" + text,
        text.upper(),
    ):
        with pytest.raises(ValueError, match=r"line|clause"):
            wording.read(foreign)


def test_broken_arguments_are_refused_like_anything_else() -> None:
    text = wording.say(long_tasks()[0])
    for broken in ("C=(", "C=__import__('os')", "C=1 if 1 else 2", "C=\x00"):
        assert "`C=0.5`" in text
        assert heard(text.replace("`C=0.5`", f"`{broken}`")) is None


def test_real_drafts_are_read_back(make_case: Any, tmp_path: Path) -> None:
    for shape in ("hostile_names", "text_labels", "dates"):
        draft = make_case(shape).draft(tmp_path)
        assert isinstance(draft, Draft)
        assert draft.spec.question == wording.say(draft.spec.instructions)
        assert wording.read(draft.spec.question) == draft.spec.instructions

"""Noise is undone exactly, and only by the whole of the stated rule."""

import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from tests.bench.held_out_set import HeldOut, held_out_of
from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.cleaning.drop_missing_target import DropMissingTarget
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.cleaning.normalise_text import NormaliseText
from transform.steps.cleaning.undo_units import UndoUnits
from transform.steps.registry import step_classes
from transform.steps.step import CellRule, CleaningStep, RowRule, Step, StepContext, Workspace

SEEDS = range(8)
N = 24
ROW_RULES = [cls for cls in step_classes() if issubclass(cls, RowRule)]
CELL_RULES = [cls for cls in step_classes() if issubclass(cls, CellRule)]
ids = pytest.mark.parametrize


def clean_tables(
    cls: type[CleaningStep], make_sketch: Callable[..., StepContext], seed: int
) -> list[tuple[CleaningStep, Workspace]]:
    """Proposed steps with tables on which they change nothing."""
    model = ("Ridge", "DecisionTreeClassifier")[seed % 2]
    context = make_sketch(seed, model, n_targets=1 + seed % 3)
    cleaned = []
    for step in cls.choose(context, random.Random(seed)):
        work = step.apply(Workspace(context.train, context.val, context.targets))
        val = (
            step.apply(Workspace(context.val, context.val, ())).train
            if step.stage == "text"
            else work.val
        )
        work = Workspace(work.train, val, work.targets)
        assert step.apply(work).train.equals(work.train)
        cleaned.append((step, work))
    return cleaned


def with_rows(step: RowRule, work: Workspace, seed: int, n: int = N) -> pl.DataFrame:
    """Clean rows with noisy ones at random places between them; originals keep the lowest ids."""
    rows = step.noisy_rows(work.train, random.Random(seed), n)
    assert rows.height == n
    assert rows.schema == work.train.schema
    assert rows["row_id"].null_count() == n
    new_ids = random.Random(seed).sample(range(1000, 2000), n)
    return pl.concat([work.train, rows.with_columns(row_id=pl.Series(new_ids))]).sort("row_id")


def assert_mistakes_show(
    step: CleaningStep,
    noisy: Workspace,
    clean: Workspace,
    run_lines: Callable[..., dict[str, Any]],
    assert_same: Callable[..., None],
) -> None:
    """No mistake leads to the clean table; those that a step says do what its lines do."""
    for wrong in (*step.mutations(), *held_out_of(step)):
        mutated = noisy
        for other in wrong.instead:
            before, mutated = mutated, other.apply(mutated)
            if isinstance(other, Step) and not step.text_columns:
                assert_same(mutated.train, run_lines([other], before)["train"])
        # A misread end lets in what lies near it, if anything does.
        always_acts = not (isinstance(wrong, HeldOut) and wrong.if_it_acts)
        if always_acts and wrong.name != "wider":
            assert not mutated.train.equals(clean.train), (step, wrong.name)


@pytest.mark.parametrize("cls", ROW_RULES, ids=lambda cls: cls.kind)
def test_rows_are_removed_exactly(
    cls: type[RowRule],
    make_sketch: Callable[..., StepContext],
    run_lines: Callable[..., dict[str, Any]],
    assert_same: Callable[..., None],
) -> None:
    for seed in SEEDS:
        for step, work in clean_tables(cls, make_sketch, seed):
            assert isinstance(step, RowRule)
            noisy = Workspace(with_rows(step, work, seed), work.val, work.targets)
            assert step.apply(noisy).train.equals(work.train)
            assert_same(work.train, run_lines([step], noisy)["train"])
            assert_mistakes_show(step, noisy, work, run_lines, assert_same)


@pytest.mark.parametrize("cls", CELL_RULES, ids=lambda cls: cls.kind)
def test_cells_are_restored_bit_for_bit(
    cls: type[CellRule],
    make_sketch: Callable[..., StepContext],
    run_lines: Callable[..., dict[str, Any]],
    assert_same: Callable[..., None],
) -> None:
    for seed in SEEDS:
        for step, work in clean_tables(cls, make_sketch, seed):
            assert isinstance(step, CellRule)
            train = step.noisy_cells(work.train, random.Random(seed), N)
            noisy = Workspace(train, work.val, work.targets)
            assert train["row_id"].equals(work.train["row_id"])
            assert all(train.schema[column] == pl.String for column in step.text_columns)
            untouched = [name for name in train.columns if name not in step.ruled]
            assert train.select(untouched).equals(work.train.select(untouched))
            restored = step.apply(noisy).train
            assert restored.schema == work.train.schema
            assert restored.equals(work.train)
            assert_same(restored, run_lines([step], noisy)["train"])
            for column in step.ruled:
                assert not train[column].equals(work.train[column])
            assert_mistakes_show(step, noisy, work, run_lines, assert_same)


@pytest.mark.parametrize("cls", ROW_RULES, ids=lambda cls: cls.kind)
def test_noisy_rows_copy_scratch_columns_of_a_choice_of_rows(
    cls: type[RowRule], make_sketch: Callable[..., StepContext]
) -> None:
    for step, work in clean_tables(cls, make_sketch, 0):
        assert isinstance(step, RowRule)
        some = work.train.head(5).with_columns(origin=pl.col("row_id"))
        rows = step.noisy_rows(some, random.Random(0), 12)
        assert rows.height == 12
        assert set(rows["origin"]) <= set(some["row_id"])


NUMERIC = {
    "tiny spread": [1.0 + i * 1e-4 for i in range(40)],
    "tiny": [i * 1e-20 for i in range(1, 41)],
    "huge": [i * 1e22 for i in range(1, 41)],
    "whole floats": [float(i) for i in range(40)],
    "negative": [-float(i) / 8 for i in range(40)],
    "around zero": [(i - 20) / 4 for i in range(40)],
    "integers": list(range(0, 4000, 100)),
    "large integers": [10**14 + i * 10**7 for i in range(40)],
    "negative integers": list(range(-40, 0)),
}


def _one_column(values: list[Any]) -> StepContext:
    train = pl.DataFrame({"row_id": range(len(values)), "x": values, "y": range(len(values))})
    blank = StepContext(train, train.drop("y"), "regression", ("y",), (), (), (), "Ridge")
    return blank.after(Workspace(train, train.drop("y"), ("y",)))


@pytest.mark.parametrize("values", NUMERIC.values(), ids=NUMERIC)
def test_ranges_of_any_size(values: list[Any]) -> None:
    context = _one_column(values)
    for seed in range(20):
        rules = FilterRange.choose(context, random.Random(seed))
        assert len(rules) == 1
        rule = rules[0]
        assert rule.low < min(values) <= max(values) < rule.high
        assert len(repr(rule.low)) < 24
        assert str(rule.low) != "-0.0"
        noisy = rule.noisy_rows(context.train, random.Random(seed), 10)["x"]
        assert noisy.dtype == context.train["x"].dtype
        assert [v > rule.high for v in noisy] == [True, False] * 5
        assert [v < rule.low for v in noisy] == [False, True] * 5


@pytest.mark.parametrize("values", NUMERIC.values(), ids=NUMERIC)
def test_units_of_any_size(values: list[Any]) -> None:
    context = _one_column(values)
    for step in UndoUnits.choose(context, random.Random(1)):
        noisy = step.noisy_cells(context.train, random.Random(2), 10)
        assert (noisy["x"] > step.threshold).sum() == 10
        assert step.apply(Workspace(noisy, context.val, ("y",))).train.equals(context.train)


def test_a_range_is_not_stated_where_floats_are_too_coarse() -> None:
    for values in ([1e300 * i for i in range(40)], [1e18 + i * 256 for i in range(40)], [5.0] * 40):
        assert FilterRange.choose(_one_column(values), random.Random(1)) == ()


@pytest.mark.parametrize(
    "texts", [["straße", "weg"], ["İzmir", "Bursa"], ["λόγος", "x"], [" ", "a"]]
)
def test_letters_that_change_their_nature_are_left_alone(texts: list[str]) -> None:
    values = [texts[i % 2] for i in range(40)]
    context = _one_column(values)
    tidy = NormaliseText.choose(context, random.Random(1))
    for step in tidy:
        work = step.apply(Workspace(context.train, context.val, ("y",)))
        noisy = step.noisy_cells(work.train, random.Random(1), 20)
        assert step.apply(Workspace(noisy, context.val, ("y",))).train.equals(work.train)
    assert not tidy or texts == ["İzmir", "Bursa"]


def test_equal_rows_with_missing_cells_and_signed_zeros_are_duplicates() -> None:
    train = pl.DataFrame({"row_id": [0, 1, 2, 3], "x": [0.0, -0.0, None, None], "y": [1, 1, 2, 2]})
    done = DropDuplicates().apply(Workspace(train, train.drop("y"), ("y",)))
    assert done.train["row_id"].to_list() == [0, 2]


def test_copies_may_contradict_their_original_where_few_rows_are_equal() -> None:
    unequal = _one_column([i / 7 for i in range(60)])
    assert [step.compare for step in DropDuplicates.choose(unequal, random.Random(1))] == [
        "features",
        "all",
    ]
    levels = _one_column([i % 4 for i in range(60)])
    assert [step.compare for step in DropDuplicates.choose(levels, random.Random(1))] == ["all"]
    train = levels.train.with_columns(y=pl.lit(1))
    repeated = Workspace(train, levels.val, ("y",))
    assert DropDuplicates.choose(levels.after(repeated), random.Random(1)) == ()


def test_rows_without_a_target_repeat_no_clean_row(make_sketch: Callable[..., StepContext]) -> None:
    for step, work in clean_tables(DropMissingTarget, make_sketch, 0):
        rows = step.noisy_rows(work.train, random.Random(1), 20)  # type: ignore[attr-defined]
        features = work.features
        same = rows.join(work.train, on=features, how="semi", nulls_equal=True)
        assert same.height <= 1
        for name in features:
            assert rows[name].is_in(work.train[name].to_list(), nulls_equal=True).all()


def test_noisy_numbers_lie_near_and_far_at_both_ends() -> None:
    context = _one_column([float(i) for i in range(400)])
    (rule,) = FilterRange.choose(context, random.Random(3))
    cells = rule.noisy_rows(context.train, random.Random(1), 12)["x"]
    width = rule.high - rule.low
    for beyond in (cells - rule.high, rule.low - cells):
        shares = beyond.filter(beyond > 0) / width
        assert (shares < 0.1).sum() >= 2
        assert (shares > 0.25).sum() >= 2

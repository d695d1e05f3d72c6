"""A mistake is run from where it is made, and leads where running everything anew leads."""

from pathlib import Path

import polars as pl

from tests.bench.held_out_set import held_out_mutations
from transform.files.tables import cell_types, shipped, write_tables
from transform.run.execute import apply_steps, compute_answer, load_workspace
from transform.run.pipeline import Pipeline
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.preparing.derive_ratio import DeriveRatio
from transform.steps.preparing.impute_constant import ImputeConstant
from transform.steps.preparing.select_columns import SelectColumns
from transform.steps.step import Mutation, Step, UnstatedChange
from transform.task import ID_COLUMN, DataFiles, Instructions

N = 40
TRAIN = pl.DataFrame(
    {
        "row_id": range(N),
        "a": [None if i % 9 == 0 else 3.0 + i % 7 for i in range(N)],
        "b": [1.0 + i % 5 for i in range(N)],
        "c": [float(i % 4) for i in range(N)],
        "y": [float(i % 7 + i % 5) for i in range(N)],
    }
)
VAL = TRAIN.drop("y").with_columns(pl.col("row_id") + N).tail(15)
FIT = FitPredict(estimator="LinearRegression", module="sklearn.linear_model", arguments={})
STEPS: tuple[Step, ...] = (
    FilterRange(column="c", low=-1.0, high=5.0),
    FilterRange(column="b", low=0.0, high=4.5),
    ImputeConstant(columns=("a",), value=1.0),
    DeriveRatio(name="a per b", numerator="a", denominator="b"),
    SelectColumns(columns=("a", "b", "a per b")),
    FIT,
)


def written(folder: Path, steps: tuple[Step, ...] = STEPS) -> Instructions:
    """Writes the tables and says what is to be done with them."""
    data = DataFiles(format="csv")
    write_tables(folder, data, shipped(TRAIN, VAL), shipped(VAL, TRAIN))
    return Instructions(
        variant="reg-if",
        problem="regression",
        data=data,
        columns=cell_types(TRAIN, VAL),
        targets=("y",),
        metric="allclose",
        steps=tuple(step.spec() for step in steps),
    )


def test_same_answer_as_without_a_cache(tmp_path: Path) -> None:
    instructions = written(tmp_path)
    pipeline, start = Pipeline(instructions, tmp_path), load_workspace(instructions, tmp_path)
    truth = compute_answer(instructions, tmp_path)
    acting = 0
    for position in range(len(STEPS)):
        own = ((mutation, 1) for mutation in STEPS[position].mutations())
        held_out = ((m, m.n_replaced) for m in held_out_mutations(STEPS, position))
        for mutation, n_replaced in (*own, *held_out):
            before = apply_steps(STEPS[:position], start)
            for step in (*mutation.instead, *STEPS[position + n_replaced :]):
                before = step.apply(before)
            outcome = pipeline.mutated(position, mutation, n_replaced)
            assert before.answer is not None
            assert outcome.acts == (outcome.answer is not None)
            expected = before.answer.sort(ID_COLUMN)
            assert expected.equals(outcome.answer if outcome.answer is not None else truth)
            acting += outcome.acts
    assert acting >= 2 * len(STEPS)


def test_a_mistake_that_leads_to_the_same_matrix_needs_no_fit(tmp_path: Path) -> None:
    pipeline = Pipeline(written(tmp_path), tmp_path)
    skip_idle_rule = Mutation("skip", ())
    assert not pipeline.mutated(0, skip_idle_rule).acts
    assert pipeline.mutated(1, skip_idle_rule).acts


def test_order_of_columns_matters_only_to_models_that_see_it(tmp_path: Path) -> None:
    turned = Mutation("turned", (SelectColumns(columns=("a per b", "b", "a")),))
    assert not Pipeline(written(tmp_path), tmp_path).mutated(4, turned).acts
    tree = FitPredict(
        estimator="DecisionTreeRegressor",
        module="sklearn.tree",
        arguments={"max_features": 0.5, "random_state": 3},
    )
    sees_order = written(tmp_path, (*STEPS[:-1], tree))
    assert Pipeline(sees_order, tmp_path).mutated(4, turned).acts


def test_neighbours_may_change_their_order(tmp_path: Path) -> None:
    pipeline = Pipeline(written(tmp_path), tmp_path)
    late = [m for m in held_out_mutations(STEPS, 2) if m.n_replaced == 2]
    assert [mutation.instead for mutation in late] == [(STEPS[3], STEPS[2])]
    # Missing numbers have no ratio, so the ratio keeps gaps that filling first would not leave.
    assert pipeline.mutated(2, late[0], 2).acts
    last_two = (len(STEPS) - 2, len(STEPS) - 1)
    assert not any(m.n_replaced == 2 for i in last_two for m in held_out_mutations(STEPS, i))


def test_later_steps_do_what_is_left_without_a_column(tmp_path: Path) -> None:
    lose_b = UnstatedChange(lambda work: work.on_both(lambda frame: frame.drop("b")))
    lost = Mutation("lose_b", (lose_b,))
    outcome = Pipeline(written(tmp_path), tmp_path).mutated(0, lost)
    assert outcome.answer is not None
    assert outcome.answer.height == VAL.height

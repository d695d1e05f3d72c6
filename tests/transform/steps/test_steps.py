"""What holds for every step: it says all it knows, and its two ways to compute agree."""

import random
from collections.abc import Callable
from typing import Any, get_args, get_origin

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.held_out_set import held_out_of
from transform.proposal import Aggregation
from transform.steps import registry
from transform.steps.cleaning.join_tables import JoinTables
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.fitting.models import MODELS
from transform.steps.registry import step_classes
from transform.steps.step import CleaningStep, Step, StepContext, Workspace

SEEDS = range(3)
CLASSES = pytest.mark.parametrize("cls", step_classes(), ids=lambda cls: cls.kind)
BEFORE_FIT = pytest.mark.parametrize(
    "cls",
    [cls for cls in step_classes() if cls.stage not in ("join", "fit")],
    ids=lambda cls: cls.kind,
)


def chosen(
    cls: type[Step], make_sketch: Callable[..., StepContext], seed: int
) -> list[tuple[StepContext, Step]]:
    """What a class proposes on its turn, with the table it saw."""
    pairs: list[tuple[StepContext, Step]] = []
    tables = [(model, "none") for model in ("Ridge", "DecisionTreeClassifier", "MLPRegressor")]
    for model, series in (*tables, ("Ridge", "grid"), ("Ridge", "finer")):
        context = make_sketch(seed, model, n_targets=1 + seed % 2, series=series)
        rng = random.Random(seed)
        for before in step_classes():
            if before is cls:
                break
            if before.stage not in (cls.stage, "join"):
                for step in before.choose(context, rng)[:1]:
                    work = step.apply(Workspace(context.train, context.val, context.targets))
                    context = context.after(work, None if issubclass(cls, CleaningStep) else step)
        pairs += [(context, step) for step in cls.choose(context, rng)]
    return pairs


def stated_mistakes(step: Step) -> list[Step]:
    """What takes the place of a step when it is mutated, as far as a step says it."""
    wrong = (*step.mutations(), *held_out_of(step))
    return [other for one in wrong for other in one.instead if isinstance(other, Step)]


@CLASSES
def test_mistakes_come_in_two_sets(
    cls: type[Step], make_sketch: Callable[..., StepContext]
) -> None:
    """One builds a task, the other measures it; no mistake is in both or is the step itself."""
    for seed in SEEDS:
        for _, step in chosen(cls, make_sketch, seed):
            own, held_out = step.mutations(), held_out_of(step)
            assert own
            names = [wrong.name for wrong in (*own, *held_out)]
            assert len(names) == len(set(names))
            assert not [wrong for wrong in own if wrong.instead in [w.instead for w in held_out]]
            assert all(wrong.instead != (step,) for wrong in (*own, *held_out))


@CLASSES
def test_says_all_it_knows(cls: type[Step], make_sketch: Callable[..., StepContext]) -> None:
    proposed = [step for seed in SEEDS for _, step in chosen(cls, make_sketch, seed)]
    assert proposed, "no table in the tests makes this step propose itself"
    for step in proposed:
        for one in (step, *stated_mistakes(step)):
            assert registry.read_sentence(one.say()) == one
            assert (
                registry.resolve(type(one.spec()).model_validate_json(one.spec().model_dump_json()))
                == one
            )
            assert "\n" not in one.say()


ROUNDING = (
    "impute_number",
    "impute_constant",
    "scale",
    "derive_log1p",
    "derive_rolling",
    "drop_incomplete",
    "resample",
)
NAMES = st.text(min_size=1, max_size=20).filter(lambda s: not set(s) & {"`", "\n", "\r"})
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SPECIAL: dict[tuple[str, str], st.SearchStrategy[Any]] = {
    ("read_missing", "marker"): st.text(),
    ("impute_label", "value"): st.text(),
    ("filter_categories", "categories"): st.lists(st.text(), min_size=1).map(tuple),
    ("derive_lag", "lag"): st.integers(1, 999),
    ("derive_rolling", "lag"): st.integers(1, 999),
    ("derive_rolling", "window"): st.integers(1, 999),
    ("resample", "aggregations"): st.lists(
        st.tuples(NAMES, st.sampled_from(get_args(Aggregation))), min_size=1
    ).map(tuple),
    ("join_tables", "train"): st.lists(st.integers(1, 9).map("train_{}".format), min_size=1),
    ("join_tables", "val"): st.lists(st.integers(1, 9).map("val_{}".format), min_size=1),
}


def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field of a step; a text is the name of a column."""
    if get_origin(annotation) is tuple:
        return st.lists(of_type(get_args(annotation)[0]), min_size=1, max_size=4).map(tuple)
    if get_args(annotation):
        return st.sampled_from(get_args(annotation))
    return {str: NAMES, float: NUMBERS, int: st.integers()}[annotation]


def _values(kind: str, name: str, annotation: Any) -> st.SearchStrategy[Any]:
    special = SPECIAL.get((kind, name))
    return of_type(annotation) if special is None else special


@CLASSES
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_reads_back_hostile_names_and_values(cls: type[Step], data: st.DataObject) -> None:
    if cls is FitPredict:
        name = data.draw(st.sampled_from(sorted(MODELS)))
        values = NUMBERS | st.booleans() | st.none() | st.text(alphabet="abc_") | st.integers()
        arguments = st.dictionaries(st.from_regex(r"[a-z]{2,6}_[a-z]{2,6}", fullmatch=True), values)
        step: Step = FitPredict(
            estimator=name,
            module=MODELS[name].module,
            arguments=data.draw(arguments),
            targets=data.draw(st.sampled_from(["single", "joint", "separate"])),
            scores=data.draw(st.sampled_from(["none", MODELS[name].scores])),
        )
    else:
        fields = {
            name: data.draw(_values(cls.kind, name, field.annotation), label=name)
            for name, field in cls.model_fields.items()
        }
        step = cls.model_validate(fields)
    assert registry.read_sentence(step.say()) == step
    compile("\n".join(step.write()), "solution.py", "exec")


@BEFORE_FIT
def test_two_ways_agree(
    cls: type[Step],
    make_sketch: Callable[..., StepContext],
    run_lines: Callable[..., dict[str, Any]],
    assert_same: Callable[..., None],
) -> None:
    """On clean tables, for the step and for every mistake that is a single step."""
    rounding = 1e-12 if cls.kind in ROUNDING else 0.0
    for seed in SEEDS:
        pairs = chosen(cls, make_sketch, seed)
        for context, step in pairs[:4] + pairs[4:][-3:]:
            work = Workspace(context.train, context.val, context.targets)
            variants = stated_mistakes(step) if cls.kind != "read_missing" else []
            for one in (step, *variants):
                if step.text_columns:
                    continue
                done, names = one.apply(work), run_lines([one], work)
                assert_same(done.train, names["train"], rounding)
                assert_same(done.val, names["val"], rounding)


def test_join_puts_parts_together_by_id(
    make_sketch: Callable[..., StepContext],
    run_lines: Callable[..., dict[str, Any]],
    assert_same: Callable[..., None],
) -> None:
    context = make_sketch(1)
    step = JoinTables.of(3)
    parts = []
    for start in (0, 3, 6):
        columns = context.val.columns[1:][start : start + 3] + list(context.targets) * (start == 6)
        train = context.train.select("row_id", *columns).sample(
            fraction=1, shuffle=True, seed=start
        )
        val = context.val.select("row_id", *(c for c in columns if c not in context.targets))
        parts.append((train, val))
    work = Workspace(parts[0][0], parts[0][1], context.targets, tuple(parts))
    done, names = step.apply(work), run_lines([step], work)
    assert done.parts == ()
    assert done.train.equals(context.train.select(done.train.columns).sort("row_id"))
    assert_same(done.train, names["train"])
    assert_same(done.val, names["val"])
    for wrong in (*step.mutations(), *held_out_of(step)):
        mutated = wrong.instead[0].apply(work)
        assert mutated.train.columns != done.train.columns
        assert_same(mutated.train, run_lines(wrong.instead, work)["train"])


@pytest.mark.parametrize("model", sorted(MODELS))
def test_whole_tasks_agree(
    model: str,
    make_sketch: Callable[..., StepContext],
    run_lines: Callable[..., dict[str, Any]],
    assert_same: Callable[..., None],
    walk: Callable[[StepContext, random.Random], tuple[list[Step], Workspace]],
) -> None:
    """Every model, no warning on the way, one target and two."""
    for seed, n_targets in ((1, 1), (2, 2), (3, 3)):
        context = make_sketch(seed, model, n_targets)
        steps, work = walk(context, random.Random(seed))
        assert steps[-1].kind == "fit_predict"
        assert steps[-1].spec().parameters["estimator"] == model
        assert work.answer is not None
        assert work.answer.null_count().sum_horizontal().item() == 0
        start = Workspace(context.train, context.val, context.targets)
        steps = [step for step in steps if not step.text_columns]
        names = run_lines(steps, start)
        assert_same(work.answer, names["prediction"], 1e-9)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("model", sorted(MODELS))
def test_every_mistake_can_be_made(
    model: str,
    make_sketch: Callable[..., StepContext],
    walk: Callable[[StepContext, random.Random], tuple[list[Step], Workspace]],
) -> None:
    """A mutated task still runs to an answer, and most answers differ."""
    context = make_sketch(3, model)
    steps, work = walk(context, random.Random(3))
    seen = tried = 0
    for position, step in enumerate(steps):
        for wrong in step.mutations():
            done = Workspace(context.train, context.val, context.targets)
            for other in (*steps[:position], *wrong.instead, *steps[position + 1 :]):
                done = other.apply(done)
            assert done.answer is not None
            if position > steps.index(next(s for s in steps if s.stage == "duplicates")):
                tried += 1
                seen += not _close(done.answer, work.answer)
    assert seen >= 0.6 * tried


def _close(one: pl.DataFrame, other: pl.DataFrame | None) -> bool:
    if other is None or one.columns != other.columns:
        return False
    return all(
        bool(((one[c] - other[c]).abs() <= 1e-5 * other[c].abs()).all())
        if other.schema[c].is_numeric()
        else one[c].equals(other[c])
        for c in other.columns
    )

"""Faults in finished tasks: their answer, their text, their rows and their steps.

Each changes a proven task as a slip of the code that makes tasks would; hashes, columns and text
follow the change, so that nothing but the fault can be found. The counterpart is the same task
written anew, or changed in a way that matters to nobody.
"""

import random
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl

from tests.faults.fault import Base, Tampered
from tests.faults.sources import clean
from tests.faults.tampering import (
    HELD_OUT,
    Change,
    replaced,
    tables,
    truth_of,
    whole,
    with_column,
    with_page,
    with_question,
    with_steps,
    with_tables,
    with_truth,
    with_whole,
)
from tests.faults.worlds import chance, clinic, homes, river, shops
from transform.files.task_folder import TaskFolder
from transform.steps import registry
from transform.steps.cleaning.filter_categories import FilterCategories
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.fitting.fit_predict import FitPredict, score_columns
from transform.steps.preparing.scale import Scale
from transform.steps.step import CleaningStep
from transform.task import ID_COLUMN, StepSpec

CLASS_IF = Base(clean(clinic), ("readmitted",), "class-if")
_BOTH = ("price_eur", "area_sqm")
REG_IF = Base(clean(homes), _BOTH, "reg-if")
PAIR_IF = Base(clean(homes), _BOTH, "reg-if", n_targets=2)
CLASS_MM = Base(clean(clinic), ("readmitted",), "class-mm")
REG_MM = Base(clean(homes), ("price_eur",), "reg-mm")
TS_XF = Base(clean(shops), ("sales",), "ts-xf")
TS_CF = Base(clean(river), ("level",), "ts-cf")

Plant = Callable[[TaskFolder], TaskFolder]


def written_anew(task: TaskFolder) -> TaskFolder:
    """The same tables in new files."""
    return with_tables(task, *tables(task))


def untouched(task: TaskFolder) -> TaskFolder:
    """The copy as it is."""
    return task


# --- the answer -------------------------------------------------------------------------------


def _answer(change: Callable[[pl.DataFrame, TaskFolder], pl.DataFrame]) -> Plant:
    return lambda task: with_truth(task, change(truth_of(task), task))


def _target(task: TaskFolder) -> str:
    return task.spec.instructions.targets[0]


def _one_wrong(answer: pl.DataFrame, task: TaskFolder) -> pl.DataFrame:
    cells = answer[_target(task)].to_list()
    cells[3] = next(cell for cell in cells if cell != cells[3])
    return answer.with_columns(pl.Series(_target(task), cells))


def _swapped(answer: pl.DataFrame, task: TaskFolder) -> pl.DataFrame:
    one, other = task.spec.instructions.answer_columns[-2:]
    return answer.rename({one: other, other: one}).select(answer.columns)


def _scaled(share: float) -> Plant:
    return _answer(lambda answer, task: answer.with_columns(pl.col(_target(task)) * (1 + share)))


def _moved_ids(answer: pl.DataFrame, task: TaskFolder) -> pl.DataFrame:
    return answer.with_columns(pl.col(ID_COLUMN) + 1)


def _constant(answer: pl.DataFrame, task: TaskFolder) -> pl.DataFrame:
    return answer.with_columns(pl.col(_target(task)).first())


def answers() -> Iterator[Tampered]:
    """Truth that is not what the text leads to."""
    wrong = ("reproducible",)
    for kind, base in (("label", CLASS_IF), ("number", REG_IF)):
        yield Tampered(
            f"wrong {kind} in truth",
            "one answer is another row's",
            wrong,
            base,
            _answer(_one_wrong),
            written_anew,
        )
    yield Tampered(
        "swapped prediction columns",
        "the predictions of two targets stand under each other's name",
        (*wrong, "learnable"),
        PAIR_IF,
        _answer(_swapped),
        written_anew,
    )
    yield Tampered(
        "swapped scores",
        "the scores of two classes stand under each other's name",
        wrong,
        CLASS_IF,
        _answer(_swapped),
        written_anew,
    )
    yield Tampered(
        "float noise",
        "numbers of truth are off by half of the tolerance",
        wrong,
        REG_IF,
        _scaled(5e-6),
        _scaled(3e-7),
    )
    yield Tampered(
        "ids that differ",
        "truth names other rows than val",
        ("size",),
        CLASS_MM,
        _answer(_moved_ids),
        written_anew,
    )
    yield Tampered(
        "constant answer",
        "one number answers every row",
        ("controls", "learnable", "headroom"),
        REG_MM,
        _answer(_constant),
        written_anew,
    )


# --- the text ---------------------------------------------------------------------------------


def _said(pattern: str, instead: Callable[[re.Match[str]], str]) -> Plant:
    """The question with the first match of a pattern said otherwise."""

    def plant(task: TaskFolder) -> TaskFolder:
        question, n = re.subn(pattern, instead, task.spec.question, count=1)
        assert n == 1, f"the text has no {pattern!r}"
        assert question != task.spec.question
        return with_question(task, question)

    return plant


def _listing(task: TaskFolder, *, without_first: bool = False) -> tuple[StepSpec, ...]:
    """The steps with one more rule after the cleaning: the categories of a column, to be kept."""
    kept = pl.read_parquet(task.private / "clean.parquet")
    name = next(n for n in ("insurance", "ward", "heating", "condition") if n in kept.columns)
    texts = tuple(kept[name].drop_nulls().unique().sort().to_list())
    rule = FilterCategories(column=name, categories=texts[int(without_first) :], missing="keep")
    return _after_cleaning(task, rule.spec())


def _after_cleaning(task: TaskFolder, spec: StepSpec) -> tuple[StepSpec, ...]:
    steps = task.spec.instructions.steps
    places = [i for i, s in enumerate(steps, 1) if isinstance(registry.resolve(s), CleaningStep)]
    return (*steps[: places[-1]], spec, *steps[places[-1] :])


def _with_list(instead: Callable[[re.Match[str]], str]) -> Plant:
    """A rule with a list of categories, the first two of which the text alone says otherwise."""
    said = _said(r'(is one of )("[^"]*"), ("[^"]*")', instead)
    return lambda task: said(with_steps(task, _listing(task)))


def texts() -> Iterator[Tampered]:
    """Prose that was polished until it said something else."""
    cases: tuple[tuple[str, str, Base, Plant], ...] = (
        ("wrong number in the text", "a bound of a range is another number than in the steps",
         REG_IF, _said(r"(?<=is below )-?\d", lambda m: str((int(m[0][-1]) + 1) % 9))),
        ("category lost in the text", "the first of the categories to be kept is not named",
         CLASS_IF, _with_list(lambda m: m[1] + m[3])),
        ("category changed in the text", "the first of the categories to be kept has curly quotes",
         CLASS_IF, _with_list(lambda m: f"{m[1]}“{m[2][1:-1]}”, {m[3]}")),
        ("category in other letters", "the first of the categories to be kept is in capitals",
         CLASS_IF, _with_list(lambda m: f"{m[1]}{m[2].upper()}, {m[3]}")),
        ("order not said", "the text no longer says in which order the rows enter the model",
         CLASS_IF, _said(r", rows in ascending `row_id`", lambda _: "")),
        ("target not named", "the target is described but its column is not named",
         REG_MM, _said(r"`price_eur`", lambda _: "the price")),
        ("key of a series not named", "the column of the instants is described in words",
         TS_XF, _said(r"`day`", lambda _: "the date")),
    )  # fmt: skip
    for name, planted, base, plant in cases:
        yield Tampered(name, planted, ("wording",), base, plant, untouched)


# --- steps ------------------------------------------------------------------------------------


def _steps(
    edit: Callable[[TaskFolder, list[StepSpec]], list[StepSpec]], **instructions: Any
) -> Plant:
    """Other steps, with the text, the truth and the program that follow from them."""
    return lambda task: with_steps(
        task, tuple(edit(task, list(task.spec.instructions.steps))), **instructions
    )


def _model(name: str, arguments: dict[str, Any], scores: str = "none") -> StepSpec:
    module = {
        "DecisionTreeClassifier": "sklearn.tree",
        "DecisionTreeRegressor": "sklearn.tree",
        "MLPClassifier": "sklearn.neural_network",
        "LogisticRegression": "sklearn.linear_model",
    }[name]
    return FitPredict(
        estimator=name,
        module=module,
        arguments=arguments,
        scores=scores,  # type: ignore[arg-type]
    ).spec()


_TREE = _model(
    "DecisionTreeRegressor",
    {"max_depth": 6, "max_features": 0.5, "min_samples_leaf": 5, "random_state": 11},
)


def _with_model(spec: StepSpec) -> Plant:
    """Another last step; the text asks for the scores that it gives."""

    def plant(task: TaskFolder) -> TaskFolder:
        labels = pl.read_parquet(task.private / "clean.parquet")[_target(task)]
        has_scores = spec.parameters["scores"] != "none"
        steps = (*task.spec.instructions.steps[:-1], spec)
        return with_steps(task, steps, scores=score_columns(labels) if has_scores else ())

    return plant


def _features_before_fit(task: TaskFolder) -> list[str]:
    """Columns of the matrix, in order."""
    from transform.run.execute import apply_steps, load_workspace

    instructions = task.spec.instructions
    before = tuple(registry.resolve(spec) for spec in instructions.steps[:-1])
    return apply_steps(before, load_workspace(instructions, task.public)).features


def _scaled_tree(task: TaskFolder, steps: list[StepSpec]) -> list[StepSpec]:
    """A tree with a scaling before it, which trees do not see."""
    kept = [spec for spec in steps[:-1] if spec.kind != "scale"]
    columns = tuple(_features_before_fit(task)[:6])
    return [*kept, Scale(columns=columns, method="standard").spec(), _TREE]


def _wider(task: TaskFolder) -> TaskFolder:
    """A range that is stated once more, ten times as wide."""
    specs = task.spec.instructions.steps
    rule = next(r for s in specs if isinstance(r := registry.resolve(s), FilterRange))
    width = rule.high - rule.low
    wide = replaced(rule, low=rule.low - 10 * width, high=rule.high + 10 * width)
    return with_steps(task, _after_cleaning(task, wide.spec()))


def _forgetful(task: TaskFolder) -> TaskFolder:
    """A list of categories lacks one of the clean table, in steps and text alike."""
    return with_steps(task, _listing(task, without_first=True))


def _without_noise(kinds: tuple[str, ...]) -> Plant:
    """The rows that only one rule removes are not there."""

    def plant(task: TaskFolder) -> TaskFolder:
        instructions = task.spec.instructions
        spec = next(s for s in instructions.steps if s.kind in kinds)
        rule = registry.resolve(spec)
        others = tuple(s for s in instructions.steps if s != spec)
        train, val = tables(task)
        assert isinstance(rule, FilterRange | FilterCategories)
        cell = pl.col(rule.column)
        if isinstance(rule, FilterRange):
            fits = cell.is_between(rule.low, rule.high)
        else:
            fits = cell.is_in(list(rule.categories))
        assert others
        return with_tables(task, train.filter(fits.fill_null(True)), val)

    return plant


def steps() -> Iterator[Tampered]:
    """Steps that do nothing, too much, or not the same twice."""
    yield Tampered(
        "scaling before a tree",
        "columns are scaled although a decision tree does not see it",
        ("sensitive",),
        REG_IF,
        _steps(_scaled_tree),
        written_anew,
    )
    yield Tampered(
        "filter without noise",
        "a range is stated that every row keeps",
        ("sensitive",),
        REG_IF,
        _wider,
        written_anew,
    )
    yield Tampered(
        "rule without a row",
        "the rows that only one stated range removes are missing",
        ("sensitive",),
        REG_IF,
        _without_noise(("filter_range",)),
        written_anew,
    )
    yield Tampered(
        "rule forgets a category",
        "steps and text agree on a list that lacks a category of the clean table",
        ("clean_round_trip",),
        CLASS_IF,
        _forgetful,
        written_anew,
    )
    yield Tampered(
        "unseeded model",
        "a network draws its first weights without a seed",
        ("reproducible",),
        CLASS_IF,
        _with_model(
            _model(
                "MLPClassifier",
                {
                    # Wide enough to learn from any start: only the seed is missing.
                    "hidden_layer_sizes": [64],
                    "learning_rate_init": 0.01,
                    "tol": 0.005,
                    "max_iter": 1000,
                },
                "none",
            )
        ),
        written_anew,
    )
    yield Tampered(
        "unconverged model",
        "a solver stops after two rounds",
        ("no_fit",),
        CLASS_IF,
        _with_model(_model("LogisticRegression", {"solver": "newton-cg", "max_iter": 2})),
        written_anew,
    )
    yield Tampered(
        "loose solver",
        "a stochastic solver stops early, wherever its draws have led it",
        ("reproducible",),
        CLASS_IF,
        _with_model(_model("LogisticRegression", {"solver": "saga", "tol": 0.05}, "probability")),
        written_anew,
    )
    yield Tampered(
        "label margin zero",
        "leaves of a deep tree hold as many rows of one label as of the other",
        ("reproducible",),
        CLASS_IF,
        _with_model(
            _model(
                "DecisionTreeClassifier",
                {"max_depth": 12, "min_samples_leaf": 2, "random_state": 5},
                "probability",
            )
        ),
        written_anew,
    )
    yield Tampered(
        "constant model",
        "a model is so strongly regularised that it answers one label",
        ("not_constant",),
        CLASS_IF,
        _with_model(
            _model(
                "LogisticRegression",
                {"C": 1e-12, "solver": "newton-cg", "tol": 1e-8, "max_iter": 1000},
            )
        ),
        written_anew,
    )


# --- rows and noise ----------------------------------------------------------------------------


def _rows(train: Change, val: Change = lambda rows: rows) -> Plant:
    def plant(task: TaskFolder) -> TaskFolder:
        before = tables(task)
        return with_tables(task, train(before[0]), val(before[1]))

    return plant


def _stray_cell(rows: pl.DataFrame) -> pl.DataFrame:
    """A cell of the noisiest kind: within every range, and wrong."""
    name = next(c for c in ("noise_db", "fee_monthly", "floor", "distance_km") if c in rows.columns)
    cells = rows[name].to_list()
    middle = sorted(cell for cell in cells if cell is not None)[len(cells) // 3]
    places = [i for i, cell in enumerate(cells) if cell is not None and cell != middle]
    for place in random.Random("stray").sample(places, 5):
        cells[place] = middle
    return rows.with_columns(pl.Series(name, cells, rows.schema[name]))


def _leaking_rows(share: float, jitter: float) -> Plant:
    """A share of the val rows stands in train as well, with its answers."""

    def plant(task: TaskFolder) -> TaskFolder:
        rows = whole(task)
        held = rows.filter(pl.col(HELD_OUT))
        rng = chance(f"leaking rows {jitter}")
        more = held[rng.permutation(held.height)[: max(1, int(share * held.height))]]
        fresh = pl.Series(ID_COLUMN, np.arange(more.height) + 10**6)
        floats = [n for n in more.columns if more.schema[n].is_float()]
        moved = more.with_columns(
            fresh,
            pl.lit(False).alias(HELD_OUT),
            *(pl.col(n) * (1 + jitter * rng.uniform(-1, 1)) for n in floats),
        )
        return with_whole(task, pl.concat([rows, moved]))

    return plant


def _target_in_val(task: TaskFolder) -> TaskFolder:
    train, val = tables(task)
    return with_tables(task, train, val.join(truth_of(task), on=ID_COLUMN))


def _answers_on_the_page(task: TaskFolder) -> TaskFolder:
    answer = truth_of(task).head(40)
    lines = (f"| {a} | {b} |" for a, b in answer.select(ID_COLUMN, _target(task)).iter_rows())
    return with_page(task, "\n".join(("", "| row | value |", "|---|---|", *lines)))


def _words_on_the_page(task: TaskFolder) -> TaskFolder:
    return with_page(task, "Rows were collected in the office and checked by a second clerk.")


def _shuffled_target(task: TaskFolder) -> TaskFolder:
    rows = whole(task)
    order = chance("shuffled target").permutation(rows.height)
    return with_whole(task, rows.with_columns(rows[_target(task)][order]))


def rows() -> Iterator[Tampered]:
    """Rows that stand on the wrong side, and noise that stays."""
    yield Tampered(
        "noise that stays",
        "cells of clean rows were changed within every stated range",
        ("clean_round_trip",),
        REG_IF,
        _rows(_stray_cell),
        written_anew,
    )
    for name, base, jitter, expected in (
        ("val rows in train", CLASS_MM, 0.0, ("duplicates", "leak")),
        ("moved val rows in train", REG_MM, 1e-7, ("duplicates", "leak")),
    ):
        yield Tampered(
            name,
            f"a third of the val rows stands in train, numbers moved by {jitter:g}",
            expected,
            base,
            _leaking_rows(0.33, jitter),
            written_anew,
        )
    yield Tampered(
        "target in val",
        "val has the column that is to be predicted",
        ("leak",),
        CLASS_MM,
        _target_in_val,
        written_anew,
    )
    yield Tampered(
        "answers on the page",
        "metadata.md shows ids and answers of forty rows",
        ("leak", "shows_answer"),
        REG_MM,
        _answers_on_the_page,
        _words_on_the_page,
    )
    for kind, base in (("labels", CLASS_MM), ("numbers", REG_MM)):
        yield Tampered(
            f"shuffled {kind}",
            "targets of all rows are shuffled",
            ("learnable", "headroom"),
            base,
            _shuffled_target,
            written_anew,
        )


# --- series -----------------------------------------------------------------------------------


def _train_beyond_the_cut(task: TaskFolder) -> TaskFolder:
    """The first five scored instants stand in train, measured a little otherwise."""
    rows, grid = whole(task), task.spec.instructions.grid
    assert grid is not None
    target = _target(task)
    held = rows.filter(pl.col(HELD_OUT))
    early = held.filter(pl.col(grid.column).rank("dense") <= 5)
    more = early.with_columns(
        (pl.col(ID_COLUMN) + 10**6).alias(ID_COLUMN),
        pl.lit(False).alias(HELD_OUT),
        (pl.col(target) * 1.001).cast(rows.schema[target]),
    )
    return with_whole(task, pl.concat([rows, more]))


def _finer_rows(task: TaskFolder) -> TaskFolder:
    """Twenty-four readings of each scored day, whose mean is the answer, stand in train."""
    rows, grid = whole(task), task.spec.instructions.grid
    assert grid is not None
    rows = rows.with_columns(pl.col(_target(task)).cast(pl.Float64))
    held = rows.filter(pl.col(HELD_OUT))
    parts = [
        held.with_columns(
            pl.col(grid.column) + timedelta(hours=hour),
            (pl.col(ID_COLUMN) + 10**6 + 10**4 * hour).alias(ID_COLUMN),
            pl.lit(False).alias(HELD_OUT),
            pl.col(_target(task)) + (hour - 11.5),
        )
        for hour in range(24)
    ]
    return with_whole(task, pl.concat([rows, *parts]))


def _ahead(name: str, make: Callable[[pl.Expr, TaskFolder], pl.Expr]) -> Plant:
    """One more column of future rows, made of the target by series."""

    def column(task: TaskFolder) -> Callable[[pl.DataFrame], pl.Series]:
        grid = task.spec.instructions.grid
        assert grid is not None
        keys = grid.entities or (pl.lit(0),)
        made = make(pl.col(_target(task)).cast(pl.Float64), task).over(*keys)
        return lambda rows: rows.select(made.alias(name))[name]

    return lambda task: with_column(task, name, column(task))


def _independent(name: str) -> Plant:
    """One more column of future rows that nobody learns anything from."""
    return lambda task: with_column(
        task, name, lambda rows: pl.Series(chance(name).gamma(9, 2, rows.height).round(2))
    )


def series() -> Iterator[Tampered]:
    """Futures that stand in the files of a forecast."""
    beyond = ("leak", "duplicates")
    future: tuple[tuple[Base, Plant, str, str], ...] = (
        (TS_CF, _train_beyond_the_cut, "train beyond the cut",
         "train holds the first scored instants, off by a thousandth"),
        (TS_CF, _finer_rows, "finer rows beside the grid",
         "train holds hourly readings of the scored days"),
    )  # fmt: skip
    for base, plant, name, planted in future:
        yield Tampered(name, planted, beyond, base, plant, written_anew)
    ahead: tuple[tuple[str, str, Plant], ...] = (
        ("open, high and low", "the day's highest value is told with the rows to forecast",
         _ahead("high", lambda t, _: t * 1.02 + (t.hash(7) % 100) / 100)),
        ("other unit ahead", "the target in another unit is told with the rows to forecast",
         _ahead("in_f", lambda t, _: (t * 1.8 + 32).round(1))),
        ("threshold flag ahead", "a flag tells which of the rows to forecast are above the median",
         _ahead("busy", lambda t, _: (t > t.median()).cast(pl.Float64))),
        ("next value ahead", "each row tells the target of the next",
         _ahead("plan", lambda t, _: t.shift(-1).fill_null(strategy="forward"))),
        ("centred mean ahead", "each row tells the mean of three targets around it",
         _ahead("smooth", lambda t, _: t.rolling_mean(3, center=True, min_samples=1))),
    )  # fmt: skip
    for name, planted, plant in ahead:
        yield Tampered(name, planted, ("leak",), TS_XF, plant, _independent("flow"))


def tampered() -> tuple[Tampered, ...]:
    """All of them."""
    return (*answers(), *texts(), *steps(), *rows(), *series())

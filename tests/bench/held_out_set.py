"""Held-out mutations: natural mistakes that no task was built to detect, for each kind of step.

Building a task looks at the `mutations` of its steps alone; these measure how well it detects
mistakes that it was not built for. Takes the steps of a task, returns for each position what stands
in its place. None is among the step's own mutations. Not guaranteed: that a mutation acts on given
data (`if_it_acts`), or that it ends in an answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from pydantic import JsonValue

from transform.steps.cleaning.drop_duplicates import DropDuplicates
from transform.steps.cleaning.drop_missing_target import DropMissingTarget
from transform.steps.cleaning.filter_categories import FilterCategories
from transform.steps.cleaning.filter_range import FilterRange
from transform.steps.cleaning.join_tables import JoinTables
from transform.steps.cleaning.normalise_text import NormaliseText
from transform.steps.cleaning.read_missing import ReadMissing
from transform.steps.cleaning.undo_units import UndoUnits
from transform.steps.fitting.fit_predict import FitPredict
from transform.steps.fitting.models import MODELS
from transform.steps.preparing.derive_date_parts import DeriveDateParts
from transform.steps.preparing.derive_log1p import DeriveLog1p
from transform.steps.preparing.derive_ratio import DeriveRatio
from transform.steps.preparing.drop_incomplete import DropIncomplete
from transform.steps.preparing.encode_one_hot import EncodeOneHot
from transform.steps.preparing.encode_ordinal import EncodeOrdinal
from transform.steps.preparing.impute_category import ImputeCategory
from transform.steps.preparing.impute_constant import ImputeConstant
from transform.steps.preparing.impute_label import ImputeLabel
from transform.steps.preparing.impute_number import ImputeNumber
from transform.steps.preparing.scale import Scale
from transform.steps.preparing.select_columns import SelectColumns
from transform.steps.series.derive_lag import DeriveLag
from transform.steps.series.derive_rolling import DeriveRolling
from transform.steps.series.fill_series import FillSeries
from transform.steps.series.in_series import InSeries
from transform.steps.series.resample import Resample
from transform.steps.step import Mutation, Step, UnstatedChange, Workspace

_USUAL_SEED, _OTHER_SEED = 42, 0
_MISREAD = 1.2
"""Factor between an argument and what it is misread for."""
_MISREAD_END = 0.1
"""Share of a range by which a misread end lies off."""
_PRECISION = frozenset(("random_state", "solver", "tol", "max_iter", "dual", "algorithm"))
"""Arguments whose neighbours give much the same answer, or none."""
_TAKEN_FOR = {
    "LogisticRegression": "LinearDiscriminantAnalysis",
    "DecisionTreeClassifier": "ExtraTreesClassifier",
    "GaussianNB": "LinearDiscriminantAnalysis",
    "MLPClassifier": "LogisticRegression",
    "LinearDiscriminantAnalysis": "LogisticRegression",
    "RidgeClassifier": "SVC",
    "ExtraTreesClassifier": "DecisionTreeClassifier",
    "SVC": "RidgeClassifier",
    "LinearRegression": "Ridge",
    "DecisionTreeRegressor": "ExtraTreesRegressor",
    "Ridge": "LinearRegression",
    "Lasso": "Ridge",
    "MLPRegressor": "Ridge",
    "ElasticNet": "Ridge",
    "BayesianRidge": "Ridge",
    "ExtraTreesRegressor": "DecisionTreeRegressor",
}
"""For each estimator one with the same kind of scores that is easily taken for it."""


@dataclass(frozen=True)
class HeldOut(Mutation):
    """A mutation of the measuring set."""

    if_it_acts: bool = False
    """Data decide whether this is a mistake at all: where it leads to the same matrix it is
    none."""
    n_replaced: int = 1
    """Steps replaced, this one first; 2 when it changes its order with the next."""


def held_out_mutations(steps: Sequence[Step], position: int) -> tuple[HeldOut, ...]:
    """Those of the step at this position from 0, and a change of order with the step after it."""
    step = steps[position]
    mutations = held_out_of(step)
    if position + 2 >= len(steps) or isinstance(step, JoinTables):
        return mutations
    after = steps[position + 1]
    return (*mutations, HeldOut(f"after_{after.kind}", (after, step), True, 2))


def held_out_of(step: Step) -> tuple[HeldOut, ...]:
    """The mutations of a step that need no other step."""
    return tuple(_BY_KIND[type(step)](step))


def _otherwise(step: Step, name: str, *, if_it_acts: bool = False, **changes: object) -> HeldOut:
    return HeldOut(name, (step.but(**changes),), if_it_acts)


def _unstated(
    name: str, change: Callable[[Workspace], Workspace], *, if_it_acts: bool = False
) -> HeldOut:
    return HeldOut(name, (UnstatedChange(change),), if_it_acts)


def _train(*columns: pl.Expr) -> Callable[[Workspace], Workspace]:
    return lambda work: work.on_train(lambda frame: frame.with_columns(columns))


def _both(*columns: pl.Expr) -> Callable[[Workspace], Workspace]:
    return lambda work: work.on_both(lambda frame: frame.with_columns(columns))


# --- cleaning ---------------------------------------------------------------------------------


def _join_tables(step: JoinTables) -> Sequence[HeldOut]:
    """Overlook another table than the last."""
    return [
        HeldOut(
            f"without_{i + 1}",
            (step.but(train=_without(step.train, i), val=_without(step.val, i)),),
        )
        for i in range(len(step.train) - 1)
    ]


def _without(values: tuple[str, ...], position: int) -> tuple[str, ...]:
    return (*values[:position], *values[position + 1 :])


def _read_missing(step: ReadMissing) -> Sequence[HeldOut]:
    """Take the row for lost, or overlook the first column."""
    wrong = [_otherwise(step, "remove_rows", means="removal")]
    is_number = step.marker.lstrip("-").isdigit()
    if len(step.columns) > 1 and (step.type == "text" or is_number):
        overlooked = step.but(columns=step.columns[:1], means="value")
        wrong.append(HeldOut("miss_first", (overlooked, step.but(columns=step.columns[1:]))))
    return wrong


def _normalise_text(step: NormaliseText) -> Sequence[HeldOut]:
    """Leave the white space or some of it, take upper case, or overlook the first column."""

    def without_inner(work: Workspace) -> Workspace:
        text = pl.col(work.present(step.columns)).str.strip_chars(" \t")
        return _train(text if step.form == "space" else text.str.to_lowercase())(work)

    def upper(work: Workspace) -> Workspace:
        return _train(pl.col(work.present(step.columns)).str.to_uppercase())(step.apply(work))

    wrong = [_unstated("ends_and_case_only", without_inner, if_it_acts=True)]
    if step.form == "full":
        wrong.append(_otherwise(step, "case_only", form="case"))
    if step.form != "space":
        wrong.append(_unstated("upper_case", upper))
    if len(step.columns) > 1:
        wrong.append(_otherwise(step, "miss_first", columns=step.columns[1:]))
    return wrong


def _undo_units(step: UndoUnits) -> Sequence[HeldOut]:
    """Take the values for outliers, for errors, or divide all of them."""
    column = (step.column,)

    def clip(work: Workspace) -> Workspace:
        values = pl.col(work.numeric(column)).cast(pl.Float64)
        return _train(values.clip(upper_bound=step.threshold))(work)

    def divide_all(work: Workspace) -> Workspace:
        return _train(pl.col(work.numeric(column)).cast(pl.Float64) / step.factor)(work)

    as_outliers = FilterRange(column=step.column, low=-1e300, high=step.threshold)
    return [
        HeldOut("drop_as_outliers", (as_outliers,)),
        _unstated("clip", clip),
        _unstated("divide_all", divide_all),
    ]


def _filter_range(step: FilterRange) -> Sequence[HeldOut]:
    """Lose the rows with a missing value, pull values in, or misread the ends."""

    def clip(work: Workspace) -> Workspace:
        values = pl.col(work.numeric((step.column,))).cast(pl.Float64)
        return _train(values.clip(step.low, step.high))(work)

    off = _MISREAD_END * (step.high - step.low)
    lost = [_otherwise(step, "lose_missing", missing="remove")] if step.missing == "keep" else []
    tighter = {"low": step.low + off, "high": step.high - off}
    return [
        *lost,
        _unstated("clip", clip),
        _otherwise(step, "wider", low=step.low - off, high=step.high + off),
        _otherwise(step, "tighter", if_it_acts=True, **tighter),
    ]


def _filter_categories(step: FilterCategories) -> Sequence[HeldOut]:
    """Lose rows with a missing value, let a category in, rename the others, overlook one."""
    listed = list(step.categories)

    def one_more(work: Workspace) -> Workspace:
        """The commonest category that is not listed stays."""
        if not work.present((step.column,)):
            return work
        cells = work.train[step.column].drop_nulls()
        unlisted = cells.filter(~cells.is_in(listed)).mode().sort()[:1]
        return step.but(categories=(*step.categories, *unlisted)).apply(work)

    def rename(work: Workspace) -> Workspace:
        """Categories that are not listed become the first listed one."""
        if not work.present((step.column,)):
            return work
        cell = pl.col(step.column)
        kept = pl.when(cell.is_in(listed) | cell.is_null()).then(cell)
        return _train(kept.otherwise(pl.lit(listed[0])).alias(step.column))(work)

    wrong = [_unstated("one_more", one_more), _unstated("rename", rename)]
    if step.missing == "keep":
        wrong.insert(0, _otherwise(step, "lose_missing", missing="remove"))
    if len(listed) > 1:
        wrong.append(_otherwise(step, "without_first", categories=step.categories[1:]))
    return wrong


def _drop_missing_target(step: DropMissingTarget) -> Sequence[HeldOut]:
    """Fill in from the rows after, or with a value of its own: zero, or a text."""

    def placeholder(work: Workspace) -> Workspace:
        schema = work.train.schema
        return _train(
            *(pl.col(n).fill_null("unknown" if schema[n] == pl.String else 0) for n in step.columns)
        )(work)

    backward = pl.col(step.columns).backward_fill().forward_fill()
    return [_unstated("next", _train(backward)), _unstated("placeholder", placeholder)]


def _drop_duplicates(step: DropDuplicates) -> Sequence[HeldOut]:
    """Lose the originals too, or compare more or less than is stated."""

    def ignore_a_column(work: Workspace) -> Workspace:
        """The last feature is not compared."""
        targets = work.targets if step.compare == "all" else ()
        compared = [*work.features[:-1], *targets]
        return work.on_train(
            lambda frame: frame.unique(compared, keep="first", maintain_order=True)
        )

    other = "features" if step.compare == "all" else "all"
    return [
        _otherwise(step, "lose_originals", keep="none"),
        _otherwise(step, f"compare_{other}", if_it_acts=True, compare=other),
        _unstated("ignore_a_column", ignore_a_column, if_it_acts=True),
    ]


# --- series -----------------------------------------------------------------------------------


def _across_series(step: InSeries | Resample) -> list[HeldOut]:
    """All series taken for one, where there are several."""
    return [_otherwise(step, "across_series", by=())] if step.by else []


def _resample(step: Resample) -> Sequence[HeldOut]:
    """Take another row of each cell for the whole, or all series for one."""
    last = tuple((name, "last") for name, _ in step.aggregations)
    wrong = [] if last == step.aggregations else [_otherwise(step, "last_row", aggregations=last)]
    return [*wrong, *_across_series(step)]


def _fill_series(step: FillSeries) -> Sequence[HeldOut]:
    """Fill with zeros, or from another series."""
    zero = [] if step.how == "zero" else [_otherwise(step, "zero", how="zero")]
    return [*zero, *_across_series(step)]


def _derive_lag(step: DeriveLag) -> Sequence[HeldOut]:
    """Take all series for one, or count far too many rows."""
    return [*_across_series(step), _otherwise(step, "twice_the_lag", lag=2 * step.lag)]


def _derive_rolling(step: DeriveRolling) -> Sequence[HeldOut]:
    """Count the rows wrong, take all series for one, or one value less."""
    fewer = [_otherwise(step, "one_value_less", window=step.window - 1)]
    return [
        _otherwise(step, "one_more", lag=step.lag + 1),
        *_across_series(step),
        *(fewer if step.window > 1 else ()),
    ]


# --- preparing --------------------------------------------------------------------------------


def _derive_date_parts(step: DeriveDateParts) -> Sequence[HeldOut]:
    """Overlook the first part, or read days as months where both are possible."""

    def day_for_month(work: Workspace) -> Workspace:
        """Exchange day and month of days up to the twelfth, as readers that guess a format do."""
        if not work.present((step.column,)):
            return work
        instant = pl.col(step.column).cast(pl.Datetime("us"))
        day, month = instant.dt.day(), instant.dt.month()
        turned = pl.when(day <= 12).then(instant.dt.replace(month=day, day=month))
        return step.apply(_both(turned.otherwise(instant).alias(step.column))(work))

    wrong = [_unstated("day_for_month", day_for_month, if_it_acts=True)]
    if len(step.parts) > 1:
        wrong.append(_otherwise(step, "without_first", parts=step.parts[1:]))
    return wrong


def _derive_log1p(step: DeriveLog1p) -> Sequence[HeldOut]:
    """Take the square root, or do it twice."""

    def square_root(work: Workspace) -> Workspace:
        if not work.numeric((step.column,)):
            return work
        name = step.column if step.into == "replace" else f"log1p_{step.column}"
        value = pl.col(step.column).cast(pl.Float64)
        return _both(pl.when(value >= 0).then(value.sqrt()).alias(name))(work)

    twice = [HeldOut("twice", (step, step))] if step.into == "replace" else []
    return [_unstated("square_root", square_root), *twice]


def _derive_ratio(step: DeriveRatio) -> Sequence[HeldOut]:
    """Multiply, or add one below against zeros."""

    def appended(value: pl.Expr) -> Callable[[Workspace], Workspace]:
        both = (step.numerator, step.denominator)
        append = _both(value.alias(step.name))
        return lambda work: work if len(work.numeric(both)) < 2 else append(work)

    above, below = pl.col(step.numerator), pl.col(step.denominator)
    return [
        _unstated("product", appended(above * below)),
        _unstated("one_below", appended(above / (below + 1))),
    ]


def _drop_incomplete(step: DropIncomplete) -> Sequence[HeldOut]:
    """Fill in something else."""
    return [
        HeldOut("zero", (ImputeConstant(columns=step.columns, value=0.0),)),
        HeldOut("median", (ImputeNumber(columns=step.columns, strategy="median"),)),
    ]


def _select_columns(step: SelectColumns) -> Sequence[HeldOut]:
    """Overlook another column, or use one too many."""

    def one_more(work: Workspace) -> Workspace:
        """Also the first number that is to be removed."""
        more = [name for name in work.numeric(work.features) if name not in step.columns]
        return step.but(columns=(*step.columns, *more[:1])).apply(work)

    wrong = [_unstated("one_more", one_more, if_it_acts=True)]
    middle = len(step.columns) // 2
    if middle:
        wrong.append(_otherwise(step, "without_middle", columns=_without(step.columns, middle)))
        wrong.append(_otherwise(step, "without_first", columns=step.columns[1:]))
    return wrong


def _drop_rows(step: ImputeNumber | ImputeCategory | ImputeConstant | ImputeLabel) -> HeldOut:
    """Remove the rows with a missing cell instead of filling it."""
    return HeldOut("drop_rows", (DropMissingTarget(columns=step.columns), step), if_it_acts=True)


def _impute_category(step: ImputeCategory) -> Sequence[HeldOut]:
    """Fewer rows, the first text by alphabet, or a look at the rows to predict."""

    def alphabet(work: Workspace) -> Workspace:
        columns = work.present(step.columns)
        return _both(*(pl.col(c).fill_null(work.train[c].min()) for c in columns))(work)

    return [
        _drop_rows(step),
        _unstated("alphabet", alphabet, if_it_acts=True),
        _otherwise(step, "fit_on_both", if_it_acts=True, source="both"),
    ]


def _impute_constant(step: ImputeConstant) -> Sequence[HeldOut]:
    """A statistic, or fewer rows."""
    return [
        HeldOut("mean", (ImputeNumber(columns=step.columns, strategy="mean"),)),
        HeldOut("median", (ImputeNumber(columns=step.columns, strategy="median"),)),
        _drop_rows(step),
    ]


def _impute_label(step: ImputeLabel) -> Sequence[HeldOut]:
    """Take the most frequent text instead, or fewer rows."""
    return [HeldOut("most_frequent", (ImputeCategory(columns=step.columns),)), _drop_rows(step)]


def _impute_number(step: ImputeNumber) -> Sequence[HeldOut]:
    """The third statistic, one that has seen the rows to predict, zero, or fewer rows."""

    def zero(work: Workspace) -> Workspace:
        return _both(pl.col(work.numeric(step.columns)).cast(pl.Float64).fill_null(0.0))(work)

    third = [s for s in ("mean", "median", "most_frequent") if s != step.strategy][1]
    return [
        _otherwise(step, third, strategy=third),
        _otherwise(step, "fit_on_both", if_it_acts=True, source="both"),
        _unstated("zero", zero),
        _drop_rows(step),
    ]


def _encode_one_hot(step: EncodeOneHot) -> Sequence[HeldOut]:
    """Leave out the first category, number by frequency, or overlook a column."""
    by_frequency = EncodeOrdinal(columns=step.columns, order="frequency")
    wrong = [HeldOut("by_frequency", (by_frequency,))]
    if step.drop == "none":
        wrong.append(_otherwise(step, "drop_first", drop="first"))
    if len(step.columns) > 1:
        wrong.append(_otherwise(step, "miss_first", columns=step.columns[1:]))
    return wrong


def _each_alone(step: EncodeOrdinal | Scale) -> Callable[[Workspace], Workspace]:
    """The rows to predict are treated by what they hold themselves."""

    def change(work: Workspace) -> Workspace:
        by_val = step.apply(replace(work, train=work.val))
        return replace(step.apply(work), val=by_val.val)

    return change


def _encode_ordinal(step: EncodeOrdinal) -> Sequence[HeldOut]:
    """Number in the third order, or each table by itself."""
    third = [order for order in ("appearance", "frequency", "text") if order != step.order][1]
    return [
        _otherwise(step, f"by_{third}", order=third),
        _unstated("each_alone", _each_alone(step), if_it_acts=True),
    ]


def _scale(step: Scale) -> Sequence[HeldOut]:
    """Skip it, the third way, looking at the rows to predict, or the spread of a sample."""

    def ddof_1(work: Workspace) -> Workspace:
        """The divisor of the standard deviation is one less."""
        smaller = pl.col(work.numeric(step.columns)) * np.sqrt(1 - 1 / work.train.height)
        return _both(smaller)(step.apply(work))

    third = [method for method in ("standard", "min_max", "robust") if method != step.method][1]
    wrong = [
        HeldOut("skip", ()),
        _otherwise(step, third, method=third),
        _otherwise(step, "fit_on_both", source="both"),
        _unstated("each_alone", _each_alone(step)),
    ]
    return [*wrong, *([_unstated("ddof_1", ddof_1)] if step.method == "standard" else ())]


# --- fitting ----------------------------------------------------------------------------------


def _fit_predict(step: FitPredict) -> Sequence[HeldOut]:
    """The usual seed, an argument misread, or an estimator that is taken for this one."""

    def argument(mutation: str, name: str, value: JsonValue) -> HeldOut:
        return _otherwise(step, mutation, arguments=step.arguments | {name: value})

    wrong = [
        argument(f"nudged_{name}", name, nudged)
        for name, value in step.arguments.items()
        if name not in _PRECISION and (nudged := _nudged(value)) is not None
    ]
    if "random_state" in step.arguments:
        is_usual = step.arguments["random_state"] == _USUAL_SEED
        seed = argument("usual_seed", "random_state", _OTHER_SEED if is_usual else _USUAL_SEED)
        wrong.insert(0, seed)
    return [*wrong, HeldOut("other_estimator", (other_estimator(step),))]


def other_estimator(step: FitPredict) -> FitPredict:
    """The step with an estimator that is easily taken for its own."""
    name = _TAKEN_FOR[step.estimator]
    model = MODELS[name]
    return FitPredict(
        estimator=name,
        module=model.module,
        arguments=dict(model.arguments[0]) | ({"random_state": 0} if model.seed else {}),
        targets="single" if step.targets == "single" else "separate",
        scores=step.scores,
    )


def _nudged(value: JsonValue) -> JsonValue:
    """The number misread a little; None for what is no number."""
    if isinstance(value, list) and value:
        first = _nudged(value[0])
        return None if first is None else [first, *value[1:]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value + 1 if isinstance(value, int) else float(f"{value * _MISREAD:.6g}")


_BY_KIND: dict[type[Step], Callable[[Any], Sequence[HeldOut]]] = {
    JoinTables: _join_tables,
    ReadMissing: _read_missing,
    NormaliseText: _normalise_text,
    UndoUnits: _undo_units,
    FilterRange: _filter_range,
    FilterCategories: _filter_categories,
    DropMissingTarget: _drop_missing_target,
    DropDuplicates: _drop_duplicates,
    Resample: _resample,
    FillSeries: _fill_series,
    DeriveLag: _derive_lag,
    DeriveRolling: _derive_rolling,
    DeriveDateParts: _derive_date_parts,
    DeriveLog1p: _derive_log1p,
    DeriveRatio: _derive_ratio,
    DropIncomplete: _drop_incomplete,
    SelectColumns: _select_columns,
    ImputeCategory: _impute_category,
    ImputeConstant: _impute_constant,
    ImputeLabel: _impute_label,
    ImputeNumber: _impute_number,
    EncodeOneHot: _encode_one_hot,
    EncodeOrdinal: _encode_ordinal,
    Scale: _scale,
    FitPredict: _fit_predict,
}
"""A kind without a line here fails: adding a step adds one."""

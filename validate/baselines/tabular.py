"""The baselines for tables: chance to a tuned booster.

Takes one target's examples, returns predictions for val as numbers or positions among the labels.
Estimators come from scikit-learn with its defaults where no reason against them is given. Samples
of rows, iterations by the number of classes and a search of a few settings bound the time: a
patient person will do better, which only widens the room.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from validate.baselines.examples import Examples, examples_of
from validate.baselines.solver import (
    BOOSTER,
    ONE_FEATURE,
    BaselineAnswer,
    Case,
    fit,
    predicted,
)

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

MAX_ROWS = 5_000
"""Rows that an estimator is fitted to; the default booster and the tree on one feature, by which
tasks count as saturated, take all."""
MAX_INNER_ROWS = 2_500
"""Rows that settings and features are chosen on."""
MAX_ONE_HOT = 400
"""Columns that texts may become for the linear estimators."""
_DRAWS = 10
"""Random answers over which chance is a mean: one draw may be lucky."""
_TREES = 1_000
"""Trees of a booster over all classes; beyond ten, a class gets less than the usual hundred."""
_LINEAR_ITERATIONS = 100
"""Of logistic regression, which bounds its time; it need not converge to be a baseline."""

_Predictor = Callable[[Examples], _Floats]


def tabular_answers(case: Case) -> Iterator[BaselineAnswer]:
    """What every solver answers, from the weakest to the strongest."""
    targets = dict(examples_of(case))
    yield from trivial_answers(case)
    yield _one_feature(case, targets)
    for name, solve in _FITTED.items():
        yield BaselineAnswer(name, False, (_table(case, targets, solve),))


def trivial_answers(case: Case) -> Iterator[BaselineAnswer]:
    """What can be answered without a look at any feature."""
    targets = dict(examples_of(case))
    rngs = np.random.default_rng(case.seed).spawn(_DRAWS)
    draws = (_table(case, targets, partial(_chance, rng=rng)) for rng in rngs)
    yield BaselineAnswer("chance", True, tuple(draws))
    yield BaselineAnswer("majority_or_mean", True, (_table(case, targets, _majority),))


def _table(case: Case, targets: dict[str, Examples], solve: _Predictor) -> pl.DataFrame:
    return predicted(
        case, {name: _predictions(solve, examples) for name, examples in targets.items()}
    )


def _predictions(solve: _Predictor, examples: Examples) -> Any:
    """Predictions as labels or numbers; without variety or features all that is left is one."""
    is_plain = examples.y.min() == examples.y.max() or not examples.features.sources
    values = (_majority if is_plain else solve)(examples)
    if examples.labels is not None:
        return examples.labels[values.astype(np.int64)]
    # No solver may be punished for extrapolating from one odd row.
    return np.clip(values, examples.y.min(), examples.y.max())


# --- without features -------------------------------------------------------------------------


def _chance(examples: Examples, *, rng: np.random.Generator) -> _Floats:
    """A training answer drawn at random for each row: classes by their shares."""
    return rng.choice(examples.y, len(examples.features.val))


def _majority(examples: Examples) -> _Floats:
    """The commonest class, or the mean."""
    from sklearn.dummy import DummyClassifier, DummyRegressor

    is_number = examples.labels is None
    model = DummyRegressor() if is_number else DummyClassifier(strategy="most_frequent")
    return np.asarray(model.fit(examples.x, examples.y).predict(examples.features.val))


# --- one feature ------------------------------------------------------------------------------


def _one_feature(case: Case, targets: dict[str, Examples]) -> BaselineAnswer:
    """The best single feature of each target under a tree, chosen on an inner split."""
    best = {target: best_feature(examples) for target, examples in targets.items()}
    values = {
        target: _predictions(partial(_fit_one, place=best[target]), examples)
        for target, examples in targets.items()
    }
    columns = dict.fromkeys(
        targets[t].features.sources[p] for t, p in best.items() if p is not None
    )
    return BaselineAnswer(ONE_FEATURE, False, (predicted(case, values),), tuple(columns))


def best_feature(examples: Examples) -> int | None:
    """Position of the feature that alone tells most; None where there is no feature."""
    first, test = inner_split(examples)
    scores = []
    for place in range(len(examples.features.sources)):
        x = examples.x[:, [place]]
        tree = fit(_tree_of_one(examples), x[first], examples.y[first])
        scores.append(quality(examples, examples.y[test], tree.predict(x[test])))
    return int(np.argmax(scores)) if scores else None


def _fit_one(examples: Examples, *, place: int | None) -> _Floats:
    if place is None:
        return _majority(examples)
    tree = fit(_tree_of_one(examples), examples.x[:, [place]], examples.y)
    return np.asarray(tree.predict(examples.features.val[:, [place]]))


def _tree_of_one(examples: Examples) -> Any:
    """Enough leaves for every code of a text, enough rows in each not to learn by heart."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if examples.labels is None else DecisionTreeClassifier
    return kind(min_samples_leaf=3, max_leaf_nodes=256, random_state=0)


def inner_split(examples: Examples) -> tuple[_Ints, _Ints]:
    """Rows to fit and rows to choose on, three to one, of a sample of train."""
    order = examples.rng_order[:MAX_INNER_ROWS]
    cut = 3 * len(order) // 4
    return order[:cut], order[cut:]


def quality(examples: Examples, truth: _Floats, guess: _Floats) -> float:
    """The task's metric on an inner split, unclipped."""
    from sklearn.metrics import f1_score, r2_score

    if examples.labels is None:
        return float(r2_score(truth, guess))
    return float(f1_score(truth, guess, average="macro", zero_division=0))


# --- all features -----------------------------------------------------------------------------


def _tree(examples: Examples) -> _Floats:
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    kind = DecisionTreeRegressor if examples.labels is None else DecisionTreeClassifier
    # At most 256 leaves: deeper ones learn single rows of a table of this size by heart.
    return _fitted(kind(max_depth=8, min_samples_leaf=5, random_state=0), examples)


def _linear(examples: Examples) -> _Floats:
    """Ridge with its penalty by generalised cross-validation, or logistic regression."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    is_code = examples.features.is_code
    most = max(2, min(30, MAX_ONE_HOT // max(1, int(is_code.sum()))))
    one_hot = OneHotEncoder(
        max_categories=most, handle_unknown="infrequent_if_exist", sparse_output=False
    )
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    columns = ColumnTransformer([("code", one_hot, is_code), ("number", numbers, ~is_code)])
    if examples.labels is None:
        # Numbers are standardised, so these penalties mean the same for every table.
        last: Any = RidgeCV(alphas=(0.1, 1.0, 10.0, 100.0, 1000.0))
    else:
        last = LogisticRegression(
            class_weight="balanced", max_iter=_LINEAR_ITERATIONS, tol=1e-3, random_state=0
        )
    return _fitted(make_pipeline(columns, last), examples)


def _booster(examples: Examples) -> _Floats:
    return _fitted(booster(examples), examples, rows=len(examples.y))


def _tuned_booster(examples: Examples) -> _Floats:
    """The best of a few settings on an inner split, fitted anew."""
    first, test = inner_split(examples)
    scores = []
    for settings in _settings(examples):
        model = fit(booster(examples, **settings), examples.x[first], examples.y[first])
        guess = model.predict(examples.x[test])
        scores.append(quality(examples, examples.y[test], guess))
    return _fitted(booster(examples, **_settings(examples)[int(np.argmax(scores))]), examples)


def _settings(examples: Examples) -> list[dict[str, Any]]:
    smooth = {"learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 10}
    shallow = {"learning_rate": 0.1, "max_leaf_nodes": 6, "l2_regularization": 1.0}
    if examples.labels is None:
        return [smooth, shallow, {**smooth, "max_features": 0.3}]
    balanced = {"class_weight": "balanced"}
    return [smooth, {**shallow, **balanced}, {**smooth, **balanced, "max_features": 0.3}]


def booster(examples: Examples, **settings: Any) -> Any:
    """A histogram booster that knows which features are codes, with its defaults otherwise."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor
    n_classes = 1
    if examples.labels is not None:
        kind, n_classes = HistGradientBoostingClassifier, len(examples.labels)
    # Each round grows one tree a class.
    rounds = min(100, max(10, _TREES // n_classes))
    return kind(
        max_iter=rounds,
        categorical_features=examples.features.is_code,
        early_stopping=False,
        random_state=0,
        **settings,
    )


def _fitted(model: Any, examples: Examples, rows: int = MAX_ROWS) -> _Floats:
    sample = examples.sample(rows)
    x, y = examples.x[sample], examples.y[sample]
    return np.asarray(fit(model, x, y).predict(examples.features.val))


_FITTED: dict[str, _Predictor] = {
    "linear": _linear,
    "tree": _tree,
    BOOSTER: _booster,
    "tuned_booster": _tuned_booster,
}

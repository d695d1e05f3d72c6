"""The estimators that a task may fit, and what is known about each.

A table, no code: where the class lies, arguments that converge to one answer, what it is sensitive
to, and how often it should be drawn. Arguments whose defaults differ between scikit-learn 1.4 and
1.9, or that decide how close a solver comes to its optimum, are always given, so that one program
means the same in all of them. Left out on purpose, for what the environment matrix says of them on
real tables: Huber regression and nearest neighbours (under jitter; equal distances decide who is a
neighbour), `LinearSVC` (under jitter and with another processor; its solver stops short of the
optimum), histogram boosting (under jitter, and its bins changed between the two), bootstrap forests
(their draws changed in 1.9) and SVM probabilities (drawn at random).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import JsonValue

from transform.proposal import Problem

ScoreKind = Literal["probability", "decision", "none"]
Arguments = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Model:
    """One estimator class."""

    module: str
    problem: Problem
    arguments: tuple[Arguments, ...]
    """Alternatives; `random_state` is added where `seed` is set."""
    scores: ScoreKind = "none"
    """Class scores that it gives."""
    scaling: bool = False
    """The scale of a column acts on the answer."""
    seed: bool = False
    column_order: bool = False
    """The order of columns acts on the answer beyond rounding."""
    several_targets: bool = False
    """Fits several targets at once, to another effect than one by one."""
    relative: str | None = None
    """Argument that is a share of the target's standard deviation."""
    target_bounds: tuple[float, float] = (0.0, math.inf)
    """Least standard deviation and largest size of a target for which the solver converges."""
    mistake: Arguments = field(default_factory=dict)
    """Arguments that would be wrong; only where leaving out the stated ones shows nothing."""
    weight: float = 1.0
    """How often to draw it: how well it shows mutations, against cost and fragility."""


MODELS: dict[str, Model] = {
    # Solver and tolerance are stated, so that it stops at the optimum in every version.
    "LogisticRegression": Model(
        module="sklearn.linear_model",
        problem="classification",
        arguments=(
            {"C": 0.5, "solver": "newton-cg", "tol": 1e-08, "max_iter": 1000},
            {"C": 0.1, "solver": "newton-cg", "tol": 1e-08, "max_iter": 1000},
            {
                "C": 0.2,
                "class_weight": "balanced",
                "solver": "newton-cg",
                "tol": 1e-08,
                "max_iter": 1000,
            },
        ),
        scores="probability",
        scaling=True,
        weight=3.0,
    ),
    "DecisionTreeClassifier": Model(
        module="sklearn.tree",
        problem="classification",
        arguments=(
            {"max_depth": 6, "max_features": 0.5, "min_samples_leaf": 5},
            {"max_depth": 8, "max_features": 0.6, "min_samples_leaf": 4},
            {"criterion": "entropy", "max_depth": 7, "max_features": 0.5, "min_samples_leaf": 4},
        ),
        scores="probability",
        seed=True,
        column_order=True,
        several_targets=True,
        weight=4.0,
    ),
    "GaussianNB": Model(
        module="sklearn.naive_bayes",
        problem="classification",
        arguments=({"var_smoothing": 1e-06}, {"var_smoothing": 1e-04}),
        mistake={"var_smoothing": 0.1},
        scores="probability",
        weight=0.2,
    ),
    "MLPClassifier": Model(
        module="sklearn.neural_network",
        problem="classification",
        arguments=(
            {
                "hidden_layer_sizes": [16],
                "learning_rate_init": 0.01,
                "tol": 0.005,
                "max_iter": 1000,
            },
            {
                "hidden_layer_sizes": [12, 6],
                "activation": "tanh",
                "learning_rate_init": 0.01,
                "tol": 0.005,
                "max_iter": 1000,
            },
        ),
        scores="probability",
        scaling=True,
        seed=True,
        column_order=True,
        weight=1.5,
    ),
    "LinearDiscriminantAnalysis": Model(
        module="sklearn.discriminant_analysis",
        problem="classification",
        arguments=(
            {"solver": "lsqr", "shrinkage": 0.1},
            {"solver": "lsqr", "shrinkage": 0.3},
        ),
        scores="probability",
        scaling=True,
        weight=3.0,
    ),
    "RidgeClassifier": Model(
        module="sklearn.linear_model",
        problem="classification",
        arguments=(
            {"alpha": 10.0, "solver": "cholesky"},
            {"alpha": 3.0, "class_weight": "balanced", "solver": "cholesky"},
        ),
        scores="decision",
        scaling=True,
        weight=2.0,
    ),
    "ExtraTreesClassifier": Model(
        module="sklearn.ensemble",
        problem="classification",
        arguments=(
            {"n_estimators": 50, "max_depth": 8, "max_features": 0.5, "min_samples_leaf": 3},
            {"n_estimators": 30, "max_depth": 10, "max_features": 0.7, "min_samples_leaf": 5},
        ),
        scores="probability",
        seed=True,
        column_order=True,
        several_targets=True,
        weight=1.5,
    ),
    # Without a limit of iterations a hard table would hold a worker for hours.
    "SVC": Model(
        module="sklearn.svm",
        problem="classification",
        arguments=(
            {"C": 2.0, "tol": 1e-06, "max_iter": 50000},
            {"C": 5.0, "gamma": 0.02, "tol": 1e-06, "max_iter": 50000},
        ),
        scores="decision",
        scaling=True,
        weight=0.3,
    ),
    "LinearRegression": Model(
        module="sklearn.linear_model",
        problem="regression",
        arguments=({},),
        mistake={"fit_intercept": False},
    ),
    "DecisionTreeRegressor": Model(
        module="sklearn.tree",
        problem="regression",
        arguments=(
            {"max_depth": 6, "max_features": 0.5, "min_samples_leaf": 5},
            {"max_depth": 8, "max_features": 0.6, "min_samples_leaf": 4},
        ),
        seed=True,
        column_order=True,
        several_targets=True,
        weight=1.5,
    ),
    "Ridge": Model(
        module="sklearn.linear_model",
        problem="regression",
        arguments=(
            {"alpha": 10.0, "solver": "cholesky"},
            {"alpha": 50.0, "solver": "cholesky"},
            {"alpha": 2.0, "solver": "cholesky"},
        ),
        scaling=True,
        weight=3.0,
    ),
    # Coordinate descent, so the tolerance is the distance from the optimum that ships.
    "Lasso": Model(
        module="sklearn.linear_model",
        problem="regression",
        arguments=(
            {"alpha": 0.02, "tol": 1e-10, "max_iter": 100000},
            {"alpha": 0.005, "tol": 1e-10, "max_iter": 100000},
        ),
        scaling=True,
        relative="alpha",
        target_bounds=(0.0, 1e9),
    ),
    "MLPRegressor": Model(
        module="sklearn.neural_network",
        problem="regression",
        arguments=(
            {
                "hidden_layer_sizes": [16],
                "learning_rate_init": 0.01,
                "tol": 0.005,
                "max_iter": 1000,
            },
            {
                "hidden_layer_sizes": [12, 6],
                "activation": "tanh",
                "learning_rate_init": 0.01,
                "tol": 0.005,
                "max_iter": 1000,
            },
        ),
        scaling=True,
        seed=True,
        column_order=True,
        several_targets=True,
        weight=1.5,
        target_bounds=(0.2, 20.0),
    ),
    "ElasticNet": Model(
        module="sklearn.linear_model",
        problem="regression",
        arguments=(
            {"alpha": 0.01, "l1_ratio": 0.2, "tol": 1e-10, "max_iter": 100000},
            {"alpha": 0.05, "l1_ratio": 0.1, "tol": 1e-10, "max_iter": 100000},
        ),
        scaling=True,
        target_bounds=(0.0, 1e9),
    ),
    "BayesianRidge": Model(
        module="sklearn.linear_model",
        problem="regression",
        arguments=({"max_iter": 1000, "tol": 1e-08},),
        scaling=True,
        mistake={"fit_intercept": False},
    ),
    "ExtraTreesRegressor": Model(
        module="sklearn.ensemble",
        problem="regression",
        arguments=(
            {"n_estimators": 50, "max_depth": 8, "max_features": 0.5, "min_samples_leaf": 3},
            {"n_estimators": 30, "max_depth": 10, "max_features": 0.7, "min_samples_leaf": 5},
        ),
        seed=True,
        column_order=True,
        several_targets=True,
        weight=3.0,
    ),
}
"""By class name. Weights and sensitivities follow a measured feasibility study."""

"""Fit one estimator on the training rows and predict the others: the last step of a task."""

import importlib
import random
import warnings
from dataclasses import replace
from keyword import iskeyword
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
from numpy.linalg import LinAlgError
from pydantic import JsonValue, model_validator
from sklearn.exceptions import ConvergenceWarning

from transform.run.perturbation import FeatureMatrix, disturbed
from transform.steps.fitting.models import MODELS, Arguments, Model, ScoreKind
from transform.steps.phrase import Phrase
from transform.steps.step import Mutation, Step, StepContext, StepStage, UnstatedChange, Workspace
from transform.task import ID_COLUMN

UNFIT = (ValueError, ArithmeticError, LinAlgError, ConvergenceWarning)
"""What estimators raise on data that they cannot fit; anything else is a fault of ours."""
_MAX_CONDITION = 1e5
"""Least squares cuts small singular values off at 1e-6 in scikit-learn 1.9 and far below before."""
_RANK_TOLERANCE = 1e-12
"""Singular values below are zero to every version."""

_MAX_CLASSES = 20
_MAX_NAME = 60
"""Classes and letters of a label up to which score columns are asked for."""
_MAX_SEED = 1000
_MIN_COLUMNS_TO_DRAW = 3
"""With fewer a model that draws among columns hardly draws."""
_PRECISION = frozenset(("random_state", "solver", "tol", "max_iter", "dual", "algorithm"))
"""Arguments whose default gives much the same answer, or none."""


Targets = Literal["single", "joint", "separate"]


class FitPredict(Step):
    """An estimator of scikit-learn with its arguments, on all features."""

    kind: ClassVar[str] = "fit_predict"
    stage: ClassVar[StepStage] = "fit"
    phrase: ClassVar[Phrase] = Phrase(
        "Fit the scikit-learn estimator `{estimator:word}` (module `{module:word}`) with "
        "{arguments:arguments} (all others keep their defaults) on the training table: the matrix "
        "holds all columns but `row_id` and the targets as 64-bit floats, columns in the order of "
        "the table, rows in ascending `row_id`{targets:choice}. Predict the table to "
        "predict{scores:choice}.",
        {
            "targets": {
                "single": "",
                "joint": "; one estimator is fitted to all targets together, in their order",
                "separate": "; a new estimator is fitted to each target alone",
            },
            "scores": {
                "none": "",
                "probability": ", and append the result of `predict_proba`, the probability of "
                "each class, as the column `score_<class>`, in the order of `classes_`",
                "decision": ", and append the result of `decision_function` as the column "
                "`score_<class>` for each class, in the order of `classes_` (with two classes it "
                "is one number d: the first column holds -d and the second d)",
            },
        },
    )

    estimator: str
    module: str
    arguments: dict[str, JsonValue]
    targets: Targets = "single"
    scores: ScoreKind = "none"

    @model_validator(mode="after")
    def _known(self) -> "FitPredict":
        """Only estimators of our table: a text must not name anything else to be imported."""
        if self.estimator not in MODELS or MODELS[self.estimator].module != self.module:
            raise ValueError(f"estimator {self.module}.{self.estimator} is not in the table")
        if self.scores not in ("none", MODELS[self.estimator].scores):
            raise ValueError(f"{self.estimator} does not give scores of kind {self.scores}")
        if not all(name.isidentifier() and not iskeyword(name) for name in self.arguments):
            raise ValueError(f"argument names must be identifiers, found {list(self.arguments)}")
        return self

    @property
    def imports(self) -> tuple[str, ...]:
        """The estimator's class."""
        return (f"from {self.module} import {self.estimator}",)

    @property
    def sees_column_order(self) -> bool:
        """Whether the estimator does."""
        return MODELS[self.estimator].column_order

    @classmethod
    def choose(cls, context: StepContext, rng: random.Random) -> "tuple[FitPredict, ...]":
        """The context's model with each of its argument sets, in random order.

        Empty when the table is not yet a matrix, or one on which the model is not stable.
        """
        model = MODELS[context.model]
        if model.problem != context.problem or not _is_fit(context):
            return ()
        # Its seed would then decide nothing that a mutation could show.
        if model.seed and len(context.numbers) < _MIN_COLUMNS_TO_DRAW:
            return ()
        single = len(context.targets) == 1
        # With several targets it would be open whose scores a column holds.
        scores = model.scores if single and _are_names(context) else "none"
        # Estimators refuse labels of several types at once.
        together = (
            model.several_targets
            and len({context.train.schema[name] for name in context.targets}) == 1
        )
        modes: tuple[Targets, ...] = ("joint", "separate") if together else ("separate",)
        steps = [
            cls(
                estimator=context.model,
                module=model.module,
                arguments=_completed(model, arguments, context, rng),
                targets=mode,
                scores=scores,
            )
            for arguments in model.arguments
            for mode in (("single",) if single else modes)
        ]
        rng.shuffle(steps)
        return tuple(steps)

    def apply(self, work: Workspace) -> Workspace:
        """Fit and predict.

        Columns that are not full of numbers, because an earlier step is mutated, are left out.
        """
        features = [name for name in work.features if _is_full(work, name)]
        matrices = _matrix(work.train, features), _matrix(work.val, features)
        train, val = disturbed(*matrices, work.perturbation)
        answer = work.val.select(ID_COLUMN)
        joint = self.targets == "joint"
        for group in [work.targets] if joint else [(target,) for target in work.targets]:
            # Numbers as floats, so that integer targets are no classes to an estimator.
            known = self._labels(work.train, group)
            model = self._fitted(train, known.to_numpy() if joint else known.to_series().to_numpy())
            predicted = model.predict(val).reshape(val.shape[0], -1)
            answer = answer.with_columns(
                pl.Series(name, predicted[:, i].tolist(), known.schema[name])
                for i, name in enumerate(group)
            )
        if self.scores != "none":
            names = score_columns(pl.Series(model.classes_.tolist()))
            answer = answer.hstack(pl.DataFrame(self._score(model, val), schema=names))
        return replace(work, answer=answer)

    def _labels(self, train: pl.DataFrame, targets: tuple[str, ...]) -> pl.DataFrame:
        known = train.select(targets)
        is_regression = MODELS[self.estimator].problem == "regression"
        return known.cast(pl.Float64) if is_regression else known

    def _fitted(self, matrix: FeatureMatrix, labels: npt.NDArray[Any]) -> Any:
        """The fitted estimator; one that has not converged raises: it is no ground for truth."""
        model = getattr(importlib.import_module(self.module), self.estimator)(**self.arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", ConvergenceWarning)
            return model.fit(matrix, labels)

    def _score(self, model: Any, matrix: FeatureMatrix) -> FeatureMatrix:
        """One column a class."""
        if self.scores == "probability":
            return np.asarray(model.predict_proba(matrix))
        decision = np.asarray(model.decision_function(matrix))
        return decision if decision.ndim == 2 else np.column_stack([-decision, decision])

    def write(self) -> tuple[str, ...]:
        """Plain scikit-learn."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        model = f"{self.estimator}({arguments})"
        return (
            'features = [name for name in train.columns if name not in ("row_id", *targets)]',
            "train_matrix = train[features].to_numpy(dtype=float)",
            "val_matrix = val[features].to_numpy(dtype=float)",
            'prediction = val[["row_id"]].copy()',
            *(_write_joint(model) if self.targets == "joint" else _write_separate(model)),
            *_write_scores(self.scores),
        )

    def mutations(self) -> tuple[Mutation, ...]:
        """Another seed, an argument left at its default, another fit mode or order of columns."""
        model, wrong = MODELS[self.estimator], []
        seed = self.arguments.get("random_state")
        if isinstance(seed, int):
            wrong.append(self._arguments("other_seed", random_state=seed + 1))
        for name in self.arguments:
            # A solver that stops a little earlier gives nearly the same answer: no mistake to
            # detect.
            if name not in _PRECISION:
                kept = {n: value for n, value in self.arguments.items() if n != name}
                wrong.append(self.mutated(f"default_{name}", arguments=kept))
        # Only some estimators answer nearly alike without their stated arguments.
        if model.mistake:
            wrong.append(self._arguments("other_arguments", **model.mistake))
        if model.several_targets and self.targets != "single":
            other = "joint" if self.targets == "separate" else "separate"
            wrong.append(self.mutated(f"fit_{other}", targets=other))
        if self.sees_column_order:
            wrong.append(Mutation("other_columns_first", (UnstatedChange(_turned), self)))
        return tuple(wrong)

    def _arguments(self, name: str, **others: JsonValue) -> Mutation:
        return self.mutated(name, arguments=self.arguments | others)


def _turned(work: Workspace) -> Workspace:
    """The features in the other order."""
    turned = work.features[::-1]
    rest = [name for name in work.train.columns if name not in turned]
    return replace(
        work,
        train=work.train.select(*rest, *turned),
        val=work.val.select(ID_COLUMN, *turned),
    )


def score_columns(labels: pl.Series) -> tuple[str, ...]:
    """Names of the score columns for the labels of a target, in the order of `classes_`.

    A whole number is written without a point, whatever the type of its column.
    """
    whole = labels.drop_nulls().unique().sort()
    # A label 1.0 and a label 1 are one class, and so is their column.
    if whole.dtype.is_float():
        whole = whole.cast(pl.Int64)
    return tuple(f"score_{label}" for label in whole.to_list())


def _is_full(work: Workspace, name: str) -> bool:
    cells = (work.train[name], work.val[name])
    return all(column.dtype.is_numeric() and column.null_count() == 0 for column in cells)


def _matrix(frame: pl.DataFrame, features: list[str]) -> FeatureMatrix:
    # One layout of memory in every process: sums depend on it in their last digits.
    return np.ascontiguousarray(frame.select(pl.col(features).cast(pl.Float64)).to_numpy())


def _is_fit(context: StepContext) -> bool:
    """True for a full, finite matrix, targets that vary, and no known instability of the model."""
    names = [*context.numbers, *context.categories, *context.times]
    if not context.numbers or len(names) > len(context.numbers):
        return False
    matrices = [_matrix(frame, names) for frame in (context.train, context.val)]
    if not all(np.isfinite(matrix).all() for matrix in matrices):
        return False
    suits = _has_classes if context.problem == "classification" else _has_numbers
    if not suits(context):
        return False
    return context.model != "LinearRegression" or _is_well_conditioned(matrices[0])


def _has_classes(context: StepContext) -> bool:
    """Two classes at least, and two rows of each: some estimators need them."""
    counts = [context.train[target].value_counts(name=" n")[" n"] for target in context.targets]
    return all(len(count) > 1 and min(count.to_list()) > 1 for count in counts)


def _has_numbers(context: StepContext) -> bool:
    """Targets that vary, of a size for which the model converges."""
    least, most = MODELS[context.model].target_bounds
    for target in context.targets:
        numbers = context.train[target].cast(pl.Float64).to_numpy()
        if np.ptp(numbers) == 0 or np.std(numbers) < least or np.abs(numbers).max() > most:
            return False
    return True


def _is_well_conditioned(matrix: FeatureMatrix) -> bool:
    """No singular value of the centred matrix between a clear zero and a clear number."""
    values = np.linalg.svd(matrix - matrix.mean(axis=0), compute_uv=False)
    ratios = values / max(values[0], np.finfo(float).tiny)
    return not ((ratios > _RANK_TOLERANCE) & (ratios < 1 / _MAX_CONDITION)).any()


def _are_names(context: StepContext) -> bool:
    """True when score columns can be named after the labels, beside the other columns."""
    names = score_columns(context.train[context.targets[0]])
    printable = all(n.isprintable() and "`" not in n and len(n) <= _MAX_NAME for n in names)
    return printable and len(names) <= _MAX_CLASSES and not {*names} & {*context.train.columns}


def _completed(
    model: Model, arguments: Arguments, context: StepContext, rng: random.Random
) -> dict[str, JsonValue]:
    """The arguments with a seed, and with what is relative to the table made absolute."""
    full = dict(arguments)
    if model.seed and isinstance(drawn := full.get("max_features"), float):
        # As a number, so that whoever misreads it draws among more or fewer columns.
        full["max_features"] = max(1, round(drawn * len(context.numbers)))
    if model.seed:
        full["random_state"] = rng.randrange(_MAX_SEED)
    # A penalty that is right for one scale of target is none or all for another.
    if model.relative is not None:
        spread = context.train[context.targets[0]].cast(pl.Float64).std()
        share = full[model.relative]
        assert isinstance(spread, float)
        assert isinstance(share, float)
        full[model.relative] = float(f"{share * spread:.1g}")
    return full


def _write_joint(model: str) -> tuple[str, ...]:
    return (
        f"model = {model}.fit(train_matrix, train[targets].to_numpy())",
        "prediction[targets] = model.predict(val_matrix)",
    )


def _write_separate(model: str) -> tuple[str, ...]:
    return (
        "for target in targets:",
        f"    model = {model}.fit(train_matrix, train[target].to_numpy())",
        "    prediction[target] = model.predict(val_matrix)",
    )


def _write_scores(kind: ScoreKind) -> tuple[str, ...]:
    if kind == "none":
        return ()
    values = "predict_proba" if kind == "probability" else "decision_function"
    lines = [f"scores = model.{values}(val_matrix)"]
    if kind == "decision":
        lines += ["if scores.ndim == 1:", "    scores = np.column_stack([-scores, scores])"]
    return (
        *lines,
        "for label, score in zip(model.classes_, scores.T):",
        "    name = int(label) if isinstance(label, float) else label",
        '    prediction[f"score_{name}"] = score',
    )

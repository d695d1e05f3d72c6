"""Which column makes a table easy: the one whose loss hurts a booster most.

Takes a tabular task, returns the name of a column. Only train is looked at: a share of it is held
out, and each feature is shuffled there in turn (permutation importance). Not guaranteed: that the
task is less easy without the column; another may tell the same.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from transform.files.task_folder import TaskFolder
from validate.baselines.examples import Examples, examples_of
from validate.baselines.solver import case_of, fit
from validate.baselines.tabular import booster, inner_split, quality


def heaviest_column(task: TaskFolder) -> str:
    """The column of the feature with the largest loss of quality, in the mean over targets."""
    targets = [examples for _, examples in examples_of(case_of(task))]
    losses = np.mean([_losses(examples) for examples in targets], axis=0)
    return targets[0].features.sources[int(np.argmax(losses))]


def _losses(examples: Examples) -> npt.NDArray[np.float64]:
    """Quality that is lost when a feature is shuffled, `(n_features,)`."""
    from sklearn.inspection import permutation_importance

    def scoring(model: Any, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> float:
        return quality(examples, y, model.predict(x))

    # On rows that the booster has not seen: a feature learnt by heart weighs nothing there.
    first, test = inner_split(examples)
    model = fit(booster(examples), examples.x[first], examples.y[first])
    x, y = examples.x[test], examples.y[test]
    return np.asarray(
        permutation_importance(
            model, x, y, scoring=scoring, n_repeats=1, random_state=0
        ).importances_mean
    )

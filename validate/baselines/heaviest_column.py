"""Which column makes a table easy: the one whose loss hurts a booster most.

A tabular task enters, the name of a column leaves. Only train is looked at: a share of it is held
out, and each column is shuffled there in turn. That the task is less easy without the column is not
certain: another may tell the same.
"""

import numpy as np

from transform.files.task_folder import TaskFolder
from validate.baselines.examples import Examples, examples_of
from validate.baselines.solver import case_of, fit
from validate.baselines.tabular import booster, inner_split, quality


def heaviest_column(task: TaskFolder) -> str:
    """The column with the largest loss of quality, in the mean over targets."""
    losses = [_losses(examples) for _, examples in examples_of(case_of(task))]
    means = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
    return max(means, key=lambda name: means[name])


def _losses(examples: Examples) -> dict[str, float]:
    """Quality that is lost when the features of a column are shuffled, by column."""
    first, test = inner_split(examples)
    model = fit(booster(examples), examples.x[first], examples.y[first])
    sources, x, y = np.array(examples.matrix.sources), examples.x[test], examples.y[test]
    whole = quality(examples, y, model.predict(x))
    mixed = x[np.random.default_rng(examples.seed).permutation(len(x))]
    return {
        name: whole - quality(examples, y, model.predict(np.where(sources == name, mixed, x)))
        for name in dict.fromkeys(examples.matrix.sources)
    }

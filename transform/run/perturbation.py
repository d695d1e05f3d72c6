"""What may not matter to an answer, done to a task on purpose.

Last digits, the layout of memory and the order of lines in a file are no instructions of a task.
Truth that they change is no truth, so the environment matrix executes every task under each of
them. The matrix that enters the final estimator is disturbed here; files are disturbed by
`shuffle.py`.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

Perturbation = Literal["none", "jitter", "fortran", "file_order"]
FeatureMatrix = npt.NDArray[np.float64]

JITTER = 1e-12
"""Largest relative change of a value: some thousand times what rounding does to it."""


def disturbed(
    train: FeatureMatrix, val: FeatureMatrix, how: Perturbation
) -> tuple[FeatureMatrix, FeatureMatrix]:
    """Both matrices as the final estimator is to see them; finite values only.

    `jitter` multiplies each distinct value by a factor of its own, the same wherever it stands, so
    that ties stay ties: between rows, between columns, and between train and val.
    """
    if how == "jitter":
        return _jittered(train, val)
    if how == "fortran":
        return np.asfortranarray(train), np.asfortranarray(val)
    return train, val


def _jittered(train: FeatureMatrix, val: FeatureMatrix) -> tuple[FeatureMatrix, FeatureMatrix]:
    # By value, not by cell: equal cells get equal factors.
    values, places = np.unique(np.concatenate([train.ravel(), val.ravel()]), return_inverse=True)
    factors = 1 + np.random.default_rng(0).uniform(-JITTER, JITTER, len(values))
    cells = (values * factors)[places]
    return cells[: train.size].reshape(train.shape), cells[train.size :].reshape(val.shape)

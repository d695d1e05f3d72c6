"""Which series of a task are scored together: the most whose levels are comparable.

Takes their histories, returns the positions of those to keep. Scores pool the rows of all series;
where levels lie far apart, whoever knows the level of each has most of the score and effort does
not pay. Whole series are kept or left, none is rescaled. Looks at the past alone.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_Floats = npt.NDArray[np.float64]
BETWEEN = 0.3
"""Largest share of the squared spread that may lie between the levels."""
RECENT = 800
"""Values at the end of a history that are looked at, at most."""
_BLOCKS = 8
"""Horizons at the end of a history by which it is measured."""


def comparable_series(histories: Sequence[_Floats], horizon: int) -> list[int]:
    """Positions of the longest run, by level, with little spread between levels; ascending.

    Histories hold finite values by time, at least `horizon` of them. The spread within a series is
    that within a horizon, averaged over the last eight. One series is kept at least.
    """
    level, spread = np.array([_shape(history, horizon) for history in histories]).T
    order = np.argsort(level, kind="stable")
    start, end = _longest_run(level[order], spread[order])
    return sorted(order[start:end].tolist())


def _shape(history: _Floats, horizon: int) -> tuple[float, float]:
    """Level and squared spread within a horizon."""
    n = min(_BLOCKS, len(history) // horizon)
    blocks = history[len(history) - n * horizon :].reshape(n, horizon)
    # The level is that of the end: it is what the scored rows start from.
    return float(blocks[-2:].mean()), float(blocks.var(axis=1).mean())


def _longest_run(level: _Floats, spread: _Floats) -> tuple[int, int]:
    """First and behind-last place of the longest run that is even enough, the most even of them."""
    n = len(level)
    # Squares of large levels would cancel digits in the variances below.
    centred = level - level.mean()
    sums, squares, inner = (np.append(0, v.cumsum()) for v in (centred, centred**2, spread))
    # Longest first: of runs of one length the evenest is kept.
    for length in range(n, 1, -1):
        starts = np.arange(n - length + 1)
        mean, square, within = (
            (total[starts + length] - total[starts]) / length for total in (sums, squares, inner)
        )
        between = np.maximum(square - mean**2, 0)
        share = between / np.maximum(between + within, np.finfo(float).tiny)
        best = int(share.argmin())
        if share[best] <= BETWEEN:
            return best, best + length
    widest = int(spread.argmax())
    return widest, widest + 1

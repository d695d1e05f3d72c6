"""Columns that give a target away: copies, recodings, and terms of an identity.

A matrix and a target enter; the columns to leave out leave, each with why. Copies (same information
in one column: recoded, shifted, scaled, coarser or finer) are told apart from identities (a sum, a
difference, a product or a ratio of several columns), because a copy also betrays the target to
whoever reads the held-out rows of another task. Not guaranteed: identities with more than numbers
and their logarithms in them; the signal check catches what they would give away.
"""

import numpy as np
import numpy.typing as npt
from pydantic import Field

from extract.noun import Noun
from transform.profile import determination
from transform.propose.matrix import Floats, Matrix

_ENOUGH = 50
"""Complete rows without which nothing is concluded."""


class IdentityConfig(Noun):
    """How close is the same."""

    correlation: float = Field(default=0.999, gt=0, le=1)
    """|r| from which two numeric columns count as copies."""
    determination: float = Field(default=0.99, gt=0, le=1)
    """From which one column counts as telling another, see `profile.determination`."""
    explained: float = Field(default=0.999, gt=0, le=1)
    """R² of a linear fit, of values or of logarithms, from which there is an identity."""


def copies(matrix: Matrix, target: str, config: IdentityConfig) -> dict[str, str]:
    """Columns that alone tell the target exactly, with why."""
    found = {}
    t = matrix.place[target]
    for i, name in enumerate(matrix.names):
        if i == t:
            continue
        sure = determination(matrix.codes[:, i], matrix.codes[:, t])
        if sure >= config.determination:
            found[name] = f"`{name}` determines `{target}` ({sure:.3f})"
        elif matrix.numeric[i] and matrix.numeric[t]:
            r = correlation(matrix.values[:, i], matrix.values[:, t])
            if r >= config.correlation:
                found[name] = f"`{name}` is `{target}` on another scale (|r| = {r:.5f})"
    return found


def correlation(a: Floats, b: Floats) -> float:
    """|r| over rows with both values, of the values or of their ranks; 0 when too few."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < _ENOUGH:
        return 0.0
    return max(_pearson(a[both], b[both]), _pearson(_ranks(a[both]), _ranks(b[both])))


def _pearson(a: Floats, b: Floats) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return abs(float(a @ b)) / scale if scale > 0 else 0.0


def _ranks(values: Floats) -> Floats:
    """Mean ranks, ties share theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(ranks[inverse], dtype=np.float64)


def identities(
    matrix: Matrix, target: str, features: tuple[str, ...], config: IdentityConfig
) -> dict[str, str]:
    """Fewest columns, greedily, without which no linear or multiplicative identity is left."""
    if not matrix.numeric[matrix.place[target]]:
        return {}
    numeric = [name for name in features if matrix.numeric[matrix.place[name]]]
    sums = _terms(matrix.column(target), matrix.columns(numeric), config.explained)
    found = {numeric[i]: f"`{target}` is a sum or difference with `{numeric[i]}`" for i in sums}
    left = [name for name in numeric if name not in found]
    factors, names = _factors(matrix, left)
    products = _terms(_logs(matrix.column(target)), factors, config.explained)
    found |= {names[i]: f"`{target}` is a product or ratio with `{names[i]}`" for i in products}
    return found


def _factors(matrix: Matrix, names: list[str]) -> tuple[Floats, list[str]]:
    """Logarithms of positive columns, and of one minus those that are shares."""
    columns, owners = [], []
    for name in names:
        values = matrix.column(name)
        columns.append(_logs(values))
        owners.append(name)
        if np.nanmin(values, initial=0) >= 0 and np.nanmax(values, initial=0) < 1:
            columns.append(np.log1p(-values))
            owners.append(name)
    return np.array(columns).reshape(len(owners), len(matrix.rows)).T, owners


def _logs(values: Floats) -> Floats:
    """Logarithms; NaN where there is none."""
    positive = values > 0
    return np.log(values, out=np.full_like(values, np.nan), where=positive)


def _terms(target: Floats, columns: Floats, explained: float) -> list[int]:
    """Columns to drop, the weightiest first, until the linear fit explains less."""
    columns, usable = _known(target, columns)
    rows = np.isfinite(columns[:, usable]).all(axis=1) & np.isfinite(target)
    dropped: list[int] = []
    while usable.any() and rows.sum() >= max(_ENOUGH, 3 * int(usable.sum())):
        r2, weights = _fit(columns[np.ix_(rows, usable)], target[rows])
        if r2 < explained:
            break
        weightiest = int(np.flatnonzero(usable)[weights.argmax()])
        dropped.append(weightiest)
        usable[weightiest] = False
    return dropped


def _known(target: Floats, columns: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Columns known wherever nearly all of the target is."""
    known = np.isfinite(target)
    if not columns.size or known.sum() < _ENOUGH:
        return columns, np.zeros(columns.shape[1] if columns.ndim == 2 else 0, dtype=np.bool_)
    return columns, np.isfinite(columns[known]).mean(axis=0) >= 0.8


def _fit(columns: Floats, target: Floats) -> tuple[float, Floats]:
    """R² of least squares with intercept, and the weight of each standardised column."""
    centred = target - target.mean()
    total = float(centred @ centred)
    spread = columns.std(axis=0)
    scaled = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1)
    if total <= 0:
        return 0.0, spread
    weights = np.linalg.lstsq(scaled, centred, rcond=1e-9)[0]
    rest = centred - scaled @ weights
    return 1 - float(rest @ rest) / total, np.abs(weights)

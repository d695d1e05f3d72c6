"""Columns that give a target away: copies, recodings, and terms of an identity.

A matrix and a target enter; the columns to leave out leave, each with why. Copies (same information
in one column: recoded, shifted, scaled, rounded, cut into bins) are told apart from identities (a
sum, a difference, a product or a ratio of several columns), because a copy also betrays the target
to whoever reads the held-out rows of another task. A few cells that disagree excuse nothing: the
worst rows are left out of account. Not guaranteed: identities with more than numbers and their
logarithms in them; the signal check catches what they would give away.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt
from pydantic import Field

from extract.noun import Noun
from transform.profile import determination
from transform.propose.matrix import Floats, Ints, Matrix

_ENOUGH = 50
"""Complete rows without which nothing is concluded."""
_KNOWN = 0.8
"""Share of the rows that must have a value before it can give a target away."""
_PROMISING = 0.8
"""Agreement of all rows without which leaving out the worst is not worth the time."""
_QUICK = 300
"""Rows of a first look."""


class IdentityConfig(Noun):
    """How close is the same."""

    correlation: float = Field(default=0.999, gt=0, le=1)
    """|r| from which two numeric columns count as copies."""
    determination: float = Field(default=0.99, gt=0, le=1)
    """From which one column counts as telling another, see `profile.determination`."""
    explained: float = Field(default=0.999, gt=0, le=1)
    """R² of a linear fit, of values or of logarithms, from which there is an identity."""
    recoded: float = Field(default=0.95, gt=0, le=1)
    """The same as `determination`, from which two columns that tell each other are one."""
    spoilt: float = Field(default=0.03, ge=0, lt=0.5)
    """Share of the rows, the worst, that may disagree."""
    max_bins: int = Field(default=50, ge=2)
    """Values of a column that may be a number cut into bins."""
    pairs: int = Field(default=12, ge=0)
    """Numbers, the most telling first, of which each two are tried in simple formulas."""


def copies(matrix: Matrix, target: str, config: IdentityConfig) -> dict[str, str]:
    """Columns that alone tell the target exactly, with why."""
    found = {}
    t = matrix.place[target]
    for i, name in enumerate(matrix.names):
        if i == t:
            continue
        sure = determination(matrix.codes[:, i], matrix.codes[:, t])
        back = determination(matrix.codes[:, t], matrix.codes[:, i])
        if sure >= config.determination or min(sure, back) >= config.recoded:
            found[name] = f"`{name}` determines `{target}` ({sure:.3f})"
        elif matrix.numeric[t]:
            why = _same_number(matrix, i, t, config)
            if why:
                found[name] = f"`{name}` is `{target}` {why}"
    return found


def _same_number(matrix: Matrix, i: int, t: int, config: IdentityConfig) -> str:
    """How a column repeats a number, or an empty text."""
    if matrix.numeric[i]:
        r = correlation(matrix.values[:, i], matrix.values[:, t], config.spoilt)
        if r >= config.correlation:
            return f"on another scale (|r| = {r:.5f})"
    share = binned(matrix.codes[:, i], matrix.values[:, t], config)
    return f"cut into bins ({share:.3f})" if share >= config.recoded else ""


def binned(codes: Ints, values: Floats, config: IdentityConfig) -> float:
    """How surely intervals of a number decide a column of few values: 1 always, 0 by chance.

    Rows with a value are lined up by it; a column that the number was cut into changes only at the
    borders. 0 also where too little varies to say anything.
    """
    known = np.isfinite(values)
    codes, values = codes[known], values[known]
    labels, sizes = np.unique(codes, return_counts=True)
    most = int(sizes.max()) if len(sizes) else 0
    others = len(codes) - most
    if not 2 <= len(labels) <= config.max_bins or others < _ENOUGH or most < _ENOUGH:
        return 0.0
    if len(np.unique(values)) <= 2 * len(labels):
        return 0.0
    line = codes[np.lexsort((_shuffled(len(codes)), values))]
    changes = int((line[1:] != line[:-1]).sum()) - (len(labels) - 1)
    return 1 - changes / others


def _shuffled(n: int) -> Ints:
    """An order that has nothing to do with that of the table."""
    return np.random.default_rng(n).permutation(n)


def correlation(a: Floats, b: Floats, spoilt: float = 0.0) -> float:
    """|r| over rows with both values, of the values or of their ranks; 0 when too few.

    The `spoilt` share of the rows in which the ranks disagree most is left out.
    """
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < _ENOUGH:
        return 0.0
    a, b = a[both], b[both]
    one, two = _ranks(a), _ranks(b)
    rank = _pearson(one, two)
    if spoilt and rank > 0.5:
        sign = 1 if _signed(one, two) > 0 else -1
        gap = np.abs((one - one.mean()) - sign * (two - two.mean()))
        kept = gap.argsort(kind="stable")[: int(np.ceil(len(gap) * (1 - spoilt)))]
        a, b = a[kept], b[kept]
        rank = max(rank, _pearson(_ranks(a), _ranks(b)))
    return max(_pearson(a, b), rank)


def _signed(a: Floats, b: Floats) -> float:
    return float((a - a.mean()) @ (b - b.mean()))


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
    """Fewest columns, greedily, without which no identity is left.

    Of numbers sums and products of any length are found, of labels and ranks what a threshold on a
    formula of two columns decides.
    """
    numeric = [name for name in features if matrix.numeric[matrix.place[name]]]
    found: dict[str, str] = {}
    if matrix.numeric[matrix.place[target]]:
        sums = _terms(matrix.column(target), matrix.columns(numeric), config)
        found = {numeric[i]: f"`{target}` is a sum or difference with `{numeric[i]}`" for i in sums}
        factors, names = _factors(matrix, [name for name in numeric if name not in found])
        products = _terms(_logs(matrix.column(target)), factors, config)
        found |= {names[i]: f"`{target}` is a product or ratio with `{names[i]}`" for i in products}
    return found | _formulas(matrix, target, [n for n in numeric if n not in found], config)


def _formulas(
    matrix: Matrix, target: str, names: list[str], config: IdentityConfig
) -> dict[str, str]:
    """One column of each pair whose sum, difference, product or ratio decides the target."""
    weights = {name: _weight(matrix, target, name) for name in names}
    best = sorted(names, key=lambda name: -weights[name])[: config.pairs]
    found: dict[str, str] = {}
    for first, second in combinations(best, 2):
        if first in found or second in found:
            continue
        for sign, values in _combined(matrix.column(first), matrix.column(second)):
            if _decides(matrix, target, values, config):
                guilty = max(first, second, key=lambda name: weights[name])
                found[guilty] = f"`{first}` {sign} `{second}` decides `{target}`"
                break
    return found


def _weight(matrix: Matrix, target: str, name: str) -> float:
    """How strongly a number is related to the target, by ranks."""
    return correlation(matrix.column(name), matrix.column(target))


def _combined(a: Floats, b: Floats) -> Iterator[tuple[str, Floats]]:
    """Simple formulas of two columns; NaN where there is no value."""
    yield "+", a + b
    yield "-", a - b
    yield "*", a * b
    for sign, over, under in (("/", a, b), ("under", b, a)):
        yield sign, np.divide(over, under, out=np.full_like(over, np.nan), where=under != 0)


def _decides(matrix: Matrix, target: str, values: Floats, config: IdentityConfig) -> bool:
    """Whether a number has the ranks of the target, or its labels between few borders."""
    t = matrix.place[target]
    if np.isfinite(values).mean() < _KNOWN:
        return False
    if len(np.unique(matrix.codes[:, t])) <= config.max_bins:
        return binned(matrix.codes[:, t], values, config) >= config.determination
    both = np.isfinite(values) & np.isfinite(matrix.values[:, t])
    if both.sum() < _ENOUGH or not matrix.numeric[t]:
        return False
    quick = both & (np.arange(len(both)) % max(1, len(both) // _QUICK) == 0)
    if correlation(values[quick], matrix.values[quick, t]) < _PROMISING:
        return False
    return correlation(values, matrix.values[:, t], config.spoilt) >= config.correlation


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


def _terms(target: Floats, columns: Floats, config: IdentityConfig) -> list[int]:
    """Columns to drop, the weightiest first, until the linear fit explains less."""
    columns, usable = _known(target, columns)
    rows = np.isfinite(columns[:, usable]).all(axis=1) & np.isfinite(target)
    dropped: list[int] = []
    while usable.any() and rows.sum() >= max(_ENOUGH, 3 * int(usable.sum())):
        r2, weights = _fit(columns[np.ix_(rows, usable)], target[rows], config.spoilt)
        if r2 < config.explained:
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
    return columns, np.isfinite(columns[known]).mean(axis=0) >= _KNOWN


def _fit(columns: Floats, target: Floats, spoilt: float) -> tuple[float, Floats]:
    """R² of least squares with intercept, and the weight of each standardised column.

    Where the fit is close, it is made again without the worst rows.
    """
    r2, weights, rest = _least_squares(columns, target)
    if r2 > _PROMISING:
        kept = np.abs(rest).argsort(kind="stable")[: int(np.ceil(len(rest) * (1 - spoilt)))]
        again, weights, _ = _least_squares(columns[kept], target[kept])
        r2 = max(r2, again)
    return r2, weights


def _least_squares(columns: Floats, target: Floats) -> tuple[float, Floats, Floats]:
    """R², absolute weights and residuals."""
    centred = target - target.mean()
    total = float(centred @ centred)
    spread = columns.std(axis=0)
    if total <= 0:
        return 0.0, spread, centred
    scaled = (columns - columns.mean(axis=0)) / np.where(spread > 0, spread, 1)
    weights = np.linalg.lstsq(scaled, centred, rcond=1e-9)[0]
    rest = centred - scaled @ weights
    return 1 - float(rest @ rest) / total, np.abs(weights), rest

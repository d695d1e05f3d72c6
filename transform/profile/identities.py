"""Target leakage within a row: copies, recodings, and terms of an identity.

Takes a matrix and a target; returns the columns to leave out, each with why. Copies (one column
with the same information: recoded, shifted, scaled, rounded, cut into bins) are told apart from
identities (a sum, a difference, a product or a ratio of several columns), because a copy also shows
the target to whoever reads the held-out rows of another task. A few cells that disagree excuse
nothing: the worst rows are left out of account. Not guaranteed: identities with more than numbers
and their logarithms in them; the forest of `signal.py` catches most of what they would give away.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from transform.profile.dependence import determination
from transform.profile.matrix import Floats, Ints, SampledMatrix

_ENOUGH = 50
"""Complete rows without which nothing is concluded."""
_KNOWN = 0.8
"""Share of the rows that must have a value before it can give a target away."""
_PROMISING = 0.8
"""Agreement of all rows without which leaving out the worst is not worth the time."""
_QUICK = 300
"""Rows of a first look."""


SAME_NUMBER = 0.999
"""|r| from which two numeric columns count as copies; measurements of one thing by two instruments
stay below."""
SURE = 0.99
"""How surely one column tells another, see `determination`, from which it gives it away."""
_EXPLAINED = 0.999
"""R² of a linear fit, of values or of logarithms, from which there is an identity."""
_RECODED = 0.95
"""The same as `SURE`, from which two columns that tell each other are one."""
MAX_DISAGREEING = 0.03
"""Share of the rows, the worst, that may disagree: typing errors do not end an identity."""
_MAX_BINS = 50
"""Values of a column that may be a number cut into bins."""
_PAIRS = 12
"""Numbers, the most telling first, of which each two are tried in simple formulas: 66 pairs."""


def copies(matrix: SampledMatrix, target: str) -> dict[str, str]:
    """Columns that alone tell the target exactly, with why."""
    reasons = {}
    t = matrix.place[target]
    for i, name in enumerate(matrix.names):
        if i == t:
            continue
        sure = determination(matrix.codes[:, i], matrix.codes[:, t])
        back = determination(matrix.codes[:, t], matrix.codes[:, i])
        if sure >= SURE or min(sure, back) >= _RECODED:
            reasons[name] = f"`{name}` determines `{target}` ({sure:.3f})"
        elif matrix.numeric[t]:
            # Labels have no scale, so only numbers can be shifted, scaled or cut into bins.
            why = _same_number(matrix, i, t)
            if why:
                reasons[name] = f"`{name}` is `{target}` {why}"
    return reasons


def _same_number(matrix: SampledMatrix, i: int, t: int) -> str:
    """How a column repeats a number, or an empty text."""
    if matrix.numeric[i]:
        r = correlation(matrix.values[:, i], matrix.values[:, t], MAX_DISAGREEING)
        if r >= SAME_NUMBER:
            return f"on another scale (|r| = {r:.5f})"
    share = binned(matrix.codes[:, i], matrix.values[:, t])
    return f"cut into bins ({share:.3f})" if share >= _RECODED else ""


def binned(codes: Ints, values: Floats) -> float:
    """How surely intervals of a number decide a column of few values: 1 always, 0 by chance.

    Rows with a value are lined up by it; a column that the number was cut into changes only at the
    borders. 0 also where too little varies to say anything.
    """
    known = np.isfinite(values)
    codes, values = codes[known], values[known]
    labels, sizes = np.unique(codes, return_counts=True)
    most = int(sizes.max()) if len(sizes) else 0
    others = len(codes) - most
    if not 2 <= len(labels) <= _MAX_BINS or others < _ENOUGH or most < _ENOUGH:
        return 0.0
    if len(np.unique(values)) <= 2 * len(labels):
        return 0.0
    # Equal values in an order of chance, or a sorted file would look like bins.
    line = codes[np.lexsort((_shuffled(len(codes)), values))]
    changes = int((line[1:] != line[:-1]).sum()) - (len(labels) - 1)
    return 1 - changes / others


def _shuffled(n: int) -> Ints:
    """An order that has nothing to do with that of the table."""
    return np.random.default_rng(n).permutation(n)


def correlation(a: Floats, b: Floats, disagreeing: float = 0.0) -> float:
    """|r| over rows with both values, of the values or of their ranks; 0 when too few.

    The `disagreeing` share of the rows in which the ranks disagree most is left out.
    """
    from scipy.stats import rankdata

    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < _ENOUGH:
        return 0.0
    a, b = a[both], b[both]
    ranks = rankdata(a), rankdata(b)
    signed = _pearson(*ranks)
    rank = abs(signed)
    # Below, no few rows can hide that two columns are one.
    if disagreeing and rank > 0.5:
        one, two = (side - side.mean() for side in ranks)
        gap = np.abs(one - np.sign(signed) * two)
        kept = gap.argsort(kind="stable")[: int(np.ceil(len(gap) * (1 - disagreeing)))]
        a, b = a[kept], b[kept]
        rank = max(rank, abs(_pearson(rankdata(a), rankdata(b))))
    return max(abs(_pearson(a, b)), rank)


def _pearson(a: Floats, b: Floats) -> float:
    """Signed r; 0 where a column does not move."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else 0.0


def identities(matrix: SampledMatrix, target: str, features: tuple[str, ...]) -> dict[str, str]:
    """Fewest columns, greedily, without which no identity is left.

    Of numbers sums and products of any length are found, of labels and ranks what a threshold on a
    formula of two columns decides.
    """
    numeric = [name for name in features if matrix.numeric[matrix.place[name]]]
    dropped: dict[str, str] = {}
    if matrix.numeric[matrix.place[target]]:
        sums = _terms(matrix.column(target), matrix.columns(numeric))
        dropped = {
            numeric[i]: f"`{target}` is a sum or difference with `{numeric[i]}`" for i in sums
        }
        # Logarithms turn products and ratios into sums.
        factors, names = _factors(matrix, [name for name in numeric if name not in dropped])
        products = _terms(_logs(matrix.column(target)), factors)
        dropped |= {
            names[i]: f"`{target}` is a product or ratio with `{names[i]}`" for i in products
        }
    return dropped | _formulas(matrix, target, [n for n in numeric if n not in dropped])


def _formulas(matrix: SampledMatrix, target: str, names: list[str]) -> dict[str, str]:
    """One column of each pair whose sum, difference, product or ratio decides the target."""
    weights = {name: _weight(matrix, target, name) for name in names}
    best = sorted(names, key=lambda name: -weights[name])[:_PAIRS]
    dropped: dict[str, str] = {}
    for first, second in combinations(best, 2):
        if first in dropped or second in dropped:
            continue
        for sign, values in _combined(matrix.column(first), matrix.column(second)):
            if _decides(matrix, target, values):
                weightier = max(first, second, key=lambda name: weights[name])
                dropped[weightier] = f"`{first}` {sign} `{second}` decides `{target}`"
                break
    return dropped


def _weight(matrix: SampledMatrix, target: str, name: str) -> float:
    """How strongly a number is related to the target, by ranks."""
    return correlation(matrix.column(name), matrix.column(target))


def _combined(a: Floats, b: Floats) -> Iterator[tuple[str, Floats]]:
    """Simple formulas of two columns; NaN where there is no value."""
    yield "+", a + b
    yield "-", a - b
    yield "*", a * b
    for sign, over, under in (("/", a, b), ("under", b, a)):
        yield sign, np.divide(over, under, out=np.full_like(over, np.nan), where=under != 0)


def _decides(matrix: SampledMatrix, target: str, values: Floats) -> bool:
    """Whether a number has the ranks of the target, or its labels between few borders."""
    t = matrix.place[target]
    if np.isfinite(values).mean() < _KNOWN:
        return False
    if len(np.unique(matrix.codes[:, t])) <= _MAX_BINS:
        return binned(matrix.codes[:, t], values) >= SURE
    both = np.isfinite(values) & np.isfinite(matrix.values[:, t])
    if both.sum() < _ENOUGH or not matrix.numeric[t]:
        return False
    # Most pairs fail at a few hundred rows already.
    quick = both & (np.arange(len(both)) % max(1, len(both) // _QUICK) == 0)
    if correlation(values[quick], matrix.values[quick, t]) < _PROMISING:
        return False
    return correlation(values, matrix.values[:, t], MAX_DISAGREEING) >= SAME_NUMBER


def _factors(matrix: SampledMatrix, names: list[str]) -> tuple[Floats, list[str]]:
    """Logarithms of positive columns, and of one minus those that are shares."""
    columns, owners = [], []
    for name in names:
        values = matrix.column(name)
        columns.append(_logs(values))
        owners.append(name)
        # A price after discount is a product with one minus the discount.
        if np.nanmin(values, initial=0) >= 0 and np.nanmax(values, initial=0) < 1:
            columns.append(np.log1p(-values))
            owners.append(name)
    return np.array(columns).reshape(len(owners), len(matrix.rows)).T, owners


def _logs(values: Floats) -> Floats:
    """Logarithms; NaN where there is none."""
    positive = values > 0
    return np.log(values, out=np.full_like(values, np.nan), where=positive)


def _terms(target: Floats, columns: Floats) -> list[int]:
    """Columns to drop, the weightiest first, until the linear fit explains less."""
    columns, usable = _known(target, columns)
    rows = np.isfinite(columns[:, usable]).all(axis=1) & np.isfinite(target)
    dropped: list[int] = []
    while usable.any() and rows.sum() >= max(_ENOUGH, 3 * int(usable.sum())):
        r2, weights = _fit(columns[np.ix_(rows, usable)], target[rows], MAX_DISAGREEING)
        if r2 < _EXPLAINED:
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


def _fit(columns: Floats, target: Floats, disagreeing: float) -> tuple[float, Floats]:
    """R² of least squares with intercept, and the weight of each standardised column.

    Where the fit is close, it is made again without the worst rows.
    """
    r2, weights, rest = _least_squares(columns, target)
    if r2 > _PROMISING:
        kept = np.abs(rest).argsort(kind="stable")[: int(np.ceil(len(rest) * (1 - disagreeing)))]
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

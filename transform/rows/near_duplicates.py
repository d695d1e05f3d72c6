"""Which rows of a table are one row written twice: equal but for the last digits of numbers.

Takes a table, returns pairs of rows, or takes two and returns which rows of one nearly stand in the
other; splitting, drafting and the gates ask the same. Every cell but a float must be equal, missing
equals missing; floats agree to about four digits. All rows are projected on one line, where near
duplicates are neighbours, and neighbours are compared cell by cell. Not guaranteed: all pairs among
more than a few dozen rows that are nearly alike, though each of them is paired with another.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]
_TOLERANCE = 1e-4
"""Relative difference of two numbers that is none."""
_NEIGHBOURS = 32
"""Places further on the line that a row is compared with."""


def near_pairs(frame: pl.DataFrame) -> _Ints:
    """Positions of rows that are near duplicates, `(n_pairs, 2)`; deterministic."""
    codes, sizes = _cells(frame)
    if not frame.height or not frame.width:
        return np.empty((0, 2), dtype=np.int64)
    # Any direction does; a random one keeps different rows apart.
    direction = np.random.default_rng(0).uniform(1, 2, codes.shape[1] + sizes.shape[1])
    line = codes @ direction[: codes.shape[1]] + sizes @ direction[codes.shape[1] :]
    order = np.argsort(line, kind="stable")
    # The furthest that two near duplicates can lie apart on the line, and rounding.
    reach = _TOLERANCE * direction[codes.shape[1] :].sum() * 1.01 + 1e-9 * np.abs(line).max()
    pairs = []
    for step in range(1, min(_NEIGHBOURS, frame.height - 1) + 1):
        one, other = order[:-step], order[step:]
        close = line[other] - line[one] <= reach
        if not close.any():
            break
        one, other = one[close], other[close]
        alike = (codes[one] == codes[other]).all(axis=1)
        alike &= (np.abs(sizes[one] - sizes[other]) <= _TOLERANCE).all(axis=1)
        pairs.append(np.column_stack([one[alike], other[alike]]))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def nearly_in(table: pl.DataFrame, rows: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Which of `rows` nearly stand in a table with the same columns, `(n_rows,)`."""
    pairs = np.sort(near_pairs(pl.concat([table, rows])), axis=1)
    astride = pairs[(pairs[:, 0] < table.height) & (pairs[:, 1] >= table.height)]
    mask = np.zeros(rows.height, dtype=np.bool_)
    mask[astride[:, 1] - table.height] = True
    return mask


def _cells(frame: pl.DataFrame) -> tuple[_Floats, _Floats]:
    """Cells that must be equal, as codes, and logarithms of floats, which may differ a little."""
    codes, sizes = [np.zeros(frame.height)], [np.zeros(frame.height)]
    for column in frame:
        if not column.dtype.is_float():
            codes.append(column.rank("dense").fill_null(0).cast(pl.Float64).to_numpy())
            continue
        numbers = column.cast(pl.Float64).to_numpy()
        known = np.isfinite(numbers)
        # Logarithms know no sign and no zero, so these are compared exactly.
        codes.append(np.where(known, np.sign(numbers), 9.0))
        positive = np.abs(np.where(known & (numbers != 0), numbers, 1.0))
        sizes.append(np.log(positive))
    return np.column_stack(codes), np.column_stack(sizes)

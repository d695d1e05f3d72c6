"""How many rows of one table stand in another, and whether chance would bring as many together.

Takes two frames with the same columns, returns shares of the shorter one's different rows. Cells
are compared as they are, a missing one equals a missing one.
"""

import numpy as np
import polars as pl


def row_share(long: pl.DataFrame, short: pl.DataFrame) -> float:
    """Share of the shorter table's different rows that the longer one holds as a whole."""
    # Different ones, because rows of nothing but zeros or missing cells stand in many tables.
    different = short.unique()
    held = different.join(long, on=short.columns, how="semi", nulls_equal=True)
    return held.height / max(1, different.height)


def share_beyond_chance(
    long: pl.DataFrame, short: pl.DataFrame, *, least: float, chance: float
) -> float:
    """The share of rows; 0 when it is below `least` or due to common values.

    Columns that are shuffled each by itself meet as often as chance has it; of the share they may
    reach the part `chance`.
    """
    share = row_share(long, short)
    if share < least:
        return 0.0
    rng = np.random.default_rng(0)
    shuffled = short.select(column.gather(rng.permutation(short.height)) for column in short)
    return share if row_share(long, shuffled) <= chance * share else 0.0

"""Whether a proposal has the rows that a task needs, given the split of its table.

The families count again what they ship; this spares them what cannot work. Rows, classes, instants
and series are counted on the raw table, so a proposal at the limit may still be dropped later.
"""

import polars as pl

from transform.proposal import Proposal
from transform.rows.size import SizeConfig
from transform.rows.split import Split, as_instants, cells

_SIDE = " held out"
"""Scratch column; shipped names never begin with a space."""


def shortage(frame: pl.DataFrame, proposal: Proposal, split: Split, size: SizeConfig) -> str | None:
    """What the proposal has too little of, in one sentence; None when it has enough."""
    sided = frame.with_columns(split.held_out.alias(_SIDE)).drop_nulls([_SIDE, *proposal.targets])
    if proposal.problem == "forecasting":
        return _few_instants(sided, proposal, size)
    return _few_rows(sided, proposal, size)


def _few_rows(sided: pl.DataFrame, proposal: Proposal, size: SizeConfig) -> str | None:
    """Rows of classes that are rare on either side do not count."""
    rows = sided
    if proposal.problem == "classification":
        for target in proposal.targets:
            counts = rows.group_by(target).agg(
                pl.col(_SIDE).sum().alias(" held"), (~pl.col(_SIDE)).sum().alias(" kept")
            )
            enough = counts.filter(pl.min_horizontal(" held", " kept") >= size.min_class_rows)
            if enough.height < 2:
                return f"{enough.height} classes of `{target}` have rows enough on both sides"
            rows = rows.join(enough, on=target, how="semi")
    held = int(rows[_SIDE].sum())
    if rows.height - held < size.min_train_rows:
        return f"{rows.height - held} training rows, expected {size.min_train_rows}"
    return (
        f"{held} held-out rows, expected {size.min_val_rows}" if held < size.min_val_rows else None
    )


def _few_instants(sided: pl.DataFrame, proposal: Proposal, size: SizeConfig) -> str | None:
    assert proposal.time is not None
    when = as_instants(sided[proposal.time.column])
    grid = cells(when, proposal.time.frequency) if proposal.time.resample else when
    keys = pl.struct(proposal.entities) if proposal.entities else pl.lit(0)
    cell = sided.select(keys.alias("series"), _SIDE, grid.alias("cell")).unique()
    counts = cell.group_by("series").agg(
        pl.col(_SIDE).sum().alias("held"), (~pl.col(_SIDE)).sum().alias("history")
    )
    # One cell at either end may hold only a part of what happened.
    spare = 1 if proposal.time.resample else 0
    long = counts.filter(
        pl.col("history") >= size.shortest_history + spare,
        pl.col("held") >= size.min_instants + spare,
    )
    needed = 2 if proposal.entities else 1
    if long.height < needed:
        return f"{long.height} series have {size.shortest_history} instants of history"
    return None

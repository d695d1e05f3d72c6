"""The one split of a table's rows that all variants of all its proposals share.

Takes a frame and its proposals, returns a `Split` or a `Drop`. One split, because a row that is
held out in one task must not lie in the train file of another. It depends on the proposals alone,
never on which of their variants survive.

- By time when a proposal forecasts or names a `split_column`: train is before the cutoff, held out
  from the cutoff on, and a row without an instant is in neither. The cutoff stands on the grid that
  is scored.
- By group when a proposal names a `group_column`: all rows of one value are on one side.
- Else at random, stratified by the first classification target.

In the latter two, rows that are equal in the columns of any one proposal never straddle; nor do
rows that are nearly equal, or equal in its features alone, unless so many rows are alike that units
would be too large. Not guaranteed: that every class is on both sides (the proposer
asks, the size gate counts), and, by time, that no later row repeats an earlier one (the tabular
family leaves those out).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from extract.drop import Drop, Reason
from extract.noun import Noun
from extract.store import Store
from transform.files.parquet import write_parquet
from transform.plan import SplitFile, SplitKind
from transform.proposal import Frequency, Proposal
from transform.rows.near_duplicates import near_pairs
from transform.rows.size import SizeConfig
from transform.series.frequency import FREQUENCIES


class SplitConfig(Noun):
    """How rows are held out."""

    held_out_share: float = Field(default=0.2, gt=0, lt=0.5)
    """Share of the rows that is held out; more in tables so small that val would be too short."""


class Splitting(Noun):
    """Everything that decides a split but the data."""

    config: SplitConfig = SplitConfig()
    size: SizeConfig = SizeConfig()
    """What both sides must hold, where the table allows it."""
    seed: int = 0


_PLAIN = Splitting()
_LARGEST_SHARE = 0.4
"""By time: where no cutoff holds out less than this, the table cannot be split by time. Twice the
usual share, since instants with many rows cannot be divided."""
_LARGEST_UNIT = 0.02
"""Share of the rows that features without targets may bind together; beyond, rows are bound where
their targets are equal too. A tenth of what is held out: larger units would make it uneven."""
_ATTEMPTS = 32
"""Seeded shuffles tried until every class has its rows on the held-out side."""
_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Which rows are held out; it travels as a `SplitFile`."""

    kind: SplitKind
    cutoff: datetime | None
    """By time: the first held-out instant; None otherwise."""
    held_out: pl.Series
    """Boolean, one per row of the table in its order; null: the row is in neither part."""
    description: str
    """How rows were split, for people; stable."""

    @property
    def key(self) -> str:
        """Eight hexadecimal digits of the description and of every row's side."""
        sides = self.held_out.cast(pl.Int8).fill_null(2).to_numpy().astype(np.uint8)
        return hashlib.sha256(self.description.encode() + sides.tobytes()).hexdigest()[:8]

    def write(self, store: Store) -> SplitFile:
        """The split as a file in the store."""
        with store.scratch() as folder:
            path = folder / "split.parquet"
            write_parquet(self.held_out.alias("held_out").to_frame(), path)
            sha256 = store.add(path)
        return SplitFile(
            kind=self.kind,
            cutoff=self.cutoff,
            sha256=sha256,
            description=self.description,
            key=self.key,
        )


def read_split(file: SplitFile, store: Store) -> Split:
    """The split that was written."""
    held_out = pl.read_parquet(store.path(file.sha256))["held_out"]
    return Split(file.kind, file.cutoff, held_out, file.description)


def as_instants(values: pl.Series) -> pl.Series:
    """The column as Datetime("us"); a column of numbers is read as calendar years.

    Years outside 1 to 9999 become null.
    """
    if values.dtype.is_numeric():
        year = values.cast(pl.Int64, strict=False)
        year = year.to_frame("y").select(pl.when(pl.col("y").is_between(1, 9999)).then("y"))["y"]
        return year.to_frame("y").select(pl.datetime("y", 1, 1, time_unit="us"))["y"]
    return values.cast(pl.Datetime("us"))


def cells(values: pl.Series, frequency: Frequency) -> pl.Series:
    """Starts of the grid cells in which as_instants lie; weeks start on Monday."""
    return as_instants(values).dt.truncate(FREQUENCIES[frequency].every)


def split_rows(
    frame: pl.DataFrame, proposals: Sequence[Proposal], how: Splitting = _PLAIN, content: str = ""
) -> Split | Drop:
    """Split the rows of one table for all its proposals.

    `proposals` are all of one table and not empty; they agree on the time column, the grid and the
    group column, otherwise the table is dropped. `content` is the hash of the table: its seed, so
    that one table published twice is split alike and neither copy shows the other's answers.
    """
    assert proposals, "a split needs a proposal"
    problem = disagreement(proposals)
    if problem:
        return _drop(proposals, Reason.NO_PROPOSAL, problem)
    if _time_columns(proposals):
        return _by_time(frame, proposals, how)
    return _by_unit(frame, proposals, how, content)


def disagreement(proposals: Sequence[Proposal]) -> str:
    """What proposals disagree on that one split of their table must obey, or an empty text."""
    times = _time_columns(proposals)
    axes = {proposal.time for proposal in proposals if proposal.time}
    tabular = [proposal for proposal in proposals if proposal.problem != "forecasting"]
    groups = {proposal.group_column for proposal in tabular}
    if len({proposal.table for proposal in proposals}) > 1:
        return "proposals of several tables cannot share a split"
    if len(times) > 1 or len(axes) > 1:
        return f"proposals of one table share a time axis, found {sorted(times)}"
    if times and any(proposal.split_column is None for proposal in tabular):
        return f"all tabular proposals are split by the time column {sorted(times)[0]!r} or none is"
    if len(groups) > 1:
        return f"proposals of one table share a group column, found {sorted(map(str, groups))}"
    return ""


def _time_columns(proposals: Sequence[Proposal]) -> set[str]:
    axes = {proposal.time.column for proposal in proposals if proposal.time}
    return axes | {proposal.split_column for proposal in proposals if proposal.split_column}


def _drop(
    proposals: Sequence[Proposal],
    reason: Reason,
    detail: str,
    value: float | None = None,
    needed: float | None = None,
) -> Drop:
    key = proposals[0].dataset.key
    return Drop(
        key=key,
        source=key,
        room="transform",
        reason=reason,
        detail=f"table {proposals[0].table!r}: {detail}",
        value=value,
        threshold=needed,
    )


# --- by time ---------------------------------------------------------------------------------


def _by_time(frame: pl.DataFrame, proposals: Sequence[Proposal], how: Splitting) -> Split | Drop:
    """Cut at the grid instant nearest to the wanted share of rows that leaves both sides enough."""
    (column,) = _time_columns(proposals)
    axis = next((proposal.time for proposal in proposals if proposal.time), None)
    when = as_instants(frame[column])
    grid = cells(when, axis.frequency) if axis and axis.resample else when
    counts = grid.drop_nulls().value_counts(name=" n").sort(grid.name)
    before = np.concatenate([[0], counts[" n"].to_numpy().cumsum()])
    cut = _cut(before, proposals, how)
    if cut is None:
        detail = f"no instant of {column!r} leaves enough before and after it"
        return _drop(proposals, Reason.TOO_SMALL, detail, float(before[-1]))
    cutoff: datetime = counts[grid.name][cut]
    return Split(
        "time", cutoff, when >= cutoff, f"time {column} >= {cutoff.isoformat()} seed {how.seed}"
    )


def _cut(before: _Ints, proposals: Sequence[Proposal], how: Splitting) -> int | None:
    """Index of the first held-out instant; `before[i]` counts the rows before instant `i`.

    Tabular tasks count rows, forecasts count instants. Where no cut serves both, rows win.
    """
    size, n_rows, n_grid = how.size, int(before[-1]), len(before) - 1
    index, after = np.arange(n_grid), n_rows - before[:-1]
    tabular = (
        (before[:-1] >= size.min_train_rows)
        & (after >= size.min_val_rows)
        & (after <= _LARGEST_SHARE * n_rows)
    )
    forecasts = [proposal.time for proposal in proposals if proposal.time]
    # The first and the last cell of gathered events hold only a part.
    spare = int(any(axis.resample for axis in forecasts))
    series = (index >= size.shortest_history + spare) & (
        n_grid - index >= size.min_instants + spare
    )
    others = any(proposal.problem != "forecasting" for proposal in proposals)
    fits = [series & tabular] if forecasts and others else []
    fits += [tabular] if others else []
    fits += [series] if forecasts else []
    allowed = next((np.flatnonzero(fit) for fit in fits if fit.any()), None)
    if allowed is None:
        return None
    share = how.config.held_out_share if others else 1 / (1 + size.history_factor)
    return int(allowed[np.abs(after[allowed] - share * n_rows).argmin()])


# --- by group, or at random ------------------------------------------------------------------


def _by_unit(
    frame: pl.DataFrame, proposals: Sequence[Proposal], how: Splitting, content: str
) -> Split | Drop:
    """Hold out whole units: groups, or rows that are equal in the columns of a proposal."""
    group = proposals[0].group_column
    quota = max(round(how.config.held_out_share * frame.height), how.size.min_val_rows)
    if frame.height - quota < how.size.min_train_rows:
        needed = how.size.min_train_rows + how.size.min_val_rows
        return _drop(proposals, Reason.TOO_SMALL, "too few rows", frame.height, needed)
    units = _units(frame, proposals, group)
    labels = [frame[name] for name in _class_targets(proposals)]
    held_out = _best_choice(units, labels, quota, _seed(content, how), how)
    n_held_out = int(held_out.sum())
    if n_held_out < how.size.min_val_rows:
        detail = "units that may not be split are so large that too few rows can be held out"
        return _drop(proposals, Reason.TOO_SMALL, detail, n_held_out, how.size.min_val_rows)
    kind: SplitKind = "group" if group else "random"
    description = f"{kind} {group} seed {how.seed}" if group else f"{kind} seed {how.seed}"
    return Split(kind, None, pl.Series("held_out", held_out), description)


def _class_targets(proposals: Sequence[Proposal]) -> list[str]:
    names = [p.targets[0] for p in proposals if p.problem == "classification"]
    return list(dict.fromkeys(names))


def _seed(content: str, how: Splitting) -> int:
    text = f"split {content} {how.seed}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _units(frame: pl.DataFrame, proposals: Sequence[Proposal], group: str | None) -> _Ints:
    """Unit of each row: the connected components of being alike in the columns of a proposal.

    Always bound are equal rows. Rows that differ in the last digits, and rows that have the same
    features whatever their targets (who knows the label of one knows something of the other), are
    bound as well where no unit becomes too large by it.
    """
    features = {tuple(sorted(f.name for f in p.features)) for p in proposals}
    whole = {tuple(sorted({*p.targets, *(f.name for f in p.features)})) for p in proposals}
    links = [_equal(frame, key) for key in sorted(whole)]
    if group is not None:
        links.append(_equal(frame.filter(pl.col(group).is_not_null()), (group,)))
        links[-1] = frame[group].is_not_null().arg_true().to_numpy().astype(np.int64)[links[-1]]
    units = _components(links, frame.height)
    # What exact copies bind is bound anyway, however large it is.
    limit = max(_LARGEST_UNIT * frame.height, np.bincount(units).max())
    more = [near_pairs(frame.select(key)) for key in sorted(whole)]
    more += [_equal(frame, key) for key in sorted(features)]
    more += [near_pairs(frame.select(key)) for key in sorted(features)]
    for link in more:
        wider = _components([*links, link], frame.height)
        if np.bincount(wider).max() <= limit:
            links, units = [*links, link], wider
    return units


def _components(links: Sequence[_Ints], n_rows: int) -> _Ints:
    """Rows numbered such that linked rows, directly or not, have one number."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    one, other = np.concatenate(links).T
    graph = coo_matrix((np.ones(len(one), dtype=np.int8), (one, other)), shape=(n_rows, n_rows))
    components: _Ints = connected_components(graph, directed=False)[1].astype(np.int64)
    return components


def _equal(frame: pl.DataFrame, columns: tuple[str, ...]) -> _Ints:
    """Each row with the first one that has the same cells; missing equals missing."""
    cells = frame.select(pl.col(name).alias(f"k{i}") for i, name in enumerate(columns))
    numbered = cells.with_row_index(" row")
    first = numbered.select(pl.col(" row").first().over(cells.columns))[" row"]
    return np.column_stack([np.arange(frame.height), first.to_numpy().astype(np.int64)])


def _best_choice(
    units: _Ints,
    labels: Sequence[pl.Series],
    quota: int,
    seed: int,
    how: Splitting,
) -> npt.NDArray[np.bool_]:
    """The first of some seeded choices in which every class has its rows, else the best one."""
    codes = [
        label.cast(pl.String).rank("dense").fill_null(0).to_numpy().astype(np.int64)
        for label in labels
    ]
    # A unit that is a little too large may still be held out, but never at the cost of train.
    spare = min(quota // 10, len(units) - quota - how.size.min_train_rows)
    best: tuple[int, npt.NDArray[np.bool_]] | None = None
    for attempt in range(_ATTEMPTS if codes else 1):
        rng = np.random.default_rng([seed, attempt])
        choice = _hold_out(units, codes[0] if codes else None, quota, spare, rng)
        missing = sum(_short_classes(code, choice, how.size.min_class_rows) for code in codes)
        if best is None or missing < best[0]:
            best = missing, choice
        if best[0] == 0:
            break
    assert best is not None
    return best[1]


def _short_classes(codes: _Ints, held_out: npt.NDArray[np.bool_], least: int) -> int:
    """Number of classes with too few rows on one side, among those that have enough for two."""
    n = int(codes.max()) + 1
    inside = np.bincount(codes[held_out], minlength=n)[1:]
    outside = np.bincount(codes[~held_out], minlength=n)[1:]
    possible = inside + outside >= 2 * least
    return int((possible & ((inside < least) | (outside < least))).sum())


def _hold_out(
    units: _Ints,
    strata: _Ints | None,
    quota: int,
    spare: int,
    rng: np.random.Generator,
) -> npt.NDArray[np.bool_]:
    """Hold out about `quota` rows, whole units, the same share of every stratum.

    Only the last stratum may exceed its share by `spare` rows, the others by one.
    A unit belongs to the stratum of its first row; units too large for the quota stay in train.
    """
    # Units are numbered from 0 without gaps.
    sizes = np.bincount(units)
    first = np.unique(units, return_index=True)[1]
    stratum = np.zeros(len(sizes), dtype=np.int64) if strata is None else strata[first]
    rows = np.bincount(stratum, weights=sizes)
    order = rng.permutation(len(sizes))
    held = np.zeros(len(sizes), dtype=np.bool_)
    left = quota
    # Small strata round up, so that no class is left out; the largest takes what is left.
    by_size = [int(value) for value in np.argsort(rows, kind="stable") if rows[value]]
    for value in by_size:
        is_last = value == by_size[-1]
        wanted = left if is_last else int(np.ceil(quota * rows[value] / len(units)))
        members = order[stratum[order] == value]
        taken = _fill(members, sizes, wanted, spare if is_last else 1)
        held[taken] = True
        left -= int(sizes[taken].sum())
    return held[units]


def _fill(members: _Ints, sizes: _Ints, wanted: int, spare: int) -> _Ints:
    """Take members in order while they fit."""
    taken, rows = [], 0
    for member in members:
        if rows >= wanted:
            break
        if rows + sizes[member] <= wanted + spare:
            taken.append(member)
            rows += sizes[member]
    return np.array(taken, dtype=np.int64)

"""Whether a proposal can become a task: checks of our own, whoever proposes.

A proposal is held against what was measured of its table, then against the proposals accepted
before it, and at last against the rows on both sides of the split. Returned is one sentence saying
what is wrong, or an empty text. The families count again what they ship; this spares them what
cannot work. Rows, classes, instants and series are counted on the raw table, so a proposal at the
limit may still be dropped later. Not guaranteed: that a task can be learnt.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from transform.profile.groups import MAX_UNITS_BY_ROWS
from transform.profile.profile import Findings, SeriesView, TableProfile
from transform.proposal import Proposal
from transform.rows.size import SizeConfig
from transform.rows.split import Split, as_instants, cells, disagreement

_SIDE = " held out"
"""Scratch column; shipped names never begin with a space."""


def why_infeasible(proposal: Proposal, table: TableProfile) -> str:
    """What is wrong with a proposal by itself."""
    findings = table.findings
    if findings is None:
        return "the table was not looked at: others are larger, or hold the same rows"
    unknown = [name for name in _names(proposal) if name not in table.by_name]
    if unknown:
        return f"the table has no column {unknown[0]!r}"
    problem = (
        _forecast_objections(proposal, table, findings)
        if proposal.problem == "forecasting"
        else _prediction_objections(proposal, table, findings)
    )
    columns = _column_objections(proposal, table)
    checks = (_twice(proposal), columns, problem, _leak_objections(proposal, findings))
    return next((sentence for check in checks for sentence in check), "")


def why_excluded(proposal: Proposal, accepted: Sequence[Proposal], table: TableProfile) -> str:
    """Why a proposal cannot stand beside those of its table that were accepted before."""
    assert table.findings is not None
    if any(_question(other) == _question(proposal) for other in accepted):
        return "it was proposed before"
    # Both ways: whichever of two tasks shows it, the other one is given away.
    for other in accepted:
        for asked, beside in ((other, proposal), (proposal, other)):
            shown = _shown(beside) & _telling(asked, table.findings)
            if shown:
                return f"held-out rows with `{min(shown)}` tell {', '.join(asked.targets)}"
    return disagreement([*accepted, proposal])


def shortfall(frame: pl.DataFrame, proposal: Proposal, split: Split, size: SizeConfig) -> str:
    """What the proposal has too little of, given the split of its table."""
    sided = frame.with_columns(split.held_out.alias(_SIDE)).drop_nulls([_SIDE, *proposal.targets])
    if proposal.problem == "forecasting":
        return _few_instants(sided, proposal, size)
    return _few_rows(sided, proposal, size)


# --- by itself --------------------------------------------------------------------------------


def _names(proposal: Proposal) -> tuple[str, ...]:
    """Every column that a proposal names."""
    keys = (proposal.split_column, proposal.group_column, proposal.time and proposal.time.column)
    aggregated = (name for name, _ in proposal.aggregations)
    others = (*proposal.known_covariates, *aggregated, *(key for key in keys if key))
    return (*_parts(proposal), *others)


def _twice(proposal: Proposal) -> Iterator[str]:
    """Each column has one part in a task."""
    parts = {
        "targets, features and entities": _parts(proposal),
        "known covariates": proposal.known_covariates,
        "aggregations": tuple(name for name, _ in proposal.aggregations),
    }
    for where, names in parts.items():
        if len({*names}) < len(names):
            yield f"a column is named twice among {where}"


def _parts(proposal: Proposal) -> tuple[str, ...]:
    features = (feature.name for feature in proposal.features)
    return (*features, *proposal.targets, *proposal.entities)


def _column_objections(proposal: Proposal, table: TableProfile) -> Iterator[str]:
    """Features are usable and of the type they are said to be."""
    for feature in proposal.features:
        column = table.column(feature.name)
        if not column.usable:
            yield f"`{column.name}` is of no use: {column.role_reason}"
        elif column.role != feature.type:
            yield f"`{column.name}` is called a {feature.type}, but {column.role_reason}"


def _prediction_objections(
    proposal: Proposal, table: TableProfile, findings: Findings
) -> Iterator[str]:
    for name in proposal.targets:
        column = table.column(name)
        if column.target_kind != proposal.problem:
            yield f"`{name}` is no target of a {proposal.problem}: {column.role_reason}"
    if not proposal.features:
        yield "it has no feature"
    names = {*proposal.targets, *(feature.name for feature in proposal.features)}
    for name in sorted(names.difference(findings.compared)):
        # Of a very wide table only the most promising columns are compared.
        yield f"`{name}` was not compared with the others, so it may give the target away"
    yield from _split_objections(proposal, table, findings)
    if proposal.time or proposal.entities or proposal.known_covariates:
        yield "a prediction has neither time axis nor entities nor known covariates"


def _split_objections(proposal: Proposal, table: TableProfile, findings: Findings) -> Iterator[str]:
    """Rows that belong together, or follow each other, may not stand on both sides."""
    # Of years only that column was found to order the table.
    time, group = proposal.split_column, proposal.group_column
    if time and time != findings.split_column and table.column(time).role != "time":
        yield f"`{time}` holds no instants: {table.column(time).role_reason}"
    if group in (*proposal.targets, *(feature.name for feature in proposal.features)):
        yield f"`{group}` names the groups of the split, which no task ships"
    if group and table.column(group).unique_share > MAX_UNITS_BY_ROWS:
        yield f"`{group}` tells nearly every row from every other"
    if findings.split_column and not time:
        yield f"`{findings.split_column}` orders the rows, so they are split by time"
    if findings.group_column and findings.group_column != group:
        yield f"rows of one `{findings.group_column}` belong together, so they are split by it"


def _forecast_objections(
    proposal: Proposal, table: TableProfile, findings: Findings
) -> Iterator[str]:
    # Only views that were measured: whether another one fills a grid is not known here.
    view = _view(proposal, findings)
    if view is None:
        yield "the table was not found to be series on that grid with those entities"
        return
    if not {*proposal.targets} <= {series.name for series in view.series}:
        yield f"nothing to forecast was found in {', '.join(proposal.targets)}"
    names = {feature.name for feature in proposal.features}
    if view.axis.column in names:
        yield f"`{view.axis.column}` is the time axis and a feature"
    # A proposer may believe in more plans; a measurement taken for one would leak the answer.
    known = {note.name for note in view.known_covariates} & names
    unknown = [name for name in proposal.known_covariates if name not in known]
    if unknown:
        yield f"nothing says that `{unknown[0]}` is known in advance"
    gathered = {*names, *proposal.targets} if view.axis.resample else set()
    # Room was measured on cells that are filled in this way.
    if {*proposal.aggregations} != {(name, table.column(name).aggregation) for name in gathered}:
        yield "aggregations are those measured of targets and features, where rows are gathered"
    if proposal.horizon is not None and proposal.horizon < 1:
        yield f"a horizon of {proposal.horizon} instants"


def _view(proposal: Proposal, findings: Findings) -> SeriesView | None:
    key = (proposal.time, {*proposal.entities})
    same = (view for view in findings.views if (view.axis, {*view.entities}) == key)
    return next(same, None)


def _leak_objections(proposal: Proposal, findings: Findings) -> Iterator[str]:
    for target in proposal.targets:
        leaks = findings.leaks(target)
        for name in sorted(_shown(proposal) & leaks.keys()):
            yield f"`{name}` gives `{target}` away: {leaks[name]}"


# --- beside others ----------------------------------------------------------------------------


def _question(proposal: Proposal) -> tuple[str, frozenset[str], frozenset[str]]:
    return proposal.problem, frozenset(proposal.targets), frozenset(proposal.entities)


def _shown(proposal: Proposal) -> set[str]:
    """Columns that stand beside held-out rows."""
    if proposal.problem == "forecasting":
        return set(proposal.known_covariates)
    return {feature.name for feature in proposal.features}


def _telling(proposal: Proposal, findings: Findings) -> set[str]:
    """Columns from which held-out answers follow."""
    return {*proposal.targets}.union(*(findings.leaks(target) for target in proposal.targets))


# --- on the rows ------------------------------------------------------------------------------


def _few_rows(sided: pl.DataFrame, proposal: Proposal, size: SizeConfig) -> str:
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
    return f"{held} held-out rows, expected {size.min_val_rows}" if held < size.min_val_rows else ""


def _few_instants(sided: pl.DataFrame, proposal: Proposal, size: SizeConfig) -> str:
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
    return ""

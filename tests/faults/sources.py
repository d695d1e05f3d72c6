"""Faults in the files of a dataset: columns, rows and instants that are not what they seem.

Each is planted twice where it can be: as published, for the whole walk to stop; and under a plan
that was made for the clean counterpart, as a proposer would make it that takes the column for
harmless, so that the gates have to stop it alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

import numpy as np
import polars as pl

from tests.faults.fault import LAYOUT, Place, Planted
from tests.faults.walking import Errand, Seen
from tests.faults.worlds import (
    Source,
    chance,
    clinic,
    families,
    homes,
    picked,
    readings,
    river,
    shops,
    walks,
)
from transform.plan import Plan
from transform.proposal import Feature
from transform.task import Variant

Make = Callable[[pl.DataFrame], pl.Series | pl.Expr]
World = Callable[[], pl.DataFrame]

_CLASS: tuple[Variant, ...] = ("class-mm", "class-if")
_NUMBER: tuple[Variant, ...] = ("reg-mm", "reg-if")
_BY_GATES = ("leak", "saturated")


def source(key: str, table: pl.DataFrame, file: str = "table.csv") -> Source:
    """A dataset of one table."""
    return Source(f"planted/{key.replace(' ', '-')}", {file: table})


@cache
def clean(world: World) -> Source:
    """The world as it is."""
    return Source(f"clean/{world.__name__}", {"table.csv": world()})


def ships(column: str) -> Callable[[Seen], bool]:
    """Whether the column is in a proven task."""
    return lambda seen: column in seen.columns


def tells_ahead(column: str) -> Callable[[Seen], bool]:
    """Whether the column stands beside the rows to forecast."""
    return lambda seen: column in seen.val.columns


def anything(_: Seen) -> bool:
    """Nothing may be proven at all."""
    return True


# --- columns that give the target away --------------------------------------------------------


def leaks(
    name: str,
    planted: str,
    *,
    world: World,
    target: str,
    columns: dict[str, Make],
    alike: dict[str, Make],
    variants: tuple[Variant, ...],
    shows: Callable[[Seen], bool],
    column: str,
) -> Iterator[Planted]:
    """A table with some columns more, as published and under the plan of its clean counterpart."""
    bad = source(name, _with(world(), columns))
    good = source(f"{name} twin", _with(world(), alike))
    counterpart = Errand(good, (target,), variants)
    keeps = tuple(alike)
    yield Planted(
        name=name,
        place="source",
        planted=planted,
        expected=("proposal", "no_proposal", "draft", *_BY_GATES),
        errand=Errand(bad, (target, column), variants),
        counterpart=counterpart,
        shows=shows,
        columns=tuple(columns),
        keeps=keeps,
    )
    yield Planted(
        name=name,
        place="plan",
        planted=planted,
        expected=("draft", *_BY_GATES) if "ts-xf" in variants else _BY_GATES,
        errand=Errand(bad, (target,), variants, like=good),
        counterpart=counterpart,
        shows=shows,
        columns=tuple(columns),
        keeps=keeps,
    )


def _with(table: pl.DataFrame, columns: dict[str, Make]) -> pl.DataFrame:
    """The columns before the last one, which is the target."""
    for name, make in columns.items():
        table = table.with_columns(_series(table, make).alias(name))
    last = [name for name in table.columns if name not in columns][-1]
    return table.select(pl.exclude(last), last)


def _series(table: pl.DataFrame, make: Make) -> pl.Series:
    made = make(table)
    return made if isinstance(made, pl.Series) else table.select(made).to_series()


def _flipped(share: float, yes: str = "up", no: str = "down") -> Make:
    """`readmitted` under other words, wrong in a share of the rows."""

    def make(table: pl.DataFrame) -> pl.Series:
        wrong = chance(f"flipped {share}").random(table.height) < share
        truth = (table["readmitted"] == "yes").to_numpy()
        return pl.Series(np.where(truth ^ wrong, yes, no))

    return make


def _codes(share: float) -> Make:
    """Five codes, of which the first two mean yes; wrong in a share of the rows."""

    def make(table: pl.DataFrame) -> pl.Series:
        rng = chance(f"codes {share}")
        truth = (table["readmitted"] == "yes").to_numpy() ^ (rng.random(table.height) < share)
        yes, no = picked(rng, ("K7", "Q2"), len(truth)), picked(rng, ("B1", "R9", "X4"), len(truth))
        return pl.Series(np.where(truth, yes, no))

    return make


def _filled(share: float) -> Make:
    """Days until the return, wrongly there or missing in a share of the rows."""

    def make(table: pl.DataFrame) -> pl.Series:
        rng = chance(f"filled {share}")
        there = (table["readmitted"] == "yes").to_numpy() ^ (rng.random(table.height) < share)
        days = rng.integers(1, 90, table.height).tolist()
        return pl.Series([d if t else None for d, t in zip(days, there.tolist(), strict=True)])

    return make


def _score(share: float) -> Make:
    """A number on either side of 50, on the wrong side in a share of the rows."""

    def make(table: pl.DataFrame) -> pl.Series:
        rng = chance(f"score {share}")
        high = (table["readmitted"] == "yes").to_numpy() ^ (rng.random(table.height) < share)
        return pl.Series((50 + np.where(high, 1, -1) * rng.gamma(2, 9, len(high))).round(1))

    return make


def _noisy(sigma: float) -> Make:
    """The price as somebody guessed it."""

    def make(table: pl.DataFrame) -> pl.Series:
        noise = chance(f"noisy {sigma}").lognormal(0, sigma, table.height)
        return (table["price_eur"] * noise).round(0)

    return make


def _part(table: pl.DataFrame) -> pl.Series:
    share = chance("part").uniform(0.2, 0.8, table.height)
    return (table["price_eur"] * share).round(0)


def _rest(sigma: float) -> Make:
    def make(table: pl.DataFrame) -> pl.Series:
        noise = chance(f"rest {sigma}").lognormal(0, sigma, table.height)
        return ((table["price_eur"] - table["land_eur"]) * noise).round(0)

    return make


def _units(table: pl.DataFrame) -> pl.Series:
    return pl.Series(chance("units").lognormal(3, 0.5, table.height).round(1))


def _per_unit(sigma: float) -> Make:
    def make(table: pl.DataFrame) -> pl.Series:
        noise = chance(f"per unit {sigma}").lognormal(0, sigma, table.height)
        return (table["price_eur"] / table["units"] * noise).round(4)

    return make


def class_leaks() -> Iterator[Planted]:
    """Of a label."""
    for name, planted, column, bad, good in (
        (
            "copy under another name",
            "the label stands in a second column under other words",
            "discharge_note",
            _flipped(0.0),
            _flipped(0.22),
        ),
        (
            "label as category codes",
            "each code of a column belongs to one label",
            "drg_code",
            _codes(0.0),
            _codes(0.22),
        ),
        (
            "filled after the outcome",
            "a column has a value only where the outcome happened",
            "days_to_return",
            _filled(0.0),
            _filled(0.25),
        ),
        (
            "one feature nearly decides",
            "a score lies on one side of 50 for each label in 98.5 % of the rows",
            "alarm_points",
            _score(0.015),
            _score(0.22),
        ),
    ):
        # One kind of leak also in instructions; they cost most and are walked alike.
        variants = _CLASS if column == "discharge_note" else _CLASS[:1]
        yield from leaks(
            name,
            planted,
            world=clinic,
            target="readmitted",
            columns={column: bad},
            alike={column: good},
            variants=variants,
            shows=ships(column),
            column=column,
        )


def number_leaks() -> Iterator[Planted]:
    """Of a number."""
    scale = {
        "target in another unit": (
            "the price times a rate plus a fee",
            "assessed",
            lambda t: (t["price_eur"] * 0.8541 + 1200).round(2),
            _noisy(0.25),
        ),
        "logarithm of the target": (
            "the logarithm of the price",
            "size_index",
            lambda t: (t["price_eur"] + 1).log().round(4),
            lambda t: _noisy(0.25)(t).log().round(4),
        ),
        "rounded target": (
            "the price, rounded to 5000",
            "band",
            lambda t: (t["price_eur"] / 5000).round(0) * 5000,
            lambda t: (_noisy(0.3)(t) / 5000).round(0) * 5000,
        ),
    }
    for name, (planted, column, bad, good) in scale.items():
        yield from leaks(
            name,
            planted,
            world=homes,
            target="price_eur",
            columns={column: bad},
            alike={column: good},
            variants=_NUMBER if column == "assessed" else _NUMBER[:1],
            shows=ships(column),
            column=column,
        )
    yield from leaks(
        "sum of two columns",
        "the price is the sum of two other columns",
        world=homes,
        target="price_eur",
        columns={"land_eur": _part, "house_eur": _rest(0.0)},
        alike={"land_eur": _part, "house_eur": _rest(0.7)},
        variants=("reg-mm",),
        shows=lambda seen: {"land_eur", "house_eur"} <= seen.columns,
        column="house_eur",
    )
    yield from leaks(
        "product of two columns",
        "the price is the product of a rate and a number of units",
        world=homes,
        target="price_eur",
        columns={"units": _units, "per_unit": _per_unit(0.0)},
        alike={"units": _units, "per_unit": _per_unit(0.35)},
        variants=("reg-mm",),
        shows=lambda seen: {"units", "per_unit"} <= seen.columns,
        column="per_unit",
    )


def _numbered(table: pl.DataFrame) -> pl.DataFrame:
    return table.select((pl.int_range(table.height) + 5001).alias("record_no"), pl.all())


def _with_record_no(plan: Plan, table: pl.DataFrame) -> Plan:
    """The plan of a proposer that takes a number of the row for a feature."""
    proposal = plan.proposal
    features = (*proposal.features, Feature(name="record_no", type="number"))
    ordered = tuple(f for name in table.columns for f in features if f.name == name)
    return plan.model_copy(update={"proposal": proposal.model_copy(update={"features": ordered})})


def identifiers() -> Iterator[Planted]:
    """Numbers of rows that were sorted by what is to be predicted."""
    planted = "rows are numbered after they were sorted by the label"
    bad = source("sorted identifier", _numbered(clinic().sort("readmitted", maintain_order=True)))
    good = source("sorted identifier twin", _numbered(clinic()))
    variants: tuple[Variant, ...] = ("class-mm",)
    counterpart = Errand(good, ("readmitted",), variants)
    for place, like, expected in _both_places(good, ("proposal",), _BY_GATES):
        errand = Errand(
            bad, ("readmitted",), variants, fooled=_with_record_no if like is not None else None
        )
        yield Planted(
            "sorted identifier",
            place,
            planted,
            expected,
            errand,
            counterpart,
            ships("record_no"),
            ("record_no",),
        )


# --- targets that cannot or need not be predicted ---------------------------------------------


def _shuffled(table: pl.DataFrame, target: str) -> pl.DataFrame:
    order = chance(f"shuffled {target}").permutation(table.height)
    return table.with_columns(table[target][order])


def _rare(table: pl.DataFrame) -> pl.DataFrame:
    """One label in 25 rows, at random."""
    rare = chance("rare").random(table.height) < 0.04
    return table.with_columns(pl.Series("readmitted", np.where(rare, "yes", "no")))


_CAUSES = ("stay_days", "age", "glucose")


def _ruled(flips: float) -> pl.DataFrame:
    """A label that follows from three columns by rule, wrong in a share of the rows."""
    table = clinic()
    rule = ((pl.col("stay_days") > 4) & (pl.col("age") > 52)) | (pl.col("glucose") > 130)
    wrong = pl.Series(chance(f"ruled {flips}").random(table.height) < flips)
    truth = table.select(rule.alias("r"))["r"] ^ wrong
    return table.with_columns(
        pl.Series("readmitted", ["yes" if value else "no" for value in truth])
    )


def targets() -> Iterator[Planted]:
    """Noise, one label, and rules."""
    yield from _noise(
        "noise label",
        "labels are shuffled over the rows",
        Errand(source("noise label", _shuffled(clinic(), "readmitted")), ("readmitted",), _CLASS),
        Errand(clean(clinic), ("readmitted",), _CLASS),
    )
    yield from _noise(
        "majority only",
        "96 % of the rows have one label, the others are random",
        Errand(source("majority only", _rare(clinic())), ("readmitted",), _CLASS),
        Errand(clean(clinic), ("readmitted",), _CLASS),
    )
    noise = source("noise number", _shuffled(homes(), "price_eur"))
    yield from _noise(
        "noise number",
        "prices are shuffled over the rows",
        Errand(noise, ("price_eur",), _NUMBER),
        Errand(clean(homes), ("price_eur",), _NUMBER),
    )
    pair = ("price_eur", "area_sqm")
    yield from _noise(
        "one noise target of two",
        "of two targets only one can be learnt",
        Errand(noise, pair, ("reg-mm",)),
        Errand(clean(homes), pair, ("reg-mm",)),
    )
    bad, good = source("rule", _ruled(0.0)), source("rule twin", _ruled(0.13))
    planted = "the label follows from three columns without exception"
    counterpart = Errand(good, ("readmitted",), ("class-mm",))
    gates = ("saturated", "leak")
    for place, like, expected in _both_places(good, ("proposal", "no_proposal"), gates):
        errand = Errand(bad, ("readmitted",), ("class-mm",), like=like)
        yield Planted(
            "label by rule", place, planted, expected, errand, counterpart, _is_ruled, _CAUSES
        )


def _noise(name: str, planted: str, bad: Errand, good: Errand) -> Iterator[Planted]:
    """As published and under a clean plan; nothing with the first target is left."""
    gates = ("learnable", "headroom", "not_constant", "no_steps", "no_fit", "too_small")
    rooms = ("proposal", "no_proposal", LAYOUT)
    for place, like, expected in _both_places(good.source, rooms, gates):
        errand = replace(bad, like=like)
        yield Planted(name, place, planted, expected, errand, good, _predicts(bad.targets[0]))


def _both_places(
    good: Source, rooms: tuple[str, ...], gates: tuple[str, ...]
) -> tuple[tuple[Place, Source | None, tuple[str, ...]], ...]:
    """Place, source of the plans, and who may stop the fault there."""
    return ("source", None, (*rooms, *gates)), ("plan", good, gates)


def _predicts(target: str) -> Callable[[Seen], bool]:
    """Whether the column is a target."""
    return lambda seen: target in seen.plan.proposal.targets


def _is_ruled(seen: Seen) -> bool:
    """Repaired when one of the three causes is gone."""
    return set(_CAUSES) <= seen.columns


# --- rows over the split ----------------------------------------------------------------------


def _repeated(table: pl.DataFrame) -> pl.DataFrame:
    """A third of the rows stand twice, anywhere."""
    rng = chance("repeated")
    more = table[rng.permutation(table.height)[: table.height // 3]]
    return pl.concat([table, more])[rng.permutation(table.height + more.height)]


def _nearly_repeated(table: pl.DataFrame) -> pl.DataFrame:
    """Half of the rows stand twice, their numbers moved in the sixth digit."""
    rng = chance("nearly repeated")
    more = table[rng.permutation(table.height)[: table.height // 2]]
    moved = more.with_columns(
        pl.col(name) * pl.Series(1 + rng.uniform(-1e-6, 1e-6, more.height))
        for name in ("area_sqm", "distance_km", "fee_monthly", "noise_db")
    )
    return pl.concat([table, moved])[rng.permutation(table.height + moved.height)]


def _straddles(seen: Seen, tolerance: float) -> bool:
    """Whether a val row of an open task stands in train, numbers within a relative tolerance."""
    names = [c for c in seen.val.columns if c in seen.train.columns and c != "row_id"]
    floats = [c for c in names if seen.train.schema[c].is_float()]
    keys = [c for c in names if c not in floats]
    left = seen.val.select(*keys, *(pl.col(c).alias(f" {c}") for c in floats))
    pairs = left.join(seen.train.select(names), on=keys, nulls_equal=True)
    near = (
        ((pl.col(f" {c}") - pl.col(c)).abs() <= tolerance * pl.col(c).abs()).fill_null(True)
        for c in floats
    )
    return bool(pairs.filter(pl.all_horizontal(pl.lit(True), *near)).height)


def rows() -> Iterator[Planted]:
    """Rows that stand on both sides."""
    variants: tuple[Variant, ...] = ("class-mm",)
    yield Planted(
        "repeated rows",
        "source",
        "a third of the rows stand twice",
        (LAYOUT, "duplicates"),
        Errand(source("repeated rows", _repeated(clinic())), ("readmitted",), variants),
        Errand(clean(clinic), ("readmitted",), variants),
        partial(_straddles, tolerance=0),
    )
    variants = ("reg-mm",)
    yield Planted(
        "nearly repeated rows",
        "source",
        "half of the rows stand twice with numbers moved in the sixth digit",
        (LAYOUT, "duplicates", "leak"),
        Errand(source("nearly repeated", _nearly_repeated(homes())), ("price_eur",), variants),
        Errand(clean(homes), ("price_eur",), variants),
        partial(_straddles, tolerance=1e-5),
    )
    variants = ("class-mm", "class-if")
    scattered = families().with_columns(
        pl.Series("household", families()["household"][chance("moved").permutation(960)])
    )
    yield Planted(
        "group over the split",
        "source",
        "six rows of a household share what is true of the household",
        (LAYOUT, "leak"),
        Errand(source("groups", families()), ("ill",), variants),
        Errand(source("groups twin", scattered), ("ill",), variants),
        _divides_households,
    )


def _divides_households(seen: Seen) -> bool:
    held_out = pl.read_parquet(seen.split_file)["held_out"]
    sides = families().with_columns(held_out).drop_nulls("held_out")
    return bool(
        (sides.group_by("household").agg(pl.col("held_out").n_unique())["held_out"] > 1).any()
    )


# --- time -------------------------------------------------------------------------------------


def _as_text(table: pl.DataFrame) -> pl.DataFrame:
    """Days as dd/mm/yyyy, rows in the order of that text."""
    return table.with_columns(pl.col("day").dt.strftime("%d/%m/%Y")).sort("day", "shop")


def _is_out_of_order(seen: Seen) -> bool:
    """Whether held-out instants do not follow all of train, or a cell moved to another day."""
    instructions = seen.task.spec.instructions
    grid, (target,) = instructions.grid, instructions.targets
    assert grid is not None
    if seen.train[grid.column].max() >= seen.val[grid.column].min():  # type: ignore[operator]
        return True
    true = shops().with_columns(pl.col("day").cast(pl.Datetime("us")))
    sides = (side.select("day", "shop", target) for side in (seen.train, seen.val))
    shipped = pl.concat(sides, how="vertical_relaxed")
    both = shipped.join(true, on=["day", "shop"], suffix=" true")
    return both.height < shipped.height or not (both[target] == both[f"{target} true"]).all()


def _is_off_grid(seen: Seen) -> bool:
    """Whether train knows an instant that is scored, or anything finer than the grid."""
    grid = seen.task.spec.instructions.grid
    assert grid is not None
    train, val = seen.train[grid.column], seen.val[grid.column]
    finer = (train != train.dt.truncate("1d")).any()
    return bool(finer or train.max() >= val.min() or train.n_unique() < len(train))  # type: ignore[operator]


def _counted(days: int = 1200) -> pl.DataFrame:
    """Two reports a day, each with the number of states that it covers: no entity."""
    rng = chance("counted")
    t = np.repeat(np.arange(days), 2)
    states = np.array([rng.permutation(5)[:2] + 46 for _ in range(days)]).ravel()
    week = np.array([0, 4, 6, 5, 2, -8, -9])[t % 7]
    table = river(days=days).select("day")
    return pl.DataFrame(
        {
            "day": table["day"].gather(t),
            "n_states": states,
            "tests": (300 + 4 * week + rng.normal(0, 30, len(t))).round(),
            "delay": rng.gamma(2, 3, len(t)).round(2),
        }
    )


def _named_series(days: int = 600) -> pl.DataFrame:
    parts = [
        river(f"river {name}", days).with_columns(pl.lit(name).alias("gauge"))
        for name in ("upper", "lower")
    ]
    return pl.concat(parts).sort("day", "gauge").select("day", "gauge", "pressure", "level")


def times() -> Iterator[Planted]:
    """Instants, grids and entities."""
    series: tuple[Variant, ...] = ("ts-cf", "ts-xf")
    yield Planted(
        "dates sorted as text",
        "source",
        "days are written dd/mm/yyyy and rows stand in the order of that text",
        (LAYOUT,),
        Errand(source("text dates", _as_text(shops())), ("sales",), series),
        Errand(clean(shops), ("sales",), series),
        _is_out_of_order,
    )
    yield Planted(
        "cut beside the grid",
        "source",
        "several uneven instants a day are scored by the day",
        (LAYOUT,),
        Errand(clean(readings), ("amount",), ("ts-cf",)),
        Errand(clean(readings), ("amount",), ("ts-cf",)),
        _is_off_grid,
    )
    yield Planted(
        "count as entity",
        "source",
        "a number of states, drawn anew for each report, tells two reports of a day apart",
        ("proposal", "no_proposal", "too_small", LAYOUT),
        Errand(source("counted", _counted()), ("tests",), series),
        Errand(source("named series", _named_series()), ("level",), series),
        lambda seen: "n_states" in seen.plan.proposal.entities,
    )
    planted = "steps of a series are independent and tell nothing of the next"
    skill = ("forecastable", "headroom", "learnable")
    for name, world, target in (
        ("random walk", walks, "level"),
        ("noise series", river, "pressure"),
    ):
        yield Planted(
            name,
            "source",
            planted,
            ("proposal", "no_proposal", *skill),
            Errand(clean(world), (target,), ("ts-cf",)),
            Errand(clean(river), ("level",), ("ts-cf",)),
            anything,
        )
    clock = river().with_columns(
        (180 + 20 * (2 * np.pi * pl.int_range(600) / 7).sin()).round(3).alias("level")
    )
    yield Planted(
        "series without noise",
        "source",
        "the series repeats each week exactly",
        ("proposal", "no_proposal", "saturated", *skill),
        Errand(source("clock", clock), ("level",), ("ts-cf",)),
        Errand(clean(river), ("level",), ("ts-cf",)),
        anything,
    )


# --- covariates -------------------------------------------------------------------------------


def _by_shop(expression: pl.Expr) -> Make:
    return lambda table: expression.over("shop", order_by="day")


def _prices(name: str) -> Make:
    return lambda table: pl.Series(chance(name).gamma(30, 0.4, table.height).round(2))


def _flags(share: float) -> Make:
    return lambda table: pl.Series((chance("flags").random(table.height) < share).astype(int))


def covariates() -> Iterator[Planted]:
    """Columns that seem to be planned but were measured with the target, or after it."""
    sales = pl.col("sales")
    noise = 1 + 0.015 * pl.Series(np.abs(chance("high").normal(0, 1, shops().height)))
    for name, planted, bad, good, shows, column in (
        (
            "flag of the target",
            "a campaign flag is set where sales are above their median",
            {"campaign": _by_shop((sales > sales.median()).cast(pl.Int64))},
            {"campaign": _flags(0.5)},
            tells_ahead("campaign"),
            "campaign",
        ),
        (
            "covariate in another unit",
            "a price is the same day's sales times 1.8 plus 32",
            {"price": lambda t: t["sales"] * 1.8 + 32},
            {"price": _prices("price")},
            tells_ahead("price"),
            "price",
        ),
        (
            "high and low of the instant",
            "two prices enclose the same day's sales by a few per cent",
            {
                "price_high": lambda t: (t["sales"] * noise).round(2),
                "price_low": lambda t: (t["sales"] / noise[::-1]).round(2),
            },
            {"price_high": _prices("high"), "price_low": _prices("low")},
            tells_ahead("price_high"),
            "price_high",
        ),
        (
            "covariate from the future",
            "a discount is the next day's sales",
            {"discount": _by_shop(sales.shift(-1))},
            {"discount": _prices("discount")},
            ships("discount"),
            "discount",
        ),
        (
            "centred moving average",
            "a discount is the mean of sales of the day before, the day and the day after",
            {"discount": _by_shop(sales.rolling_mean(3, center=True, min_samples=1).round(3))},
            {"discount": _prices("mean")},
            ships("discount"),
            "discount",
        ),
    ):
        yield from leaks(
            name,
            planted,
            world=shops,
            target="sales",
            columns=bad,
            alike=good,
            variants=("ts-xf",),
            shows=shows,
            column=column,
        )


def planted() -> tuple[Planted, ...]:
    """All of them."""
    return (
        *class_leaks(),
        *number_leaks(),
        *identifiers(),
        *targets(),
        *rows(),
        *times(),
        *covariates(),
    )

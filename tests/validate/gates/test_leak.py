"""Planted leaks are named and repaired or refused; the same tables without them pass."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.validate.leakage.planting import forecast, homes, shops, tabular
from transform.files.tables import shipped, write_tables
from transform.files.task_folder import TaskFolder
from transform.run.execute import load_tables
from transform.task import ID_COLUMN
from validate.gates.duplicates import Duplicates
from validate.gates.leak import Leak
from validate.verdict import Finding

Plant = Callable[[pl.DataFrame], pl.Series | pl.DataFrame]
RNG = np.random.default_rng(11)


def spoil(values: pl.Series, share: float) -> pl.Series:
    """The values with some cells of other rows in their place."""
    places = RNG.permutation(len(values))[: int(share * len(values))]
    return values.scatter(places, values.sample(len(places), seed=3))


def bands(values: pl.Series, labels: str) -> pl.Series:
    """The numbers cut into as many bins of equal size."""
    place = values.rank("ordinal").cast(pl.Int64) - 1
    return pl.Series([labels[i * len(labels) // len(values)] for i in place])


def after_repair(drawn: object, finding: Finding) -> Finding:
    """What the gate says once the repair is made."""
    assert finding.repair is not None
    return Leak().look(drawn.task(drawn.plan.repaired(finding.repair)))  # type: ignore[attr-defined]


# --- tables -----------------------------------------------------------------------------------

RENT: dict[str, Plant] = {
    "copy": lambda t: t["rent"],
    "other unit": lambda t: t["rent"] * 1.95583 + 3,
    "negative": lambda t: -t["rent"],
    "logarithm": lambda t: t["rent"].log(),
    "rounded": lambda t: (t["rent"] / 10).round() * 10,
    "spoilt copy": lambda t: spoil(t["rent"] * 0.5, 0.02),
    "wild cells": lambda t: t["rent"].scatter([3, 50, 700], 1e9),
    "jitter": lambda t: t["rent"] * (1 + RNG.normal(0, 1e-3, t.height)),
    "classes": lambda t: bands(t["rent"], "cadbe"),
    "spoilt classes": lambda t: spoil(bands(t["rent"], "2143"), 0.01),
    "with gaps": lambda t: t["rent"].scatter(np.flatnonzero(RNG.random(t.height) < 0.1), None),
}
LET: dict[str, Plant] = {
    "copy": lambda t: t["let"],
    "recoded": lambda t: (t["let"] == "yes").cast(pl.Int64) * 7 - 3,
    "spoilt": lambda t: spoil((t["let"] == "yes").cast(pl.Int64), 0.02),
    "a threshold": lambda t: pl.Series(RNG.uniform(0, 1, t.height)) + (t["let"] == "yes"),
    "filled afterwards": lambda t: pl.Series(
        np.where((t["let"] == "yes").to_numpy(), RNG.gamma(2, 30, t.height), np.nan)
    ).fill_nan(None),
    "sometimes filled": lambda t: pl.Series(
        np.where(
            (t["let"] == "yes").to_numpy() & (RNG.random(t.height) < 0.4),
            RNG.gamma(2, 30, t.height),
            np.nan,
        )
    ).fill_nan(None),
    "empty afterwards": lambda t: pl.select(
        pl.when(t["let"] == "yes").then(None).otherwise(pl.lit("open"))
    ).to_series(),
}


@pytest.mark.parametrize(
    ("target", "leak"), [*(("rent", k) for k in RENT), *(("let", k) for k in LET)]
)
def test_a_planted_column_is_named_and_left_out(target: str, leak: str, tmp_path: Path) -> None:
    table = homes(1)
    column = (RENT if target == "rent" else LET)[leak](table)
    drawn = tabular(table.with_columns(pl.Series("zz", column)), target, tmp_path)
    finding = Leak().look(drawn.task())
    assert finding.check.verdict == "invalid"
    assert finding.repair is not None
    assert finding.repair.without_columns == ("zz",), finding
    assert "`zz`" in finding.check.evidence
    assert after_repair(drawn, finding).check.verdict == "valid"


@pytest.mark.parametrize(
    "planted",
    [
        lambda t: {"base": t["rent"] - t["deposit"]},
        lambda t: {"a": t["rent"] - t["score"] * 100, "b": t["score"] * 100},
        lambda t: {"per_area": (t["rent"] / t["area"]).round(2)},
        lambda t: {"yearly": t["rent"] * t["rooms"]},
        lambda t: {"gap": t["income"] - t["rent"]},
        lambda t: {"share": t["rent"] / t["income"]},
    ],
    ids=["sum", "both terms", "ratio", "product", "difference", "share"],
)
def test_terms_of_an_identity_are_left_out(
    planted: Callable[[pl.DataFrame], dict[str, pl.Series]], tmp_path: Path
) -> None:
    table = homes(2)
    columns = [values.alias(name) for name, values in planted(table).items()]
    drawn = tabular(table.with_columns(columns), "rent", tmp_path)
    finding = Leak().look(drawn.task())
    assert finding.check.verdict == "invalid"
    assert after_repair(drawn, finding).check.verdict == "valid"


def test_a_label_that_two_columns_decide(tmp_path: Path) -> None:
    table = homes(3).with_columns(
        pl.when(pl.col("rent") > pl.col("income") / 80).then(pl.lit("dear")).otherwise(pl.lit("ok"))
        .alias("verdict")
    )  # fmt: skip
    drawn = tabular(table, "verdict", tmp_path)
    finding = Leak().look(drawn.task())
    assert finding.repair is not None
    assert set(finding.repair.without_columns) <= {"rent", "income"}
    assert after_repair(drawn, finding).check.verdict == "valid"


@pytest.mark.parametrize("form", ["number", "tens", "text"])
@pytest.mark.parametrize("target", ["rent", "let"])
def test_identifiers_in_the_order_of_the_target(target: str, form: str, tmp_path: Path) -> None:
    table = homes(4).with_row_index("place")
    noise = pl.Series(RNG.normal(0, 250 if target == "rent" else 0.4, table.height))
    order = (
        table[target].rank("dense").cast(pl.Float64) if target == "let" else table["rent"]
    ) + noise
    rank = order.rank("ordinal").cast(pl.Int64)
    names = {
        "number": rank + 1000,
        "tens": rank * 10,
        "text": pl.Series([f"F-{i:06}" for i in rank]),
    }
    drawn = tabular(table.with_columns(names[form].alias("code")), target, tmp_path, ("place",))
    finding = Leak().look(drawn.task())
    assert finding.repair is not None, finding
    assert "code" in finding.repair.without_columns


def test_a_unit_that_decides_the_target_and_straddles(tmp_path: Path) -> None:
    table = homes(5)
    house = pl.Series("house", RNG.integers(0, 120, table.height))
    rents = pl.Series(RNG.lognormal(6, 0.5, 120).round(2))
    table = table.with_columns(house, rents[house.to_list()].alias("rent"))
    drawn = tabular(table, "rent", tmp_path)
    finding = Leak().look(drawn.task())
    assert finding.repair is not None
    assert "house" in finding.repair.without_columns


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("target", ["rent", "let", "views", "town"])
def test_clean_tables_pass(target: str, seed: int, tmp_path: Path) -> None:
    task = tabular(homes(seed), target, tmp_path).task()
    for gate in (Leak(), Duplicates()):
        finding = gate.look(task)
        assert finding.check.verdict == "valid", finding


# --- ids, places, rows ------------------------------------------------------------------------


def rewritten(task: TaskFolder, train: pl.DataFrame, val: pl.DataFrame) -> TaskFolder:
    """The task with other tables, written in the order of these."""
    instructions = task.spec.instructions
    shutil.rmtree(task.public)
    write_tables(task.public, instructions.data, shipped(train, val), shipped(val, train))
    return task


def test_ids_that_follow_the_target(tmp_path: Path) -> None:
    task = tabular(homes(6), "rent", tmp_path).task()
    train, val = load_tables(task.spec.instructions, task.public)
    ids = sorted(train[ID_COLUMN].to_list())
    train = train.sort("rent").with_columns(pl.Series(ID_COLUMN, ids))
    finding = Leak().look(rewritten(task, train, val))
    assert (finding.check.verdict, finding.repair) == ("invalid", None)
    assert "ids follow the target" in finding.check.evidence


def test_ids_that_tell_the_side(tmp_path: Path) -> None:
    task = tabular(homes(6), "let", tmp_path).task()
    train, val = load_tables(task.spec.instructions, task.public)
    train = train.with_columns(pl.col(ID_COLUMN) + 1_000_000)
    assert "tell train rows" in Leak().look(rewritten(task, train, val)).check.evidence


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_places_that_are_not_those_of_the_ids(form: str, tmp_path: Path) -> None:
    task = tabular(homes(6), "rent", tmp_path).task()
    data = task.spec.instructions.data.model_copy(update={"format": form, "parts": 1})
    train, val = load_tables(task.spec.instructions, task.public)
    instructions = task.spec.instructions.model_copy(update={"data": data})
    task = task.model_copy(
        update={"spec": task.spec.model_copy(update={"instructions": instructions})}
    )
    finding = Leak().look(rewritten(task, train.sort("rent"), val))
    assert "order of their ids" in finding.check.evidence


@pytest.mark.parametrize("change", ["none", "jitter", "rounding"])
def test_val_rows_in_train(change: str, tmp_path: Path) -> None:
    task = tabular(homes(7), "rent", tmp_path).task()
    train, val = load_tables(task.spec.instructions, task.public)
    rows = val.join(pl.read_parquet(task.truth_file), on=ID_COLUMN).head(20).select(train.columns)
    if change == "jitter":
        rows = rows.with_columns(pl.col("rent", "area", "score") * (1 + 1e-6))
    if change == "rounding":
        rows = rows.with_columns(pl.col("rent").round(1), pl.col("score").round(3))
    rows = rows.with_columns(pl.col(ID_COLUMN) + 1_000_000)
    train = pl.concat([train, rows], how="vertical_relaxed")
    finding = Duplicates().look(rewritten(task, train, val))
    assert finding.check.verdict == "invalid"
    assert finding.check.value == 20


# --- series -----------------------------------------------------------------------------------

PAST = {
    "lead": pl.col("sales").shift(-1).over("shop"),
    "lead in another unit": 3 - 0.45 * pl.col("sales").shift(-4).over("shop"),
    "far lead": pl.col("sales").shift(-60).over("shop"),
    "centred average": pl.col("sales").rolling_mean(7, center=True).over("shop"),
    "average to come": pl.col("sales").rolling_mean(7).shift(-6).over("shop"),
    "rounded lead": pl.col("sales").shift(-2).over("shop").round(),
    "step to come": pl.col("sales").diff().shift(-1).over("shop"),
}
FUTURE = {
    "copy": pl.col("sales"),
    "other unit": pl.col("sales") * 1.8 + 32,
    "near copy": pl.col("sales") + pl.col("rain") / 8,
    "flag": (pl.col("sales") > pl.col("sales").quantile(0.6).over("shop")).cast(pl.Int64),
    "yesterday": pl.col("sales").shift(1).over("shop"),
    "trailing average": pl.col("sales").rolling_mean(7).over("shop"),
    "running total": pl.col("sales").cum_sum().over("shop"),
    "logarithm": pl.col("sales").log(),
    "as text": pl.when(pl.col("sales") > pl.col("sales").median().over("shop"))
    .then(pl.lit("busy"))
    .otherwise(pl.lit("calm")),
}


def with_column(
    task: TaskFolder, table: pl.DataFrame, planted: pl.Expr, val_too: bool
) -> TaskFolder:
    """The task with one more column, past the family that would have left it out."""
    instructions = task.spec.instructions
    extra = table.with_columns(planted.alias("zz")).select("day", "shop", "zz")
    train, val = load_tables(instructions, task.public)
    join = {"on": ["day", "shop"], "how": "left", "maintain_order": "left"}
    train = train.join(extra, **join)  # type: ignore[arg-type]
    val = val.join(extra, **join) if val_too else val  # type: ignore[arg-type]
    from transform.task import ColumnSpec

    kind = "text" if train["zz"].dtype == pl.String else "number"
    columns = (*instructions.columns, ColumnSpec(name="zz", type=kind))  # type: ignore[arg-type]
    data = instructions.data.model_copy(update={"format": "csv", "parts": 1})
    instructions = instructions.model_copy(update={"columns": columns, "data": data})
    task = task.model_copy(
        update={"spec": task.spec.model_copy(update={"instructions": instructions})}
    )
    return rewritten(task, train.with_columns(pl.col("day").cast(pl.Datetime)), val)


@pytest.mark.parametrize("leak", PAST)
def test_a_column_of_the_past_that_holds_the_future(leak: str, tmp_path: Path) -> None:
    table = shops(1)
    task = with_column(forecast(table, (), tmp_path).task(), table, PAST[leak], val_too=False)
    finding = Leak().look(task)
    assert finding.repair is not None, finding
    assert finding.repair.without_columns == ("zz",)


@pytest.mark.parametrize("leak", FUTURE)
def test_a_covariate_of_the_same_instant(leak: str, tmp_path: Path) -> None:
    table = shops(2)
    drawn = forecast(table, ("promo",), tmp_path)
    finding = Leak().look(with_column(drawn.task(), table, FUTURE[leak], val_too=True))
    assert finding.repair is not None, finding
    assert finding.repair.without_columns == ("zz",)


@pytest.mark.parametrize("leak", [*PAST, *FUTURE])
def test_the_family_leaves_them_out_by_itself(leak: str, tmp_path: Path) -> None:
    table = shops(3).with_columns((PAST | FUTURE)[leak].alias("zz"))
    task = forecast(table, ("promo", "zz"), tmp_path).task()
    assert task.spec.instructions.grid is not None
    assert task.spec.instructions.grid.known_covariates == ("promo",)
    finding = Leak().look(task)
    assert finding.check.verdict == "valid", finding


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("ahead", [(), ("promo",), ("promo", "price")])
def test_clean_series_pass(seed: int, ahead: tuple[str, ...], tmp_path: Path) -> None:
    task = forecast(shops(seed), ahead, tmp_path).task()
    assert task.spec.instructions.grid is not None
    assert task.spec.instructions.grid.known_covariates == ahead
    for gate in (Leak(), Duplicates()):
        finding = gate.look(task)
        assert finding.check.verdict == "valid", finding


def moved(task: TaskFolder, by: str) -> TaskFolder:
    """Train and val with the val instants moved."""
    train, val = load_tables(task.spec.instructions, task.public)
    return rewritten(task, train, val.with_columns(pl.col("day").dt.offset_by(by)))


def test_train_rows_at_or_after_the_cutoff(tmp_path: Path) -> None:
    task = moved(forecast(shops(4), (), tmp_path).task(), "-1d")
    finding = Leak().look(task)
    assert (finding.check.verdict, finding.repair) == ("invalid", None)
    assert "train reaches" in finding.check.evidence


def test_a_cut_inside_a_cell(tmp_path: Path) -> None:
    task = moved(forecast(shops(4), (), tmp_path).task(), "-10h")
    assert "part of the first scored cell" in Leak().look(task).check.evidence


def test_rows_finer_than_the_grid(tmp_path: Path) -> None:
    task = forecast(shops(4), (), tmp_path).task()
    train, val = load_tables(task.spec.instructions, task.public)
    noon = train.with_columns(pl.col("day").dt.offset_by("12h"), pl.col(ID_COLUMN) + 10_000)
    evidence = Leak().look(rewritten(task, pl.concat([train, noon]), val)).check.evidence
    assert "several rows in one cell" in evidence


def test_dates_that_were_sorted_as_text(tmp_path: Path) -> None:
    table = shops(5)
    day = table["day"].dt.strftime("%d/%m/%Y")
    last = day.unique().sort()[int(day.n_unique() * 0.9) :]
    task = forecast(table, (), tmp_path).task()
    instructions = task.spec.instructions
    late = day.is_in(last.implode())
    train, val = load_tables(instructions, task.public)
    rows = table.with_row_index(ID_COLUMN).with_columns(pl.col(ID_COLUMN).cast(pl.Int64))
    shutil.rmtree(task.public)
    sides = rows.filter(~late).select(train.columns), rows.filter(late).select(val.columns)
    write_tables(task.public, instructions.data, *(shipped(side) for side in sides))
    answers = rows.filter(late).select(ID_COLUMN, "sales")
    answers.write_parquet(task.truth_file)
    assert "train reaches" in Leak().look(task).check.evidence


def test_a_count_is_no_entity(tmp_path: Path) -> None:
    table = shops(6)
    task = forecast(table, (), tmp_path).task()
    train, val = load_tables(task.spec.instructions, task.public)
    counts = [
        pl.Series("shop", RNG.integers(0, 40, side.height).astype(str)) for side in (train, val)
    ]
    train, val = (s.with_columns(c).unique(["day", "shop"]).sort(ID_COLUMN)
                  for s, c in zip((train, val), counts, strict=True))  # fmt: skip
    assert "tell no series" in Leak().look(rewritten(task, train, val)).check.evidence

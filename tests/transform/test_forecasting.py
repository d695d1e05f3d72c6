"""Forecasting tasks: cut on the grid, observed values only, nothing of the future in train."""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extract.dataset import DatasetRef, Licence, RawDataset
from extract.drop import Drop
from extract.store import Store
from transform.families.forecasting import ForecastingConfig, draft_forecast
from transform.files.tables import read_task_tables
from transform.files.task_folder import Draft
from transform.plan import Plan
from transform.proposal import Feature, Frequency, Proposal, TimeAxis
from transform.rows.size import SizeConfig
from transform.rows.split import Split, cells, split_rows
from transform.series.seasonal_naive import season_length, seasonal_naive

REF = DatasetRef(owner="o", slug="s")
RAW = RawDataset(
    ref=REF,
    title="T",
    subtitle="",
    description="",
    tags=(),
    creator="c",
    url="https://example.org",
    updated_at=None,
    licence=Licence(spdx="CC0-1.0", tier="open", evidence=()),
    tables=(),
    skipped=(),
    sha256="0" * 64,
)
START = datetime(2015, 1, 1)


def series(
    n: int, step: timedelta, entities: tuple[str, ...] = ("a",), seed: int = 3
) -> pl.DataFrame:
    """`when, shop, sales, promo, temp`: a weekly pattern with noise, one row an instant."""
    rng = np.random.default_rng(seed)
    frames = [
        pl.DataFrame(
            {
                "when": [START + i * step for i in range(n)],
                "shop": [name] * n,
                "sales": 100 + 10 * np.sin(np.arange(n)) + rng.normal(size=n),
                "promo": rng.integers(0, 2, size=n),
                "temp": rng.normal(size=n),
            }
        )
        for name in entities
    ]
    return pl.concat(frames)


def propose(frequency: Frequency, resample: bool = False, **more: object) -> Proposal:
    fields: dict[str, object] = {
        "targets": ("sales",),
        "entities": ("shop",),
        "features": (Feature(name="promo", type="number"), Feature(name="temp", type="number")),
        **more,
    }
    return Proposal(
        dataset=REF,
        table="t",
        problem="forecasting",
        time=TimeAxis(column="when", frequency=frequency, resample=resample),
        reasons=(),
        proposer="test-1",
        **fields,  # type: ignore[arg-type]
    )


def drafts(
    frame: pl.DataFrame, proposal: Proposal, folder: Path, config: ForecastingConfig | None = None
) -> tuple[Draft | Drop, ...]:
    """With covariates where some are known in advance, and without."""
    split = split_rows(frame, [proposal])
    assert isinstance(split, Split), split
    made = []
    with tempfile.TemporaryDirectory() as place:
        file = split.write(Store(str(place)))
    for variant in ("ts-xf", "ts-cf"):
        plan = Plan(
            task_id=f"o__s__v1__{variant}-0", variant=variant, proposal=proposal, split=file
        )
        how = (config or ForecastingConfig(), SizeConfig(), folder)
        made.append(draft_forecast(RAW, frame, plan, split, *how))
    return tuple(made) if isinstance(made[0], Draft) else (made[1],)


def tables(draft: Draft | Drop) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Train, val and truth, parts joined; what holds for every forecast is asserted here."""
    assert isinstance(draft, Draft), draft
    assert draft.truth is not None
    instructions = draft.spec.instructions
    assert instructions.grid is not None
    parts = read_task_tables(draft.public, instructions)
    train, val = parts[0]
    for more_train, more_val in parts[1:]:
        train, val = train.join(more_train, on="row_id"), val.join(more_val, on="row_id")
    truth = pl.read_parquet(draft.truth_file)
    time = instructions.grid.column
    assert train[time].max() < val[time].min()  # type: ignore[operator]
    assert val.columns == [
        "row_id",
        time,
        *instructions.grid.entities,
        *instructions.grid.known_covariates,
    ]
    assert not set(instructions.targets) & set(val.columns)
    assert truth["row_id"].to_list() == val["row_id"].sort().to_list()
    assert sorted([*train["row_id"], *val["row_id"]]) == list(range(train.height + val.height))
    keys = [time, *instructions.grid.entities]
    assert not train.select(keys).is_duplicated().any()
    assert not val.select(keys).is_duplicated().any()
    return train, val, truth


def test_all_series_are_cut_at_one_instant(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "b", "c"))
    (draft,) = drafts(frame, propose("1d"), tmp_path)
    train, val, truth = tables(draft)
    assert train.columns == ["row_id", "when", "shop", "sales", "promo", "temp"]
    assert val["when"].n_unique() == 28
    assert val.height == 84
    assert train.group_by("shop").len()["len"].min() >= 8 * 28  # type: ignore[operator]
    solved = val.join(truth, on="row_id").drop("row_id")
    assert solved.join(frame, on=solved.columns, how="semi").height == 84


def test_nothing_of_the_future_stands_in_public(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "b"))
    made = drafts(frame, propose("1d", known_covariates=("promo",)), tmp_path)
    assert made
    for draft in made:
        train, val, _ = tables(draft)
        unseen = frame.filter(pl.col("when") >= val["when"].min())
        secret = {*unseen["sales"], *unseen["temp"]}
        shown = {cell for frame in (train, val) for row in frame.iter_rows() for cell in row}
        assert not secret & shown
        assert isinstance(draft, Draft)
        content = b"".join(path.read_bytes() for path in draft.public.iterdir())
        assert not [value for value in secret if repr(value).encode() in content]


def test_both_variants_share_rows_and_cutoff(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "b"))
    xf, cf = drafts(frame, propose("1d", known_covariates=("promo",)), tmp_path)
    assert isinstance(xf, Draft)
    assert isinstance(cf, Draft)
    assert (xf.spec.instructions.variant, cf.spec.instructions.variant) == ("ts-xf", "ts-cf")
    (xf_train, xf_val, _), (cf_train, cf_val, _) = tables(xf), tables(cf)
    assert "promo" in xf_val.columns
    assert "promo" not in cf_val.columns
    order = ["shop", "when"]
    for one, other in ((xf_train, cf_train), (xf_val.drop("promo"), cf_val)):
        assert_frame_equal(one.drop("row_id").sort(order), other.drop("row_id").sort(order))
        assert one["row_id"].to_list() != other["row_id"].to_list()


def test_row_ids_say_nothing_of_time(tmp_path: Path) -> None:
    (draft,) = drafts(series(2000, timedelta(days=1)), propose("1d"), tmp_path)
    train, _, _ = tables(draft)
    assert abs(np.corrcoef(train["row_id"], train["when"].dt.epoch())[0, 1]) < 0.1
    assert abs(np.corrcoef(train["row_id"], train["sales"])[0, 1]) < 0.1


def test_resampling_scores_whole_cells_of_observed_values(tmp_path: Path) -> None:
    frame = series(24 * 400 + 5, timedelta(hours=1)).with_columns(
        pl.col("when") + timedelta(hours=7, minutes=30)
    )
    empty_day = pl.col("when").dt.date() == datetime(2016, 1, 20).date()
    frame = frame.with_columns(pl.when(~empty_day).then("sales").alias("sales"))
    proposal = propose(
        "1d", resample=True, aggregations=(("sales", "sum"), ("promo", "max"), ("temp", "last"))
    )
    (draft,) = drafts(frame, proposal, tmp_path)
    train, val, truth = tables(draft)
    assert val["when"].dt.hour().unique().to_list() == [0]
    assert datetime(2015, 1, 1) not in train["when"]
    assert datetime(2016, 1, 20) not in [*train["when"], *val["when"]]
    days = frame.group_by(pl.col("when").dt.truncate("1d")).agg(
        pl.col("sales").sum(), pl.col("promo").max(), pl.col("temp").last(), pl.len()
    )
    solved = pl.concat(
        [train.select("when", "sales"), val.join(truth, on="row_id").select("when", "sales")]
    ).join(days, on="when")
    assert np.allclose(solved["sales"], solved["sales_right"], rtol=1e-11)
    assert solved["len"].unique().to_list() == [24]
    assert train.join(days, on="when").filter(pl.col("temp") != pl.col("temp_right")).is_empty()
    raw_values = set(frame["sales"])
    assert not raw_values & set(train["sales"])


def test_means_of_series_count_what_was_seen(tmp_path: Path) -> None:
    frame = series(24 * 300, timedelta(hours=1), ("a", "b"))
    (draft,) = drafts(frame, propose("1d", resample=True), tmp_path)
    train, _, _ = tables(draft)
    days = frame.group_by(pl.col("when").dt.truncate("1d"), "shop").agg(pl.col("sales").mean())
    both = train.join(days, on=["when", "shop"])
    assert both.height == train.height
    assert np.allclose(both["sales"], both["sales_right"], rtol=1e-11)


@pytest.mark.parametrize(("frequency", "months"), [("1mo", 1), ("1q", 3)])
def test_calendar_grids_keep_the_instants_of_the_source(
    tmp_path: Path, frequency: Frequency, months: int
) -> None:
    n = 260
    ends = pl.datetime_range(
        datetime(1900, 1, 1), datetime(2020, 1, 1), f"{months}mo", eager=True
    ).head(n)
    frame = series(len(ends), timedelta(days=1)).with_columns(ends.dt.month_end().alias("when"))
    (draft,) = drafts(frame, propose(frequency), tmp_path)
    _, val, _ = tables(draft)
    assert (val["when"] == val["when"].dt.month_end()).all()
    assert cells(val["when"], frequency).n_unique() == val.height == 24


def test_instants_that_share_a_cell_go_to_its_start(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "b")).with_columns(
        pl.when(pl.col("shop") == "b")
        .then(pl.col("when") + timedelta(hours=5))
        .otherwise("when")
        .alias("when")
    )
    (draft,) = drafts(frame, propose("1d"), tmp_path)
    train, val, _ = tables(draft)
    assert train["when"].dt.hour().unique().to_list() == [0]
    assert val["when"].n_unique() == 28


def test_ambiguous_instants_are_left_out(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1))
    twice = frame[[50, 60]].with_columns(pl.col("sales") + pl.Series([0.0, 1.0]))
    (draft,) = drafts(pl.concat([frame, twice]), propose("1d"), tmp_path)
    train, _, _ = tables(draft)
    assert frame["when"][50] in train["when"]
    assert frame["when"][60] not in train["when"]
    assert isinstance(draft, Draft)
    assert "several different rows, were left out" in (draft.public / "metadata.md").read_text()


def test_gaps_shorten_nothing_that_is_scored(tmp_path: Path) -> None:
    frame = series(900, timedelta(days=1)).filter(pl.col("when").dt.weekday() < 6)
    (draft,) = drafts(frame, propose("1d"), tmp_path)
    _, val, _ = tables(draft)
    assert val.height == 28
    assert isinstance(draft, Draft)
    assert draft.truth is not None
    assert json.loads(draft.truth.skill or "")["entities"][0]["season"] == 5


def test_short_and_ended_series_are_left_out(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "ended", "new", "z"))
    when = pl.col("when")
    frame = frame.filter(
        ~((pl.col("shop") == "ended") & (when > START + timedelta(days=300)))
        & ~((pl.col("shop") == "new") & (when < START + timedelta(days=500)))
    )
    (draft,) = drafts(frame, propose("1d"), tmp_path)
    train, val, _ = tables(draft)
    assert set(train["shop"]) == set(val["shop"]) == {"a", "z"}


def test_only_the_longest_series_are_kept(tmp_path: Path) -> None:
    names = tuple("hgfedcba")
    frame = series(500, timedelta(days=1), names)
    config = ForecastingConfig(max_entities=3, max_train_rows=900)
    (draft,) = drafts(frame, propose("1d"), tmp_path, config)
    train, val, _ = tables(draft)
    assert set(val["shop"]) == {"a", "b", "c"}
    assert train.height == 900
    assert train.group_by("shop").len()["len"].unique().to_list() == [300]


def test_entities_are_combinations(tmp_path: Path) -> None:
    frame = series(500, timedelta(days=1), ("a", "b")).with_columns(pl.lit(1).alias("item"))
    frame = pl.concat([frame, frame.with_columns(pl.lit(2).alias("item"))])
    (draft,) = drafts(frame, propose("1d", entities=("shop", "item")), tmp_path)
    _, val, _ = tables(draft)
    assert val.select("shop", "item").n_unique() == 4
    (one,) = drafts(series(500, timedelta(days=1)), propose("1d", entities=()), tmp_path)
    assert tables(one)[1].columns == ["row_id", "when"]


def test_years_as_numbers_become_instants(tmp_path: Path) -> None:
    frame = series(300, timedelta(days=1)).with_columns(pl.Series("when", range(1700, 2000)))
    (draft,) = drafts(frame, propose("1y"), tmp_path)
    _, val, _ = tables(draft)
    assert val["when"].dt.year().n_unique() == val.height >= 24


def test_too_short_a_history_is_refused(tmp_path: Path) -> None:
    frame = series(250, timedelta(days=1), ("a", "b"))
    frame = frame.filter(pl.col("when").dt.ordinal_day() % 2 == (pl.col("shop") == "a"))
    (drop,) = drafts(frame, propose("1d"), tmp_path)
    assert isinstance(drop, Drop)
    assert (drop.reason, drop.variant, drop.threshold) == ("too_small", "ts-cf", 192)
    assert list(tmp_path.iterdir()) == []


def test_what_gives_the_target_away_is_not_known_ahead(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "b")).with_columns(
        (pl.col("sales") * 1.8 + 32).alias("fahrenheit"),
        pl.col("sales").shift(1).over("shop").alias("yesterday"),
        pl.col("sales").shift(-1).over("shop").alias("tomorrow"),
        pl.when(pl.col("shop") == "a").then("sales").otherwise(-pl.col("sales")).alias("signed"),
        (pl.col("sales") > 105).cast(pl.Int64).alias("busy"),
        pl.col("sales").rolling_mean(7).over("shop").alias("week"),
        pl.col("sales").rolling_mean(7, center=True).over("shop").alias("smooth"),
        pl.col("sales").cum_sum().over("shop").alias("total"),
        (pl.col("sales") + pl.col("temp") / 4).alias("nearly"),
    )
    names = (
        *("promo", "fahrenheit", "yesterday", "tomorrow", "signed"),
        *("busy", "week", "smooth", "total", "nearly"),
    )
    proposal = propose(
        "1d",
        known_covariates=names,
        features=tuple(Feature(name=name, type="number") for name in names),
    )
    xf, _ = drafts(frame, proposal, tmp_path)
    train, val, _ = tables(xf)
    assert val.columns == ["row_id", "when", "shop", "promo"]
    assert {"yesterday", "week", "total", "busy"} <= set(train.columns)
    assert not {"tomorrow", "smooth"} & set(train.columns)


def test_calendar_and_names_alone_make_no_covariate(tmp_path: Path) -> None:
    frame = series(1200, timedelta(days=1), ("a", "b")).with_columns(
        pl.col("when").dt.weekday().alias("weekday"),
        (pl.col("when").dt.weekday() > 5).alias("weekend"),
        pl.col("when").dt.year().alias("year"),
        pl.col("shop").str.to_uppercase().alias("kind"),
        pl.col("when").dt.epoch("d").alias("clock"),
    )
    names = ("weekday", "weekend", "year", "kind", "clock")
    (only,) = drafts(frame, propose("1d", known_covariates=names), tmp_path)
    assert isinstance(only, Draft)
    assert only.spec.instructions.variant == "ts-cf"
    xf, _ = drafts(frame, propose("1d", known_covariates=(*names, "promo")), tmp_path)
    assert set(tables(xf)[1].columns) == {"row_id", "when", "shop", "promo", *names}


def test_skill_holds_the_error_of_seasonal_naive(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1), ("a", "b"))
    (draft,) = drafts(frame, propose("1d"), tmp_path)
    train, val, truth = tables(draft)
    assert isinstance(draft, Draft)
    assert draft.truth is not None
    entities = json.loads(draft.truth.skill or "")["entities"]
    assert sorted(i for entity in entities for i in entity["row_ids"]) == sorted(val["row_id"])
    for entity, shop in zip(entities, ("a", "b"), strict=True):
        rows = val.filter(pl.col("row_id").is_in(entity["row_ids"]))
        assert rows["shop"].unique().to_list() == [shop]
        future = rows.join(truth, on="row_id").sort("when")["sales"].to_numpy()
        past = train.filter(pl.col("shop") == shop).sort("when")["sales"].to_numpy()[-7:]
        assert entity["season"] == 7
        assert entity["mae"]["sales"] == pytest.approx(np.abs(future - np.tile(past, 4)).mean())


def test_several_targets_and_missing_ones(tmp_path: Path) -> None:
    frame = series(700, timedelta(days=1)).with_row_index("i")
    frame = frame.with_columns(pl.when(pl.col("i") % 50 > 0).then("temp").alias("temp"))
    proposal = propose("1d", targets=("sales", "temp"), features=())
    (draft,) = drafts(frame, proposal, tmp_path)
    train, _, truth = tables(draft)
    assert truth.columns == ["row_id", "sales", "temp"]
    assert truth.null_count().row(0) == (0, 0, 0)
    assert train["temp"].null_count() == 0
    assert isinstance(draft, Draft)
    assert draft.truth is not None
    assert set(draft.truth.grading.atol) == {"sales", "temp"}


def test_seasonal_naive_repeats_the_last_season() -> None:
    history = np.array([9.0, 1.0, 2.0, 3.0])
    assert seasonal_naive(history, 3, [0, 1, 2, 3, 7]).tolist() == [1, 2, 3, 1, 2]
    assert seasonal_naive(history, 12, [0, 5]).tolist() == [3, 3]


def test_seasons_follow_frequency_and_open_days() -> None:
    days = pl.datetime_range(START, START + timedelta(days=400), "1d", eager=True)
    assert season_length("1d", days) == 7
    assert season_length("1d", days.filter(days.dt.weekday() < 7)) == 6
    assert season_length("15min", days) == 96
    assert season_length("1y", days) == 1


BYTES = """
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, str(Path("tests/transform").resolve()))
from test_forecasting import drafts, propose, series
frame = series(9000, timedelta(hours=1), ("a", "b"))
for draft in drafts(frame, propose("1d", True, known_covariates=("promo",)), Path(sys.argv[1])):
    print(draft.spec.model_dump_json(), draft.truth.sha256, draft.truth.skill)
"""


@pytest.mark.slow
def test_two_processes_lay_out_the_same_bytes(tmp_path: Path) -> None:
    outputs = set()
    for seed, threads in (("1", "1"), ("2", "4")):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "POLARS_MAX_THREADS": threads,
            "PYTHONPATH": ".",
        }
        command = [sys.executable, "-c", BYTES, str(tmp_path / seed)]
        outputs.add(
            subprocess.run(command, env=environment, check=True, capture_output=True).stdout
        )
    assert len(outputs) == 1
    assert b"ts-xf" in outputs.pop()

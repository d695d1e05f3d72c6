import json
import os
import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.dataset import DatasetRef
from extract.drop import Drop
from transform.proposal import Feature, Frequency, Proposal, TimeAxis
from transform.rows.size import SizeConfig
from transform.rows.split import Split, Splitting, as_instants, cells, split_rows

SMALL = Splitting(size=SizeConfig(min_train_rows=20, min_val_rows=10))
ROOT = Path(__file__).parents[3]


def proposal(**fields: Any) -> Proposal:
    names = fields.pop("names", ("x",))
    return Proposal(
        dataset=DatasetRef(owner="owner", slug="slug"),
        table="t",
        features=tuple(Feature(name=name, type="number") for name in names),
        reasons=(),
        proposer="test",
        **{"problem": "regression", "targets": ("y",), **fields},
    )


def forecast(frequency: Frequency = "1d", resample: bool = False, **fields: Any) -> Proposal:
    axis = TimeAxis(column="d", frequency=frequency, resample=resample)
    return proposal(problem="forecasting", time=axis, **fields)


def done(split: Split | Drop) -> Split:
    assert isinstance(split, Split), split
    return split


def days(n: int, per_day: int = 1) -> list[date]:
    return [date(2020, 1, 1) + timedelta(days=i // per_day) for i in range(n)]


def table(n: int, **columns: list[Any]) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n), **columns})


# --- by time ---------------------------------------------------------------------------------


def test_time_split_cuts_at_an_instant_and_leaves_rows_without_one_out() -> None:
    frame = table(1_000, d=[*days(900, 3), *[None] * 100]).sample(fraction=1, shuffle=True, seed=1)
    split = done(split_rows(frame, [proposal(split_column="d")]))
    assert split.kind == "time"
    assert split.cutoff is not None
    late = frame["d"].cast(pl.Datetime("us")) >= split.cutoff
    assert split.held_out.to_list() == late.to_list()
    assert split.held_out.null_count() == 100
    assert 0.15 <= split.held_out.mean() <= 0.25  # type: ignore[operator]


def test_forecasts_and_predictions_share_one_cut_on_the_grid() -> None:
    frame = table(1_200, d=days(1_200, 4))
    both = [forecast(), proposal(split_column="d")]
    split = done(split_rows(frame, both))
    assert split.cutoff is not None
    assert split.cutoff.date() in frame["d"].to_list()
    held = frame.filter(split.held_out)["d"].n_unique()
    history = frame.filter(~split.held_out)["d"].n_unique()
    assert SizeConfig().horizon(history, held) >= 24
    assert split_rows(frame, both[::-1]).key == split.key  # type: ignore[union-attr]


def test_a_short_series_is_cut_late() -> None:
    split = done(split_rows(table(220, d=days(220)), [forecast()]))
    assert 24 <= int(split.held_out.sum()) <= 28


def test_a_gathered_grid_is_cut_between_cells() -> None:
    frame = table(4_000, d=days(4_000, 2))
    split = done(split_rows(frame, [forecast("1w", resample=True)]))
    assert split.cutoff is not None
    assert split.cutoff.weekday() == 0
    grid = cells(frame["d"], "1w")
    assert grid.filter(split.held_out).min() > grid.filter(~split.held_out).max()  # type: ignore[operator]


def test_years_as_numbers_are_instants() -> None:
    frame = table(1_000, year=[1990 + i // 40 for i in range(1_000)])
    split = done(split_rows(frame, [proposal(split_column="year")]))
    assert split.cutoff == datetime(2010, 1, 1)
    assert as_instants(pl.Series([0, 1990, None])).to_list() == [None, datetime(1990, 1, 1), None]


def test_too_few_instants_or_rows_drop() -> None:
    for frame in (table(1_000, d=days(1_000, 500)), table(250, d=days(250))):
        drop = split_rows(frame, [proposal(split_column="d")])
        assert isinstance(drop, Drop)
        assert drop.reason == "too_small"


def test_proposals_that_disagree_drop() -> None:
    frame = table(1_000, d=days(1_000), e=days(1_000))
    for pair in (
        [proposal(split_column="d"), proposal(split_column="e")],
        [proposal(split_column="d"), proposal()],
        [forecast(), forecast("1w")],
        [proposal(group_column="x"), proposal()],
    ):
        drop = split_rows(frame, pair)
        assert isinstance(drop, Drop)
        assert drop.reason == "no_proposal"


# --- by group, or at random ------------------------------------------------------------------


@given(
    n=st.integers(60, 300),
    groups=st.integers(10, 60),
    values=st.integers(3, 40),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_straddles(n: int, groups: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "g": [None if g == 0 else f"g{g}" for g in rng.integers(0, groups, n)],
            "x": rng.integers(0, values, n),
            "z": [None if z == 0 else float(z) for z in rng.integers(0, values, n)],
            "y": rng.integers(0, 3, n),
        }
    )
    first = proposal(problem="classification", names=("x", "z"), group_column="g")
    second = proposal(targets=("z",), names=("x",), group_column="g")
    split = split_rows(frame, [first, second], SMALL)
    if isinstance(split, Drop):
        assert split.reason == "too_small"
        return
    train, held = frame.filter(~split.held_out), frame.filter(split.held_out)
    assert split.held_out.null_count() == 0
    assert train.height >= 20
    assert held.height >= 10
    for columns in (["x", "z", "y"], ["x", "z"]):
        assert held.join(train, on=columns, how="semi", nulls_equal=True).is_empty()
    assert held.drop_nulls("g").join(train, on="g", how="semi").is_empty()


@given(
    counts=st.lists(st.integers(25, 300), min_size=2, max_size=6),
    second=st.integers(2, 4),
    seed=st.integers(0, 1_000),
)
@settings(max_examples=40, deadline=None)
def test_every_class_is_on_both_sides(counts: list[int], second: int, seed: int) -> None:
    counts = [300, *counts]
    n = sum(counts)
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    other = rng.integers(0, second, n)
    frame = table(n, y1=labels.tolist(), y2=[f"c{v}" for v in other])
    both = [proposal(problem="classification", targets=(name,)) for name in ("y1", "y2")]
    split = done(split_rows(frame, both))
    assert abs(int(split.held_out.sum()) - max(100, round(0.2 * n))) <= len(counts)
    for name in ("y1", "y2"):
        for side in (split.held_out, ~split.held_out):
            rows = frame.filter(side)[name].value_counts()
            assert rows.height == frame[name].n_unique()
            assert rows["count"].min() >= 5  # type: ignore[operator]


def test_rows_that_are_nearly_equal_or_have_equal_features_do_not_straddle() -> None:
    frame = table(1_000, z=list(range(1_000)), label=[f"c{i % 3}" for i in range(1_000)])
    moved = frame[::2].with_columns(pl.col("x") * (1 + 1e-6))
    other = frame[1::4].with_columns(pl.lit("c9").alias("label"))
    both = pl.concat([frame, moved, other])
    task = proposal(problem="classification", names=("x", "z"), targets=("label",))
    split = done(split_rows(both, [task]))
    sides = both.with_columns(split.held_out).group_by("z").agg(pl.col("held_out").n_unique())
    assert sides["held_out"].max() == 1


def test_features_that_many_rows_share_bind_only_equal_rows() -> None:
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({"x": rng.integers(0, 4, 2_000), "y": rng.normal(size=2_000)})
    assert abs(int(done(split_rows(frame, [proposal()])).held_out.sum()) - 400) <= 40


def test_the_smallest_table_is_split() -> None:
    split = done(split_rows(table(300), [proposal()]))
    assert int(split.held_out.sum()) == 100
    drop = split_rows(table(299), [proposal()])
    assert isinstance(drop, Drop)
    assert (drop.value, drop.threshold) == (299, 300)


def test_one_unit_that_is_everything_drops() -> None:
    frame = pl.DataFrame({"x": [1] * 500, "y": [2] * 500})
    drop = split_rows(frame, [proposal()])
    assert isinstance(drop, Drop)
    assert drop.reason == "too_small"


def test_boolean_and_float_labels_are_strata() -> None:
    flags = [i % 10 == 0 for i in range(1_000)]
    for labels in (flags, [float(flag) for flag in flags]):
        frame = table(1_000, label=labels)
        split = done(split_rows(frame, [proposal(problem="classification", targets=("label",))]))
        # One more where the last unit is a pair.
        assert frame.filter(split.held_out)["label"].cast(pl.Int64).sum() in (20, 21)


def test_seed_and_table_decide_the_draw() -> None:
    frame = table(1_000)
    keys = {done(split_rows(frame, [proposal()], Splitting(seed=seed))).key for seed in range(3)}
    assert len(keys) == 3
    assert done(split_rows(frame, [proposal()])).key in keys


_PRINT = """
import sys, polars as pl
from transform.proposal import Proposal
from transform.rows.split import split_rows
frame = pl.DataFrame({"x": [i * 7919 % 1009 for i in range(1000)], "y": list(range(1000))})
print(split_rows(frame, [Proposal.model_validate_json(sys.argv[1])]).key)
"""


@pytest.mark.slow
def test_two_processes_agree() -> None:
    text = proposal(names=("x",), targets=("y",)).model_dump_json()
    keys = set()
    for seed, threads in (("0", "1"), ("1", "2")):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "POLARS_MAX_THREADS": threads,
            "PYTHONPATH": str(ROOT),
        }
        run = subprocess.run(
            [sys.executable, "-c", _PRINT, text],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        keys.add(run.stdout)
    assert len(keys) == 1
    assert json.loads(text)["targets"] == ["y"]

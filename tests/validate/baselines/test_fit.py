"""What solvers reach on tables and series whose truth is known, and the same twice."""

import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

from extract.memory import Memory
from extract.store import Store
from tests.validate.baselines.made import executed_task, noise, series_task, table_task
from transform.files.parquet import write_parquet
from transform.files.task_folder import TaskFolder
from validate.baselines.fit import BaselineFits, fit_baselines, fitted_baselines
from validate.baselines.solver import case_of
from validate.environments.executor import Executor, ExecutorConfig

N = 600


def scores(fits: BaselineFits) -> dict[str, float]:
    return {baseline.solver: baseline.score for baseline in fits.baseline_scores.baselines}


def table(**columns: Sequence[object]) -> pl.DataFrame:
    rng = random.Random("table")
    made = {"a": noise(N, "a"), "b": noise(N, "b"), "kind": rng.choices(["x", "y", "z"], k=N)}
    return pl.DataFrame({**made, **columns})


def test_ridge_finds_a_line(tmp_path: Path) -> None:
    rest = zip(noise(N, "a"), noise(N, "b"), noise(N, "c"), strict=True)
    frame = table(y=[3 * a - 2 * b + 0.3 * c for a, b, c in rest])
    fits = fit_baselines(table_task(tmp_path, frame, ("y",), "reg-mm"))
    reached = scores(fits)
    assert reached["linear"] > 0.97
    assert reached["chance"] == 0
    assert reached["majority_or_mean"] == 0
    assert 0.5 < reached["one_feature"] < 0.8
    assert fits.single_features == ("a",)
    assert (fits.baseline_scores.floor, fits.baseline_scores.p_value) == (0, 0.001)
    assert fits.baseline_scores.ceiling == max(reached.values())


def test_classes_need_not_be_balanced_and_chance_is_not_the_majority(tmp_path: Path) -> None:
    labels = [
        "rare" if a + b > 1.6 else "usual"
        for a, b in zip(noise(N, "a"), noise(N, "b"), strict=True)
    ]
    fits = fit_baselines(table_task(tmp_path, table(y=labels), ("y",), "class-mm"))
    assert scores(fits)["tuned_booster"] > 0.75
    assert 0.4 < scores(fits)["majority_or_mean"] < 0.5
    assert fits.signals[0].chance > scores(fits)["majority_or_mean"]


def test_noise_has_a_large_p_value(tmp_path: Path) -> None:
    labels = random.Random("labels").choices(["yes", "no"], k=N)
    fits = fit_baselines(table_task(tmp_path, table(y=labels), ("y",), "class-mm"))
    assert fits.baseline_scores.p_value > 0.01
    assert fits.signals[0].gap < 0.05


def test_several_targets_of_several_types_are_answered_together(tmp_path: Path) -> None:
    kinds = [int(a > 0) for a in noise(N, "a")]
    words = ["up" if b > 0 else "down" for b in noise(N, "b")]
    fits = fit_baselines(table_task(tmp_path, table(y=kinds, w=words), ("y", "w"), "class-mm"))
    assert fits.single_features == ("a", "b")
    assert scores(fits)["one_feature"] > 0.97
    assert [signal.target for signal in fits.signals] == ["y", "w"]
    assert all(signal.gap > 0.4 for signal in fits.signals)


def test_hostile_cells_break_no_solver(tmp_path: Path) -> None:
    rng = random.Random("hostile")
    frame = table(
        empty=[None] * N,
        huge=[rng.choice([1e308, -1e308, 0.0, None]) for _ in range(N)],
        names=[f"=cmd|{i}" for i in range(N)],
        rare=["always"] * (N - 5) + ["never seen"] * 5,
        y=[a + (1e6 if i == 7 else 0) for i, a in enumerate(noise(N, "a"))],
    )
    fits = fit_baselines(table_task(tmp_path, frame, ("y",), "reg-mm"))
    assert all(0 <= score <= 1 for score in scores(fits).values())


def test_a_table_without_features_or_variety_still_has_baselines(tmp_path: Path) -> None:
    bare = fit_baselines(
        table_task(tmp_path / "bare", table().select(pl.col("a").alias("y")), ("y",), "reg-mm")
    )
    assert bare.single_features == ()
    assert bare.baseline_scores.ceiling == 0
    still = fit_baselines(table_task(tmp_path / "still", table(y=["one"] * N), ("y",), "class-mm"))
    assert still.baseline_scores.p_value == 1


def test_solvers_see_no_truth(tmp_path: Path) -> None:
    task = table_task(tmp_path, table(y=noise(N, "y")), ("y",), "reg-mm")
    case = case_of(task)
    assert "y" not in case.val.columns
    write_parquet(pl.read_parquet(task.truth_file).with_columns(y=pl.lit(0.0)), task.truth_file)
    assert case_of(task).train.equals(case.train)


# --- series -----------------------------------------------------------------------------------


def weekly(level: float, seed: str, n: int = 420) -> list[float]:
    errors = noise(n, seed)
    return [level + 10 * math.sin(i * 2 * math.pi / 7) + 2 * errors[i] for i in range(n)]


def test_seasonal_naive_has_no_skill_and_better_forecasters_have(tmp_path: Path) -> None:
    fits = fit_baselines(series_task(tmp_path, {"a": weekly(50, "a"), "b": weekly(80, "b")}, 28))
    skills = {baseline.solver: baseline.skill for baseline in fits.baseline_scores.baselines}
    assert skills["seasonal_naive"] == 0
    assert skills["mean"] == skills["last"] == 0
    for solver in ("theta", "ridge", "booster", "tuned_booster"):
        assert (skills[solver] or 0) > 0.1, skills
    assert max(skill or 0 for skill in skills.values()) > 0.2
    assert "one_feature" not in skills


def test_covariates_of_the_future_are_used(tmp_path: Path) -> None:
    promo = [float(value > 0.3) for value in noise(420, "promo")]
    series = {
        name: [y + 30 * p for y, p in zip(weekly(100, name), promo, strict=True)] for name in "ab"
    }
    fits = fit_baselines(
        series_task(tmp_path, series, 28, {"promo": promo, "other": noise(420, "o")})
    )
    reached = scores(fits)
    assert fits.single_features == ("promo",)
    assert 0.5 < reached["one_feature"] < 0.95
    assert reached["ridge"] > 0.9 > reached["theta"]
    assert reached["tuned_booster"] > 0.9


def test_a_short_or_constant_series_breaks_no_forecaster(tmp_path: Path) -> None:
    odd = {"flat": [5.0] * 60, "walk": noise(60, "w")}
    fits = fit_baselines(series_task(tmp_path, odd, 24, frequency="5min"))
    assert all(0 <= score <= 1 for score in scores(fits).values())


# --- executed truth ---------------------------------------------------------------------------


def test_a_reference_is_compared_with_the_true_targets(tmp_path: Path) -> None:
    labels = ["up" if a > 0 else "down" for a in noise(N, "a")]
    task = table_task(tmp_path, table(y=labels), ("y",), "class-mm")
    right = pl.read_parquet(task.truth_file)
    good = fit_baselines(executed_task(tmp_path, task, right))
    assert scores(good)["reference"] == 1
    assert set(scores(good)) == {"chance", "majority_or_mean", "reference"}
    assert good.baseline_scores.p_value == 0.001
    mixed = right.with_columns(pl.col("y").shuffle(seed=1))
    assert fit_baselines(executed_task(tmp_path, task, mixed)).baseline_scores.p_value > 0.01


def test_no_baselines_without_the_true_targets(tmp_path: Path) -> None:
    task = table_task(tmp_path, table(y=noise(N, "y")), ("y",), "reg-mm")
    executed = executed_task(tmp_path, task, pl.read_parquet(task.truth_file))
    executed.held_out_file.unlink()
    with pytest.raises(FileNotFoundError):
        fit_baselines(executed)


# --- once for all gates -----------------------------------------------------------------------


def test_baselines_are_fitted_once_and_again_for_another_truth(tmp_path: Path) -> None:
    task = table_task(tmp_path, table(y=noise(N, "a")), ("y",), "reg-mm")
    memory = Memory(Store(str(tmp_path / "store")).opened())
    with Executor(ExecutorConfig(), memory=memory) as executor:
        first = fitted_baselines(task, executor)
        assert fitted_baselines(task, executor) == first
        assert memory.counts() == {"fit_baselines": (1, 1)}
        truth = pl.read_parquet(task.truth_file)
        write_parquet(truth.with_columns(pl.col("y").shuffle(seed=1)), task.truth_file)
        second = fitted_baselines(task, executor)
    assert first.baseline_scores.ceiling > 0.9
    assert second.baseline_scores.ceiling < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["class-mm", "reg-mm", "ts-xf", "ts-cf"])
def test_another_process_reaches_the_same(tasks: Mapping[str, TaskFolder], variant: str) -> None:
    task = tasks[variant]
    with Executor(ExecutorConfig()) as executor:
        assert fitted_baselines(task, executor) == fit_baselines(task)

"""Planted answers are found wherever they are put; coincidence is not an answer."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from publish.release import PublishError
from publish.search.answer_leaks import find_answer_leaks
from publish.search.siblings import RowKeys, moved_columns, row_keys, telling_columns
from tests.publish.conftest import STORE, publish_all

N_TRAIN = 45


@pytest.fixture
def publish_with(
    workshop: Any, build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Publishes the build with other tasks, without the last repair, so that findings stop it."""
    monkeypatch.setattr("publish.folder.tasks_to_withhold", lambda leaks: {})

    def run(*items: Any) -> Path:
        ids = {item.task.spec.task_id for item in items}
        kept = [item for item in build.released if item.task.spec.task_id not in ids]
        out = tmp_path / "release"
        publish_all([*kept, *items], build.sources, out, [])
        return out

    return run


def _remake(workshop: Any, source: Any, variant: str, **tables: pl.DataFrame) -> Any:
    """The task made again with other tables."""
    earlier = next(workshop.folder.glob(f"ann__{source.ref.slug}__v2__{variant}-*"), None)
    formats = {"reg-mm": "csv", "reg-if": "parquet", "ts-cf": "sqlite"}
    if earlier:
        shutil.rmtree(earlier)
    return workshop.released(source, variant, formats[variant], **tables)


def test_finds_nothing_in_a_good_release(publish_with: Any) -> None:
    assert find_answer_leaks(publish_with()) == ()


@pytest.mark.parametrize("variant", ["reg-mm", "reg-if", "ts-cf"])
def test_finds_one_held_out_row_in_a_train_table(
    workshop: Any, build: Any, publish_with: Any, variant: str
) -> None:
    source = build.sources[5]
    rows = workshop.rows(source)
    leaking = pl.concat(
        [rows[:N_TRAIN], rows[-1:].with_columns(row_id=pl.lit(999, dtype=pl.Int64))]
    )
    with pytest.raises(PublishError, match=rf"train of ann__open5__v2__{variant}.*holds 1 of 15"):
        publish_with(_remake(workshop, source, variant, train=leaking))


def test_finds_rows_written_in_another_form(workshop: Any, build: Any, publish_with: Any) -> None:
    source = build.sources[5]
    rows = workshop.rows(source)
    shown = rows[-2:].with_columns(pl.col("rooms").cast(pl.Float64), pl.col("day") + "T00:00:00")
    shown = shown.select(reversed(rows.columns))
    marked = rows.with_columns(pl.col("area").cast(pl.String), pl.col("rooms").cast(pl.Float64))
    marked = marked[:N_TRAIN].with_columns(
        area=pl.when(pl.int_range(N_TRAIN) > 0).then("area").otherwise(pl.lit("n/a"))
    )
    leaking = pl.concat([marked, shown.with_columns(pl.col("area").cast(str))], how="diagonal")
    with pytest.raises(PublishError, match=r"train of ann__open5__v2__reg-if.*holds 2 of 15"):
        publish_with(_remake(workshop, source, "reg-if", train=leaking))


def test_finds_the_target_in_a_siblings_val(workshop: Any, build: Any, publish_with: Any) -> None:
    source = build.sources[5]
    val = workshop.rows(source)[N_TRAIN:].drop("rooms")
    with pytest.raises(PublishError, match=r"val of ann__open5__v2__reg-if.*holds 15 of 15"):
        publish_with(_remake(workshop, source, "reg-if", val=val))


def test_finds_the_target_in_its_own_val(workshop: Any, build: Any, publish_with: Any) -> None:
    source = build.sources[5]
    val = workshop.rows(source)[N_TRAIN:]
    with pytest.raises(PublishError, match=r"val of .*holds the target 'price'"):
        publish_with(_remake(workshop, source, "reg-mm", val=val))


def test_a_few_shared_columns_are_no_proof(workshop: Any, build: Any, publish_with: Any) -> None:
    source = build.sources[5]
    rows = workshop.rows(source)
    by_town = rows.select("row_id", "town", "price")
    by_town = by_town.with_columns(other=pl.int_range(60))
    assert find_answer_leaks(publish_with(_remake(workshop, source, "reg-if", train=by_town))) == ()


def test_chance_hits_in_columns_that_identify_no_row_are_no_proof(
    workshop: Any, build: Any, publish_with: Any
) -> None:
    source = build.sources[5]
    rows = workshop.rows(source)
    coarse = rows.with_columns((pl.col("area") / 40).floor(), pl.col("price") * 0 + 7)
    mm = _remake(workshop, source, "reg-mm", train=coarse[:N_TRAIN], val=coarse[N_TRAIN:, :-1])
    path = workshop.folder / "coarse.parquet"
    pl.DataFrame(coarse[N_TRAIN:].select("row_id", "price")).write_parquet(path)
    digest = STORE.add(path)
    truth = mm.task.truth.model_copy(update={"sha256": digest})
    mm = mm.model_copy(update={"task": mm.task.model_copy(update={"truth": truth})})
    other = coarse.drop("town", "day")
    assert (
        find_answer_leaks(publish_with(mm, _remake(workshop, source, "reg-if", train=other))) == ()
    )


def test_a_grid_that_names_every_label_at_every_instant_tells_none(
    workshop: Any, build: Any, publish_with: Any
) -> None:
    source = build.sources[5]
    rows = workshop.rows(source).with_columns(day=pl.format("2024-02-{}", pl.int_range(60)))
    mm = _remake(workshop, source, "reg-mm", train=rows[:N_TRAIN], val=rows[N_TRAIN:].drop("price"))
    days, prices = rows[N_TRAIN:].select("day"), rows[N_TRAIN:].select("price")
    grid = days.join(prices, how="cross").with_row_index("row_id")
    grid = grid.with_columns(pl.col("row_id").cast(pl.Int64), other=pl.lit(1.5))
    assert (
        find_answer_leaks(publish_with(mm, _remake(workshop, source, "reg-if", train=grid))) == ()
    )


def test_a_held_out_row_without_its_target_is_no_answer(
    workshop: Any, build: Any, publish_with: Any
) -> None:
    source = build.sources[5]
    rows = workshop.rows(source).with_columns(
        pl.when(pl.int_range(60) < N_TRAIN).then("price").alias("price")
    )
    assert find_answer_leaks(publish_with(_remake(workshop, source, "reg-if", train=rows))) == ()


def test_finds_hashes_and_strange_files(build: Any, publish_with: Any, tmp_path: Path) -> None:
    out = publish_with()
    truth = build.released[3].task.truth
    with (out / "README.md").open("a") as card:
        card.write(f"\nthe truth is {truth.sha256}\n")
    rejects = out / "data/rejects/rejects-00000-of-00001.parquet"
    table = pl.read_parquet(rejects)
    row = dict.fromkeys(table.columns) | {"key": "x", "evidence": f"={truth.sha256}="}
    pl.concat([table, pl.DataFrame([row], schema=table.schema)]).write_parquet(rejects)
    shard = out / "data/files/open-00000-of-00001.parquet"
    files = pl.read_parquet(shard)
    content = {
        "sha256": truth.sha256,
        "name": "a",
        "content": STORE.path(truth.sha256).read_bytes(),
    }
    pl.concat([files, pl.DataFrame([content], schema=files.schema)]).write_parquet(shard)
    places = {finding.place: finding for finding in find_answer_leaks(out)}
    assert set(places) == {
        "README.md",
        "data/rejects/rejects-00000-of-00001.parquet",
        "data/files/open-00000-of-00001.parquet",
        f"data/files: {truth.sha256}",
    }
    assert places["README.md"].task_id == build.released[3].task.spec.task_id


def test_finds_the_reference_program(workshop: Any, build: Any, publish_with: Any) -> None:
    item = build.released[8]
    assert item.task.truth.program
    asked = f"Run {item.task.truth.program}"
    spec = item.task.spec.model_copy(update={"literal_text": asked, "question": asked})
    item = item.model_copy(update={"task": item.task.model_copy(update={"spec": spec})})
    with pytest.raises(PublishError, match="the reference program"):
        publish_with(item)


def _wide(n: int) -> pl.DataFrame:
    """More rows than the workshop's, so that something can be concluded."""
    rng = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "row_id": rng.permutation(n),
            "area": rng.lognormal(4, 0.5, n),
            "town": rng.choice(["Ulm", "Hof"], n),
            "price": rng.lognormal(12, 0.4, n),
        }
    )


@pytest.mark.parametrize(
    ("column", "telling"),
    [
        (pl.col("price") * 0.9 + 5, True),
        (pl.col("price").log(), True),
        ((pl.col("price") / 1000).round(), True),
        (pl.col("area") * 2, False),
        (pl.col("price").shuffle(seed=1), False),
    ],
)
def test_a_column_beside_the_held_out_rows(column: pl.Expr, telling: bool) -> None:
    rows = _wide(400).drop("row_id")
    held_out = rows.tail(150)
    sibling = (
        rows.with_columns(column.alias("cost"))
        .drop("price")
        .tail(150)
        .sample(fraction=1, shuffle=True, seed=2)
    )
    columns = dict(telling_columns(held_out, ("price",), sibling))
    assert columns == ({"cost": 150} if telling else {})


@pytest.mark.parametrize(
    ("column", "sides"),
    [
        (pl.col("sales").shift(-3).over("shop") * 2, {"train", "val"}),
        (pl.col("sales").rolling_mean(5, center=True).over("shop"), {"train", "val"}),
        (pl.col("sales").rolling_mean(5).over("shop"), {"val"}),
        (pl.col("sales") * 2 - 1, {"val"}),
        (pl.col("rain"), set()),
    ],
)
def test_a_column_moved_in_time(column: pl.Expr, sides: set[str]) -> None:
    rng = np.random.default_rng(3)
    days = pl.date_range(pl.date(2023, 1, 1), pl.date(2024, 2, 4), eager=True).cast(str)
    table = pl.concat(
        pl.DataFrame({"day": days, "shop": [s] * 400}).with_columns(
            sales=pl.Series(rng.gamma(3, 20, 400)), rain=pl.Series(rng.gamma(1, 3, 400))
        )
        for s in ("a", "b")
    ).with_columns(column.alias("x"))
    late = pl.col("day") > days[370]
    past, future = table.filter(~late), table.filter(late)
    sibling = past.drop("sales"), future.drop("sales")
    keys = row_keys(future.select("day", "shop"))
    assert keys == RowKeys("day", ("shop",))
    pair = past.select("day", "shop", "sales"), future.select("day", "shop", "sales")
    moved_sides = {side for side, *_ in moved_columns(*pair, "sales", keys, sibling, {"rain"})}
    assert moved_sides == sides


def test_finds_answers_beside_ids_in_words(workshop: Any, build: Any, publish_with: Any) -> None:
    source = build.sources[5]
    held_out = workshop.rows(source)[N_TRAIN:]
    lines = [f"| {i} | {p} |" for i, p in held_out.select("row_id", "price").iter_rows()]
    remade = _remake(workshop, source, "reg-mm", question="\n".join(["Predict `price`.", *lines]))
    with pytest.raises(PublishError, match=r"question.*shows 15 answers of 'price' by id"):
        publish_with(remade)


def test_words_with_other_numbers_are_no_answers(
    workshop: Any, build: Any, publish_with: Any
) -> None:
    source = build.sources[5]
    rows = workshop.rows(source)[N_TRAIN:].select("row_id", pl.col("price").reverse())
    lines = [f"| {i} | {p} |" for i, p in rows.iter_rows()]
    remade = _remake(workshop, source, "reg-mm", question="\n".join(["Predict `price`.", *lines]))
    assert find_answer_leaks(publish_with(remade)) == ()

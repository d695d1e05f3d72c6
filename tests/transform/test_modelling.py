"""Open modelling tasks: the held-out targets are the truth and stand in no public file."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extract.dataset import DatasetRef, Licence, RawDataset
from extract.drop import Drop
from transform.families.modelling import ModellingConfig, draft_modelling
from transform.files.tables import read_task_tables
from transform.files.task_folder import Draft
from transform.plan import Plan, Repair, SplitFile
from transform.proposal import Feature, Proposal
from transform.rows.size import SizeConfig
from transform.rows.split import Split, split_rows
from transform.task import tabular_variant
from transform.task_id import identify

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
SIZE = SizeConfig()


def table(n: int = 1000) -> pl.DataFrame:
    rng = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "id": range(n),
            "day": [date(2020, 1, 1) + timedelta(days=i) for i in range(n)],
            "x": rng.normal(size=n),
            "y": rng.normal(size=n),
            "kind": [["a", "b", "c"][i % 3] for i in range(n)],
            "flag": [i % 2 == 0 for i in range(n)],
        }
    )


def propose(problem: str = "regression", target: str = "y", **more: object) -> Proposal:
    features = [("day", "time"), ("x", "number"), ("kind", "category"), ("flag", "category")]
    return Proposal(
        dataset=REF,
        table="t",
        problem=problem,  # type: ignore[arg-type]
        targets=(target,),
        features=tuple(
            Feature(name=name, type=kind)  # type: ignore[arg-type]
            for name, kind in features
            if name != target
        ),
        reasons=(),
        proposer="test-1",
        **more,  # type: ignore[arg-type]
    )


def draft(
    frame: pl.DataFrame,
    proposal: Proposal,
    folder: Path,
    split: Split | None = None,
    config: ModellingConfig | None = None,
    without_columns: tuple[str, ...] = (),
) -> Draft | Drop:
    made = split or split_rows(frame, [proposal])
    assert isinstance(made, Split)
    variant = tabular_variant(proposal.problem, executed=False)
    file = SplitFile(
        kind=made.kind,
        cutoff=made.cutoff,
        sha256="0" * 64,
        description=made.description,
        key=made.key,
    )
    plan = Plan(
        task_id=identify(proposal, variant, made),
        variant=variant,
        proposal=proposal,
        split=file,
        repair=Repair(without_columns=without_columns),
    )
    return draft_modelling(RAW, frame, plan, made, config or ModellingConfig(), SIZE, folder)


def laid_out(result: Draft | Drop) -> tuple[Draft, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The draft with train, val and truth, parts joined."""
    assert isinstance(result, Draft), result
    assert result.truth is not None
    parts = read_task_tables(result.public, result.spec.instructions)
    train, val = parts[0]
    for more_train, more_val in parts[1:]:
        train = train.join(more_train, on="row_id")
        val = val.join(more_val, on="row_id")
    return result, train, val, pl.read_parquet(result.truth_file)


def test_rows_follow_the_split(tmp_path: Path) -> None:
    frame, proposal = table(), propose()
    split = split_rows(frame, [proposal])
    assert isinstance(split, Split)
    made, train, val, truth = laid_out(draft(frame, proposal, tmp_path, split))
    assert train.columns == ["row_id", "day", "x", "y", "kind", "flag"]
    assert val.columns == ["row_id", "day", "x", "kind", "flag"]
    assert set(train["y"]) == set(frame.filter(~split.held_out)["y"])
    solved = val.join(truth, on="row_id")
    held_out = frame.filter(split.held_out)
    assert_frame_equal(solved.select("x", "y").sort("x"), held_out.select("x", "y").sort("x"))
    assert made.spec.instructions.variant == "reg-mm"
    assert made.spec.instructions.metric == "clipped_r2"


def test_no_held_out_target_stands_in_a_public_file(tmp_path: Path) -> None:
    made, train, val, truth = laid_out(draft(table(), propose(), tmp_path))
    cells = {value for frame in (train, val) for row in frame.iter_rows() for value in row}
    assert not cells & set(truth["y"])
    content = b"".join(path.read_bytes() for path in made.public.iterdir())
    assert not [value for value in truth["y"] if repr(value).encode() in content]


def test_rows_without_target_are_in_neither_table(tmp_path: Path) -> None:
    frame = table().with_columns(
        pl.when(pl.col("id") % 10 > 0).then("y").alias("y"),
    )
    frame = frame.with_columns(
        pl.when(pl.col("id") != 11).then("y").otherwise(float("nan")).alias("y")
    )
    _, train, _, truth = laid_out(draft(frame, propose(), tmp_path))
    assert train["y"].null_count() == 0
    assert train.height + truth.height == 899


def test_repeats_across_the_split_are_left_out_of_val(tmp_path: Path) -> None:
    frame = table()
    held_out = pl.Series([i >= 700 for i in range(1000)])
    copied = frame.head(50).with_columns(pl.lit(None, pl.Float64).alias("x"))
    frame = pl.concat([copied, frame[50:950], copied])
    split = Split("random", None, held_out, "by hand")
    _, train, val, truth = laid_out(draft(frame, propose(), tmp_path, split))
    assert (train.height, val.height) == (700, 250)
    solved = val.join(truth, on="row_id")
    shared = [name for name in solved.columns if name != "row_id"]
    assert solved.join(train, on=shared, how="semi", nulls_equal=True).is_empty()


def test_repeats_are_found_beyond_the_sample(tmp_path: Path) -> None:
    frame = pl.concat([table(), table()])
    split = Split("random", None, pl.Series([i >= 900 for i in range(2000)]), "by hand")
    config = ModellingConfig(max_train_rows=300, max_val_rows=5000)
    _, train, val, _ = laid_out(draft(frame, propose(), tmp_path, split, config))
    assert (train.height, val.height) == (300, 200)


def test_large_tables_are_sampled_on_their_side(tmp_path: Path) -> None:
    frame, proposal = table(3000), propose()
    split = split_rows(frame, [proposal])
    assert isinstance(split, Split)
    config = ModellingConfig(max_train_rows=500, max_val_rows=150)
    _, train, _, truth = laid_out(draft(frame, proposal, tmp_path, split, config))
    assert (train.height, truth.height) == (500, 150)
    assert set(train["y"]) <= set(frame.filter(~split.held_out)["y"])
    assert set(truth["y"]) <= set(frame.filter(split.held_out)["y"])


@pytest.mark.parametrize(
    ("labels", "classes", "kind"),
    [
        ([" a", "a ", "b"], ("a", "b"), "text"),
        ([1.0, 2.0, 3.0], ("1", "2", "3"), "integer"),
        ([0.5, 2.0, 0.5], ("0.5", "2.0"), "text"),
        ([True, False, True], ("0", "1"), "integer"),
        ([date(2020, 1, 1), date(2020, 1, 2), None], ("2020-01-01", "2020-01-02"), "text"),
    ],
)
def test_labels_are_integers_or_stripped_text(
    tmp_path: Path, labels: list[object], classes: tuple[str, ...], kind: str
) -> None:
    cells = pl.Series("kind", [labels[i % 3] for i in range(1000)])
    frame = table().with_columns(cells)
    made, train, _, truth = laid_out(draft(frame, propose("classification", "kind"), tmp_path))
    assert made.truth is not None
    assert made.truth.grading.classes == classes
    assert made.truth.grading.label_type == kind
    assert {str(x) for x in truth["kind"]} == set(classes)
    assert train["kind"].dtype == truth["kind"].dtype
    assert made.spec.instructions.metric == "macro_f1"


def test_rare_classes_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    kinds = ["rare" if i in (3, 900) else "ab"[i % 2] for i in range(1000)]
    frame = table().with_columns(pl.Series("kind", kinds))
    made, train, _, truth = laid_out(draft(frame, propose("classification", "kind"), tmp_path))
    assert set(train["kind"]) == set(truth["kind"]) == {"a", "b"}
    assert "too few examples were left out" in (made.public / "metadata.md").read_text()


def test_too_few_classes_are_refused(tmp_path: Path) -> None:
    frame = table().with_columns(pl.lit("same").alias("kind"))
    result = draft(frame, propose("classification", "kind"), tmp_path)
    assert isinstance(result, Drop)
    assert (result.reason, result.value, result.threshold) == ("too_small", 1, 2)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    split = Split("random", None, pl.Series([i >= 950 for i in range(1000)]), "by hand")
    result = draft(table(), propose(), tmp_path, split)
    assert isinstance(result, Drop)
    assert (result.reason, result.variant) == ("too_small", "reg-mm")
    assert (result.value, result.threshold) == (50, 100)
    assert list(tmp_path.iterdir()) == []


def test_features_without_a_value_do_not_ship(tmp_path: Path) -> None:
    frame = table().with_columns(pl.lit(None, pl.Float64).alias("x"))
    made, train, val, _ = laid_out(draft(frame, propose(), tmp_path))
    assert "x" not in train.columns
    assert "x" not in val.columns
    assert made.spec.n_cols == 4
    bare = propose().model_copy(update={"features": (Feature(name="x", type="number"),)})
    result = draft(frame, bare, tmp_path / "bare")
    assert isinstance(result, Drop)
    assert result.reason == "no_feature"


def test_rows_on_no_side_do_not_ship(tmp_path: Path) -> None:
    sides = pl.Series([None if i < 100 else i >= 700 for i in range(1000)])
    split = Split("time", None, sides, "by hand")
    _, train, _, truth = laid_out(draft(table(), propose(), tmp_path, split))
    assert (train.height, truth.height) == (600, 300)


def test_drafts_repeat_byte_for_byte(tmp_path: Path) -> None:
    first = draft(table(), propose(), tmp_path / "a")
    again = draft(table(), propose(), tmp_path / "b")
    assert isinstance(first, Draft)
    assert isinstance(again, Draft)
    assert first.truth is not None
    assert again.truth is not None
    assert first.spec == again.spec
    assert first.truth.sha256 == again.truth.sha256


def test_rows_that_a_removed_column_made_different_do_not_straddle(tmp_path: Path) -> None:
    """Without the serial number the held-out rows repeat those of train; other answers are fine."""
    n = 400
    frame = pl.DataFrame(
        {
            "serial": [float(i) for i in range(2 * n)],
            "x": [float(i % n) for i in range(2 * n)],
            "y": [float(i % n + (i >= n and i % 2)) for i in range(2 * n)],
        }
    )
    split = Split("random", None, pl.Series([i >= n for i in range(2 * n)]), "by hand")
    features = tuple(Feature(name=name, type="number") for name in ("serial", "x"))
    made = propose().model_copy(update={"features": features})
    _, _, whole, _ = laid_out(draft(frame, made, tmp_path, split))
    assert whole.height == n
    _, train, val, truth = laid_out(
        draft(frame, made, tmp_path, split, without_columns=("serial",))
    )
    assert val.columns == ["row_id", "x"]
    assert val.height == n // 2
    assert val.join(train, on="x", how="semi").height == n // 2
    answered = val.join(truth, on="row_id")
    assert answered.join(train, on=["x", "y"], how="semi").is_empty()

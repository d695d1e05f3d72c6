"""What is laid out: exactly the files of the spec, ids that say nothing, answers apart."""

import hashlib
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from extract.dataset import DatasetRef, Licence, RawDataset
from transform.files.rendered_task import RenderedTask, assign_ids, render_task
from transform.files.tables import cell_types
from transform.proposal import Feature, Proposal
from transform.rows.split import Split
from transform.seed import derive_seed
from transform.task import DataFiles, FileFormat, Instructions
from transform.task_id import identify

REF = DatasetRef(owner="some.owner", slug="some-data", version=3)
RAW = RawDataset(
    ref=REF,
    title="Title",
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
PROPOSAL = Proposal(
    dataset=REF,
    table="t",
    problem="regression",
    targets=("y",),
    features=(Feature(name="x", type="number"),),
    reasons=(),
    proposer="test-1",
)


def layout(data: DataFiles, target: list[object], problem: str = "regression") -> RenderedTask:
    rows = pl.DataFrame({"x": [float(i) for i in range(len(target))], "y": target})
    train, solved = assign_ids(rows.head(-4), rows.tail(4), seed=1)
    instructions = Instructions(
        variant="reg-mm" if problem == "regression" else "class-mm",
        problem=problem,  # type: ignore[arg-type]
        data=data,
        columns=cell_types(train),
        targets=("y",),
        metric="clipped_r2" if problem == "regression" else "macro_f1",
    )
    return RenderedTask("task-1", instructions, train, solved.drop("y"), truth=solved.drop("x"))


@pytest.mark.parametrize("form", ["csv", "parquet", "sqlite"])
def test_public_holds_exactly_the_files_of_the_spec(tmp_path: Path, form: FileFormat) -> None:
    draft = render_task(
        RAW, PROPOSAL, layout(DataFiles(format=form), [1.0, 2, 3, 4, 5, 6, 7]), tmp_path
    )
    assert draft.folder == tmp_path / "task-1"
    assert sorted(os.listdir(draft.public)) == sorted(file.name for file in draft.spec.files)
    assert os.listdir(draft.private) == ["truth.parquet"]
    for file in draft.spec.files:
        content = (draft.public / file.name).read_bytes()
        assert (file.sha256, file.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (draft.spec.n_rows, draft.spec.n_cols) == (7, 2)


def test_laying_out_again_gives_the_same_bytes(tmp_path: Path) -> None:
    rendered = layout(DataFiles(format="csv"), [1.0, 2, 3, 4, 5, 6, 7])
    first = render_task(RAW, PROPOSAL, rendered, tmp_path)
    (first.public / "leftover").touch()
    again = render_task(RAW, PROPOSAL, rendered, tmp_path)
    assert again == first
    assert not (first.public / "leftover").exists()


def test_truth_of_numbers_ships_its_tolerance(tmp_path: Path) -> None:
    values = [1.0, 2, 3, 40, 50, 60, 70]
    draft = render_task(RAW, PROPOSAL, layout(DataFiles(format="csv"), list(values)), tmp_path)
    assert draft.truth is not None
    truth = pl.read_parquet(draft.truth_file)
    assert truth.columns == ["row_id", "y"]
    assert truth["row_id"].is_sorted()
    assert sorted(truth["y"]) == values[-4:]
    assert draft.truth.grading.atol == {"y": pytest.approx(1e-8 * np.std(values[:3], ddof=1))}
    assert draft.truth.grading.n_rows == 4
    assert draft.truth.grading.label_type is None


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        ([10, 9, 10, 9, 9, 10, 9], "integer", ("10", "9")),
        (["b", "a", "b", "a", "b", "a", "b"], "text", ("a", "b")),
    ],
)
def test_truth_of_labels_ships_the_known_classes(
    tmp_path: Path, labels: list[object], kind: str, classes: tuple[str, ...]
) -> None:
    rendered = layout(DataFiles(format="csv"), labels, "classification")
    draft = render_task(RAW, PROPOSAL, rendered, tmp_path)
    assert draft.truth is not None
    assert draft.truth.grading.label_type == kind
    assert draft.truth.grading.classes == classes
    assert draft.truth.grading.atol == {}


def test_an_executed_task_keeps_its_clean_table_apart(tmp_path: Path) -> None:
    held_out = layout(DataFiles(format="csv"), [1.0, 2, 3, 4, 5, 6, 7])
    executed = RenderedTask(
        "task-2",
        held_out.instructions,
        held_out.train.sort("x", descending=True),
        held_out.val,
        clean=held_out.train.head(2),
        noise=("out_of_range",),
    )
    draft = render_task(RAW, PROPOSAL, executed, tmp_path)
    assert draft.truth is None
    assert draft.spec.noise == ("out_of_range",)
    assert_frame_equal(pl.read_parquet(draft.clean_file), held_out.train.head(2))
    assert pl.read_csv(draft.public / "train.csv")["row_id"].is_sorted()


def test_a_target_in_val_is_our_own_mistake(tmp_path: Path) -> None:
    rendered = layout(DataFiles(format="csv"), [1.0, 2, 3, 4, 5, 6, 7])
    leaking = RenderedTask(
        "t", rendered.instructions, rendered.train, rendered.val.with_columns(y=pl.lit(1.0))
    )
    with pytest.raises(AssertionError, match="never holds a target"):
        render_task(RAW, PROPOSAL, leaking, tmp_path)


def test_ids_are_one_permutation_that_says_nothing() -> None:
    rows = pl.DataFrame({"place": range(4000), "y": range(4000)})
    train, val = assign_ids(rows.head(3000), rows.tail(1000), seed=5)
    assert sorted([*train["row_id"], *val["row_id"]]) == list(range(4000))
    assert train["row_id"].is_sorted()
    assert val["row_id"].is_sorted()
    for frame in (train, val):
        assert abs(np.corrcoef(frame["row_id"], frame["y"])[0, 1]) < 0.1
    assert abs(val["row_id"].mean() - 2000) < 200  # type: ignore[operator]
    assert_frame_equal(assign_ids(rows.head(3000), rows.tail(1000), seed=5)[0], train)


def test_task_ids_depend_on_target_entity_grain_and_split() -> None:
    split = Split("random", None, pl.Series([True, False]), "random")
    other = Split("random", None, pl.Series([False, True]), "random")
    base = identify(PROPOSAL, "reg-mm", split)
    assert base.rpartition("-")[0] == "some.owner__some-data__v3__reg-mm"
    assert len(base.rpartition("-")[2]) == 8
    changed = PROPOSAL.model_copy(update={"targets": ("z",)})
    reasoned = PROPOSAL.model_copy(update={"reasons": ("because",), "features": ()})
    assert base == identify(reasoned, "reg-mm", split)
    assert len({base, identify(PROPOSAL, "reg-mm", other), identify(changed, "reg-mm", split)}) == 3
    assert derive_seed("a", "b") != derive_seed("ab", "")

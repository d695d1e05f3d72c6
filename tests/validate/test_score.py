"""The grader: every reason and rule, and its equality with the peer on well-formed files."""

import ast
import csv
import io
import json
import math
import os
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, r2_score

from validate import score as module
from validate.score import (
    MAX_BYTES,
    Answer,
    GraderError,
    Reason,
    Result,
    load_answers,
    main,
    mean_of,
    score,
)

Columns = dict[str, Any]


def answer(variant: str, truth: Columns, skill: Any = None, **rules: Any) -> Answer:
    """An answer whose metric follows from the variant; truth's first column is the id."""
    metric = {"class-if": "exact", "reg-if": "allclose", "class-mm": "macro_f1"}.get(variant)
    id_column = next(iter(truth))
    fields = {
        "metric": metric or "clipped_r2",
        "id_column": id_column,
        "targets": [name for name in truth if name != id_column and name[:6] != "score_"],
        "scores": [name for name in truth if name[:6] == "score_"],
        "n_rows": len(truth[id_column]),
        "answer_hash": "0" * 64,
        **rules,
    }
    known = None if skill is None else json.dumps(skill)
    return Answer.parse("a__b__v1__x", variant, json.dumps(fields), pa.table(truth), known)


def csv_of(columns: Columns) -> bytes:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values()))]  # noqa: B905
    return ("\n".join(lines) + "\n").encode()


def parquet_of(columns: Columns | pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


LABELS = {"row_id": [3, 5, 8, 9], "kind": ["a", "b", "b", "c"]}
COUNTS = {"row_id": [3, 5, 8, 9], "kind": [1, 0, 1, 1]}
NUMBERS = {"row_id": [3, 5, 8, 9], "price": [1.5, -2.0, 0.25, 8.0]}
SCORED = LABELS | {"score_a": [0.5, 0.25, 0.1, 0.0], "score_b": [0.5, 0.75, 0.9, 1.0]}

class_mm = answer("class-mm", LABELS, label_type="text", classes=["a", "b", "c", "d"])
count_mm = answer("class-mm", COUNTS, label_type="integer", classes=["0", "1"])
reg_mm = answer("reg-mm", NUMBERS)
reg_if = answer("reg-if", NUMBERS, rtol=1e-5, atol={"price": 0.01})
class_if = answer(
    "class-if", SCORED, label_type="text", classes=["a", "b", "c"], atol={"score_a": 0.01}
)


# --- Reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "submission"),
    [
        ("missing_file", Path("/nowhere/prediction.csv")),
        ("unreadable", b""),
        ("unreadable", b"\xef\xbb\xbf"),
        ("unreadable", b"\n\n\n"),
        ("unreadable", bytes(range(256))),
        ("unreadable", csv_of(NUMBERS).decode().encode("utf-16")),
        ("unreadable", csv_of(NUMBERS).decode().encode("utf-16-le")),
        ("unreadable", b"row_id,price\n3,\xff\xfe"),
        ("unreadable", b'row_id,price\n3,"1'),
        ("unreadable", b'row_id,price\n3,"1"2\n'),
        ("unreadable", b"row_id,price\n3\n"),
        ("unreadable", b"row_id,price\n3,1,1\n"),
        ("unreadable", b"row_id,price\n3," + b"1" * 200_000 + b"\n"),
        ("unreadable", b"PAR1 and nothing else PAR1"),
        ("unreadable", b"SQLite format 3\x00" + bytes(100)),
        ("unreadable", None),
        ("unreadable", "a\0b"),
        ("unreadable", "x" * 5000),
        ("too_large", b"row_id,price\n" + b"\n" * 2_000_000),
        ("too_large", b"," * 2_000_000),
        ("bad_columns", b"row_id\n3\n"),
        ("bad_columns", b"price\n3\n"),
        ("bad_columns", b"row_id;price\n3;1\n"),
        ("bad_columns", b"row_id,price,price\n3,1,1\n"),
        ("bad_columns", b"row_id,row_id,price\n3,3,1\n"),
        ("missing_ids", b"row_id,price\n"),
        ("missing_ids", b"row_id,price\n3,1\n5,1\n8,1\n"),
        ("unknown_ids", b"row_id,price\n3,1\n5,1\n8,1\n9,1\n7,1\n"),
        ("unknown_ids", b"row_id,price\n3,1\n5,1\n8,1\n,1\n"),
        ("unknown_ids", b"row_id,price\nTrue,1\n5,1\n8,1\n9,1\n"),
        ("duplicate_ids", b"row_id,price\n3,1\n5,1\n8,1\n8,1\n"),
        ("duplicate_ids", b"row_id,price\n" + b"3,1.5\n" * 1_000_000),
        ("not_numeric", b"row_id,price\n3,1\n5,one\n8,1\n9,1\n"),
        ("not_numeric", b"row_id,price\n3,1\n5,1_0\n8,1\n9,1\n"),
        ("not_numeric", "row_id,price\n3,1\n5,\u0661\n8,1\n9,1\n".encode()),
        ("not_numeric", b"row_id,price\n3,1\n5,True\n8,1\n9,1\n"),
        ("nan", b"row_id,price\n3,1\n5,\n8,1\n9,1\n"),
        ("nan", b"row_id,price\n3,1\n5,nan\n8,1\n9,1\n"),
        ("nan", b"row_id,price\n3,1\n5,-inf\n8,1\n9,1\n"),
        ("nan", b"row_id,price\n3,1\n5,1e999\n8,1\n9,1\n"),
        ("mismatch", b"row_id,price\n3,1\n5,1\n8,1\n9,1\n"),
        ("ok", csv_of(NUMBERS)),
        ("ok", b"\xef\xbb\xbf" + csv_of(NUMBERS)),
        ("ok", csv_of(NUMBERS).replace(b"\n", b"\r\n")),
        ("ok", csv_of(NUMBERS).replace(b"\n", b"\r\r\n")),
        ("ok", csv_of(NUMBERS).replace(b",", b'," ').replace(b"\n", b'"\n').replace(b" p", b"p")),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_every_submission_has_its_reason(reason: Reason, submission: Any) -> None:
    result = score(reg_if, submission)
    assert result.reason == reason, result.message
    assert result.score == result.skill == (1.0 if reason == "ok" else 0.0)
    assert result.message
    assert result.message.isascii()
    assert len(result.message) < 400
    assert reason in get_args(Reason)


def test_a_cell_has_a_limit_whatever_others_set() -> None:
    before = csv.field_size_limit(2**30)
    try:
        result = score(reg_if, b"row_id,price\n3," + b"1" * 200_000 + b"\n")
    finally:
        csv.field_size_limit(before)
    assert result.reason == "unreadable", result.message


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_bytes(csv_of(NUMBERS))
    assert score(reg_if, good).score == 1.0
    assert score(reg_if, str(good)).score == 1.0
    (tmp_path / "link.csv").symlink_to(good)
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "link.csv", tmp_path / "pipe.csv", tmp_path, Path("/dev/zero")):
        assert score(reg_if, path).reason == "unreadable"
    before = len(os.listdir("/proc/self/fd"))
    assert score(reg_if, tmp_path).reason == "unreadable"
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_is_refused_by_size_before_it_is_read(tmp_path: Path) -> None:
    junk = tmp_path / "junk.csv"
    with junk.open("wb") as file:
        file.truncate(100_000_000)
    assert score(reg_if, junk).reason == "too_large"
    assert score(reg_if, bytes(reg_if.max_bytes + 1)).reason == "too_large"
    assert reg_if.max_bytes > MAX_BYTES


def test_rows_come_in_any_order_and_other_columns_are_ignored() -> None:
    assert score(reg_if, csv_of({n: c[::-1] for n, c in NUMBERS.items()})).score == 1.0
    wide = {"note": ["x"] * 4, "price": NUMBERS["price"], "row_id": [3, 5, 8, 9], "": ["y"] * 4}
    assert score(reg_if, csv_of(wide)).score == 1.0
    assert score(reg_if, csv_of(wide).replace(b"note,", b",")).score == 1.0


@pytest.mark.parametrize("ids", [["3", "5.0", " 8 ", "9e0"], ["+3", "05", "8.", "9.00"]])
def test_ids_compare_by_value(ids: list[str]) -> None:
    assert score(reg_if, csv_of({**NUMBERS, "row_id": ids})).reason == "ok"


def test_large_ids_are_exact() -> None:
    ids = [2**53, 2**53 + 1, -(2**62), -(2**62) - 1]
    task = answer("reg-if", {**NUMBERS, "row_id": ids})
    for cells in (ids, [str(value) for value in ids]):
        assert score(task, pa.table({**NUMBERS, "row_id": cells})).score == 1.0
        assert score(task, csv_of({**NUMBERS, "row_id": cells})).score == 1.0
    rounded = {**NUMBERS, "row_id": ["9007199254740993.0", *ids[1:]]}
    assert score(task, csv_of(rounded)).reason == "unknown_ids"


# --- Tables and Parquet -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([3, 5, 8, 9], pa.uint8()),
        pa.array([3.0, 5.0, 8.0, 9.0], pa.float32()),
        pa.array([3.0, 5.0, 8.0, 9.0], pa.float16()),
        pa.array(["3", "5", "8", "9"], pa.large_string()),
        pa.array(["3", "5", "8", "9"], pa.string_view()),
        pa.array(["3", "5", "8", "9"]).dictionary_encode(),
        pa.array([Decimal("3.0"), Decimal(5), Decimal(8), Decimal(9)]),
    ],
    ids=lambda array: str(array.type),
)
def test_typed_cells_compare_by_value(ids: pa.Array) -> None:
    table = pa.table({"row_id": ids, "price": NUMBERS["price"]})
    assert score(reg_if, table).reason == "ok"
    assert score(reg_if, parquet_of(table)).reason == "ok"


def test_tables_of_other_libraries_are_read() -> None:
    frame = pl.DataFrame(NUMBERS)
    for table in (frame, frame.to_pandas(), frame.with_columns(pl.col("row_id").cast(pl.String))):
        assert score(reg_if, table).score == 1.0
    assert score(reg_if, frame.head(3)).reason == "missing_ids"


def test_a_long_dictionary_costs_only_what_is_used() -> None:
    many = pa.array([str(value) for value in range(100_000)])
    ids = pa.DictionaryArray.from_arrays(pa.array([3, 5, 8, 9, None]).slice(0, 4), many)
    assert score(reg_if, pa.table({"row_id": ids, "price": NUMBERS["price"]})).score == 1.0
    ids = pa.DictionaryArray.from_arrays(pa.array([3, 5, 8, None]), many)
    assert score(reg_if, pa.table({"row_id": ids, "price": [1.0] * 4})).reason == "unknown_ids"


def test_parquet_is_recognised_by_content(tmp_path: Path) -> None:
    path = tmp_path / "prediction.csv"
    path.write_bytes(parquet_of(NUMBERS))
    assert score(reg_if, path).score == 1.0


@pytest.mark.parametrize(
    ("reason", "table"),
    [
        ("bad_columns", pa.table({"row_id": [3, 5, 8, 9]})),
        ("bad_columns", pa.table({"row_id": [3, 5, 8, 9], "price": [[1.0]] * 4})),
        ("bad_columns", pa.table({"row_id": [3, 5, 8, 9], "price": [b"1"] * 4})),
        (
            "bad_columns",
            pa.table(
                [pa.array([3]), pa.array([1.0]), pa.array([1.0])], ["row_id", "price", "price"]
            ),
        ),
        ("unknown_ids", pa.table({"row_id": [True] * 4, "price": [1.0] * 4})),
        ("unknown_ids", pa.table({"row_id": pa.nulls(4), "price": [1.0] * 4})),
        ("not_numeric", pa.table({"row_id": [3, 5, 8, 9], "price": [True] * 4})),
        ("nan", pa.table({"row_id": [3, 5, 8, 9], "price": pa.nulls(4)})),
        ("nan", pa.table({"row_id": [3, 5, 8, 9], "price": [math.nan] * 4})),
        ("missing_ids", pa.table({"row_id": pa.array([], pa.int64()), "price": []})),
        ("duplicate_ids", pa.table({"row_id": [3] * 1000, "price": [1.5] * 1000})),
    ],
)
def test_typed_submissions_have_their_reasons(reason: Reason, table: pa.Table) -> None:
    assert score(reg_if, table).reason == reason
    assert score(reg_if, parquet_of(table)).reason == reason


def test_invalid_text_in_a_table_is_unreadable() -> None:
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")]
    )
    assert score(reg_if, pa.table({"row_id": [3], "price": broken})).reason == "unreadable"


def test_instants_compare_by_value() -> None:
    days = [datetime(2024, 1, day) for day in (1, 2, 3)]
    task = answer("class-mm", {"row_id": [0, 1, 2], "day": days}, label_type="text")
    written = ["2024-01-01", "2024-01-02T00:00:00.000", "2024-01-03 01:00:00+01:00"]
    assert score(task, csv_of({"row_id": [0, 1, 2], "day": written})).score == 1.0
    for kind in (pa.date32(), pa.timestamp("ns"), pa.timestamp("s", "UTC")):
        table = pa.table({"row_id": [0, 1, 2], "day": pa.array(days).cast(kind)})
        assert score(task, table).score == 1.0
    assert score(task, csv_of({"row_id": [0, 1, 2], "day": ["x", "", "9999"]})).score == 0.0


# --- Metrics ----------------------------------------------------------------------------------


def test_class_if_asks_for_labels_and_scores() -> None:
    assert score(class_if, csv_of(SCORED)) == Result(
        "a__b__v1__x", 1.0, 1.0, 1.1, "ok", "graded", labels_only=1.0
    )
    near = SCORED | {"score_a": [0.509, 0.2499, 0.1, 0.0]}
    far = SCORED | {"score_b": [0.509, 0.75, 0.9, 1.0]}
    wrong = SCORED | {"kind": ["a", "b", "b", "b"]}
    assert score(class_if, csv_of(near)).score == 1.0
    for columns, labels_only in ((far, 1.0), (wrong, 0.0)):
        result = score(class_if, csv_of(columns))
        assert (result.score, result.reason, result.labels_only) == (0.0, "mismatch", labels_only)


@pytest.mark.parametrize(
    ("reason", "columns"),
    [
        ("bad_columns", LABELS),
        ("nan", SCORED | {"score_a": ["", 0.25, 0.1, 0.0]}),
        ("not_numeric", SCORED | {"score_a": ["x", 0.25, 0.1, 0.0]}),
    ],
)
def test_labels_only_does_not_ask_for_scores(reason: Reason, columns: Columns) -> None:
    result = score(class_if, csv_of(columns))
    assert (result.score, result.reason, result.labels_only) == (0.0, reason, 1.0)
    assert result.reward == 0.0


def test_labels_only_stands_only_where_it_means_something() -> None:
    assert "labels_only" not in json.loads(score(reg_if, b"").to_json())
    assert json.loads(score(class_if, b"").to_json()) == {
        "task_id": "a__b__v1__x",
        "score": 0.0,
        "skill": 0.0,
        "reward": 0.0,
        "reason": "unreadable",
        "message": "the file is empty",
        "labels_only": 0.0,
    }


def test_integer_labels_compare_by_number() -> None:
    for cells in (["1", "0.0", " 1 ", "1e0"], [1.0, 0.0, 1.0, 1.0]):
        assert score(count_mm, csv_of({**COUNTS, "kind": cells})).score == 1.0
    junk = score(count_mm, csv_of({**COUNTS, "kind": ["True", "False", "True", "one"]}))
    assert (junk.score, junk.reason) == (0.0, "ok")
    assert score(count_mm, pa.table({**COUNTS, "kind": [True, False, True, True]})).score == 0.0


def test_text_labels_compare_by_exact_text() -> None:
    task = answer("class-mm", {"row_id": [0, 1], "kind": ["1", "2"]}, label_type="text")
    assert score(task, csv_of({"row_id": [0, 1], "kind": ["1", "2"]})).score == 1.0
    assert score(task, pa.table({"row_id": [0, 1], "kind": [1, 2]})).score == 1.0
    assert score(task, csv_of({"row_id": [0, 1], "kind": ["1.0", " 2"]})).score == 0.0


def test_a_junk_label_is_a_wrong_row_and_no_class() -> None:
    def f1(*labels: str) -> float:
        return score(class_mm, csv_of({**LABELS, "kind": labels})).score

    two_of_three = (1 + 2 / 3 + 1) / 3
    assert f1("a", "b", "junk", "c") == pytest.approx(two_of_three)
    assert f1("a", "b", "", "c") == pytest.approx(two_of_three)
    assert f1("a", "b", "d", "c") == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)


def test_r2_of_a_constant_is_all_or_nothing() -> None:
    task = answer("reg-mm", {"row_id": [0, 1], "y": [2.0, 2.0]})
    assert score(task, csv_of({"row_id": [0, 1], "y": [2, 2]})).score == 1.0
    assert score(task, csv_of({"row_id": [0, 1], "y": [2, 2.1]})).score == 0.0


@pytest.mark.parametrize("value", ["1e308", "-1.7976931348623157e308", "5e-324", "1" * 300])
def test_huge_numbers_lose_quietly(value: str) -> None:
    for task in (reg_mm, reg_if):
        result = score(task, csv_of({**NUMBERS, "price": [value, *NUMBERS["price"][1:]]}))
        assert 0.0 <= result.score < 1.0


labels = st.integers(0, 4)
reals = st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 6))


@given(st.lists(st.tuples(labels, labels, labels, labels), min_size=2, max_size=60), st.booleans())
@settings(max_examples=150, deadline=None)
def test_macro_f1_equals_the_peers(rows: list[tuple[int, ...]], integer: bool) -> None:
    right, found = np.array(rows)[:, :2], np.array(rows)[:, 2:]
    spell = int if integer else (lambda value: f"class {value}")
    truth = {"row_id": range(len(rows)), **{n: [*map(spell, right[:, i])] for i, n in PAIR}}
    known = [str(spell(value)) for value in range(5)]
    task = answer("class-mm", truth, label_type="integer" if integer else "text", classes=known)
    given_ = {"row_id": range(len(rows)), **{n: [*map(spell, found[:, i])] for i, n in PAIR}}
    peer = np.mean(
        [f1_score(truth[n], given_[n], average="macro", zero_division=0) for _, n in PAIR]
    )
    assert score(task, csv_of(given_)).score == pytest.approx(peer, abs=1e-12)
    assert score(task, csv_of(truth)).score == 1.0
    exact = answer("class-if", truth, label_type="integer" if integer else "text", classes=known)
    assert score(exact, csv_of(given_)).labels_only == float((right == found).all())


PAIR = ((0, "first"), (1, "second"))


@given(st.lists(st.tuples(reals, reals, reals, reals), min_size=2, max_size=60), st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_r2_and_allclose_equal_the_peers(rows: list[tuple[float, ...]], noise: float) -> None:
    cells = np.array(rows)
    right = cells[:, :2]
    # From exact over within the tolerance to plain wrong.
    found = right + noise**8 * cells[:, 2:]
    truth, given_ = (
        {"row_id": range(len(rows)), "first": values[:, 0], "second": values[:, 1]}
        for values in (right, found)
    )
    peer = np.mean([min(max(r2_score(right[:, i], found[:, i]), 0), 1) for i in (0, 1)])
    assert score(answer("reg-mm", truth), csv_of(given_)).score == pytest.approx(peer, abs=1e-12)
    close = answer("reg-if", truth, rtol=1e-5, atol={"first": 1e-8, "second": 1e-8})
    assert score(close, csv_of(given_)).score == float(np.allclose(found, right))
    assert score(close, csv_of(truth)).score == 1.0


# --- Skill and reward -------------------------------------------------------------------------


def test_skill_lies_between_floor_and_ceiling() -> None:
    rows = {"row_id": [0, 1, 2, 3], "y": [0.0, 1.0, 2.0, 3.0]}
    half = csv_of({**rows, "y": [0.5, 1.5, 1.5, 2.5]})
    plain = score(answer("reg-mm", rows), half)
    assert (plain.score, plain.skill) == (0.8, None)
    for floor, ceiling, skill in ((0.6, 1.0, 0.5), (0.0, 0.7, 1.0), (0.9, 1.0, 0.0)):
        task = answer("reg-mm", rows, skill={"floor": floor, "ceiling": ceiling})
        assert score(task, half).skill == pytest.approx(skill)
        assert score(task, b"").skill == 0.0
    assert score(answer("reg-mm", rows, skill={"floor": 1, "ceiling": 1}), half).skill is None


def test_forecast_skill_is_a_mean_over_entities() -> None:
    rows = {"row_id": [0, 1, 2, 3, 4, 5], "y": [0.0, 2.0, 10.0, 10.0, 5.0, 5.0]}
    entities = [
        {"row_ids": [0, 1], "season": 1, "mae": {"y": 2.0}},
        {"row_ids": [3, 2], "season": 1, "mae": {"y": 4.0}},
        {"row_ids": [4, 5], "season": 1, "mae": {"y": 0.0}},
    ]
    task = answer("ts-cf", rows, skill={"entities": entities})
    # MAE 1 of 2 and 6 of 4; the third entity's baseline is exact.
    result = score(task, csv_of({**rows, "y": [1.0, 3.0, 16.0, 4.0, 0.0, 0.0]}), "skill")
    assert result.skill == result.reward == pytest.approx((0.5 + 0.0) / 2)
    assert score(task, csv_of(rows)).skill == 1.0
    nothing = answer("ts-cf", rows, skill={"entities": entities[2:]})
    assert score(nothing, csv_of(rows)).skill is None


def test_rewards() -> None:
    half = csv_of({**COUNTS, "kind": [1, 0, 0, 0]})
    got = score(count_mm, half).score
    assert 0 < got < 1
    assert score(count_mm, half).reward == pytest.approx(0.1 + got)
    assert score(count_mm, half, "unit").reward == got
    fallen_back = score(count_mm, half, "skill")
    assert fallen_back.reward == got
    assert "skill is unknown" in fallen_back.message
    assert score(reg_if, csv_of({**NUMBERS, "price": [0] * 4})).reward == 0.1
    assert score(reg_if, b"").reward == 0.0
    with pytest.raises(ValueError, match="reward is one of"):
        score(reg_if, b"", "gold")  # type: ignore[arg-type]


# --- Attacks on the peer's grader, and bombs --------------------------------------------------


def test_known_attacks_score_nothing() -> None:
    n = len(SCORED["row_id"])
    one_row = {name: [column[0]] * n for name, column in SCORED.items()}
    assert score(class_if, csv_of(one_row)).reason == "duplicate_ids"
    no_labels = {name: column for name, column in one_row.items() if name != "kind"}
    assert score(class_if, csv_of(no_labels)).reason == "bad_columns"
    copied = {name: [column[0], *column[:1], *column[2:]] for name, column in SCORED.items()}
    assert score(class_if, csv_of(copied)).reason == "duplicate_ids"
    for columns in (one_row, no_labels, copied):
        assert score(class_if, csv_of(columns)).score == 0.0


def test_broken_truth_is_not_blamed_on_the_submission() -> None:
    for truth in (
        {**NUMBERS, "price": [1.0, None, 2.0, 3.0]},
        {**NUMBERS, "row_id": [1, None, 2, 3]},
        {**NUMBERS, "row_id": [1, 1, 2, 3]},
        {"row_id": [1, 2, 3, 4], "cost": NUMBERS["price"]},
    ):
        with pytest.raises(GraderError, match="truth of a__b__v1__x is broken"):
            score(answer("reg-mm", truth, targets=["price"]), csv_of(NUMBERS))


MEASURE = """
import re, resource, sys
from validate.score import score
from tests_answer import task
reason = score(task, sys.argv[1]).reason
# The peak of resource.RUSAGE_SELF would count what this process was forked from.
own = re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(reason, int(own) // 1024, child // 1024)
"""
TASK = """
import json, pyarrow as pa
from validate.score import Answer
rules = json.dumps({"metric": "clipped_r2", "id_column": "row_id", "targets": ["y"]})
n = 1500
truth = pa.table({"row_id": range(n), "y": [float(i % 7) for i in range(n)]})
task = Answer.parse("t", "reg-mm", rules, truth)
"""
N = 1500


def measured(folder: Path, content: bytes | None) -> tuple[str, int, int]:
    """Reason, and peak memory in MB of the grader and of its decoding process."""
    (folder / "tests_answer.py").write_text(TASK)
    prediction = folder / "prediction.csv"
    if content is None:
        with prediction.open("wb") as file:
            file.truncate(100_000_000)
    else:
        prediction.write_bytes(content)
    path = os.pathsep.join([str(folder), str(Path(module.__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(prediction)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    reason, own, child = done.stdout.split()
    return reason, int(own), int(child)


def _text_bomb(encoded: bool) -> bytes:
    """A text of 40 MB that stands in each of 1,500 rows, in a file of a few kB."""
    texts = pa.array(["1" * 40_000_000])
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(N, np.int32)), texts)
    table = pa.table({"row_id": range(N), "y": column})
    return parquet_of(table, compression="zstd", store_schema=encoded)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bomb", "reason"),
    [
        (lambda: None, "too_large"),
        (lambda: b"row_id,y\n" + b'"\n",' * 15_000_000, "too_large"),
        (lambda: b"row_id,y\n" + b"1,1\n" * 16_000_000, "duplicate_ids"),
        (lambda: _text_bomb(encoded=True), "not_numeric"),
        (lambda: _text_bomb(encoded=False), "too_large"),
        (
            lambda: parquet_of(
                {"row_id": np.zeros(30_000_000, np.int64), "y": np.zeros(30_000_000)},
                compression="zstd",
                use_dictionary=False,
                data_page_size=1 << 30,
            ),
            "duplicate_ids",
        ),
    ],
    ids=["100 MB of junk", "fields", "rows", "dictionary", "plain text", "rows of a Parquet file"],
)
def test_memory_is_bounded(tmp_path: Path, bomb: Any, reason: Reason) -> None:
    found, own, child = measured(tmp_path, bomb())
    assert found == reason
    assert own < 400, own
    assert child < 2100, child


# --- Releases and the program -----------------------------------------------------------------


def write_release(folder: Path, answers: dict[str, Answer], without: str = "") -> Path:
    rules = {
        "class-mm": {"metric": "macro_f1", "label_type": "text", "classes": ["a", "b", "c"]},
        "reg-if": {"metric": "allclose", "atol": {"price": 0.01}},
    }
    for place, (task_id, task) in enumerate(sorted(answers.items())):
        tier = "tasks" if place % 2 == 0 else "tasks_share-alike"
        split = "eval" if place == 0 else "train"
        known = {"id_column": "row_id", "targets": list(task.rules.targets), **rules[task.variant]}
        row = {
            "task_id": task_id,
            "variant": task.variant,
            "reward_model": {"style": "rule", "ground_truth": json.dumps(known)},
            "floor": None,
            "source_ref": f"ann/{place % 2}",
        }
        path = folder / "data" / tier / f"{split}-{place:05d}-of-00009.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([row]), path)
    stored = [
        {"task_id": name, "truth": parquet_of(task.truth), "sha256": "", "skill": None}
        for name, task in answers.items()
        if name != without
    ]
    stored.append({"task_id": RECIPE, "truth": None, "sha256": "", "skill": None})
    (folder / "data" / "answers").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(stored), folder / "data" / "answers" / "open.parquet")
    recipe = folder / "data" / "tasks_recipe" / "train-00000-of-00001.parquet"
    recipe.parent.mkdir()
    pq.write_table(pa.Table.from_pylist([row | {"task_id": RECIPE}]), recipe)
    return folder


def restore_recipe(release: Path, task: Answer) -> None:
    """What `opendare restore` leaves for the grader; the row without truth stays."""
    row = {"task_id": RECIPE, "truth": parquet_of(task.truth), "sha256": "", "skill": None}
    shard = release / "data" / "answers" / f"restored-{RECIPE}-00000-of-00001.parquet"
    pq.write_table(pa.Table.from_pylist([row]), shard)


RECIPE = "t-withheld"
ANSWERS = {"t-class": class_mm, "t-reg": reg_if, "t-third": reg_if}


def test_load_answers(tmp_path: Path) -> None:
    release = write_release(tmp_path, ANSWERS)
    loaded = {task.task_id: task for task in load_answers(release)}
    assert set(loaded) == set(ANSWERS)
    assert loaded["t-reg"].source == "ann/1"
    assert loaded["t-reg"].truth.equals(reg_if.truth)
    assert score(loaded["t-class"], csv_of(LABELS)).score == 1.0
    assert [task.task_id for task in load_answers(release, ["t-reg"])] == ["t-reg"]
    assert [task.task_id for task in load_answers(release, split="eval")] == ["t-class"]
    with pytest.raises(GraderError, match="no task 'nope'"):
        load_answers(release, ["nope"])
    with pytest.raises(GraderError, match="no release"):
        load_answers(tmp_path / "data")


def test_recipes_count_once_they_are_restored(tmp_path: Path) -> None:
    release = write_release(tmp_path, ANSWERS)
    with pytest.raises(
        GraderError, match=rf"{RECIPE}.*restored first: opendare restore {tmp_path}"
    ):
        list(load_answers(release, ["t-reg", RECIPE]))
    restore_recipe(release, reg_if)
    assert {task.task_id for task in load_answers(release)} == {*ANSWERS, RECIPE}
    (withheld,) = load_answers(release, [RECIPE])
    assert score(withheld, csv_of(NUMBERS)).score == 1.0


def test_the_program_says_that_a_recipe_must_be_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_release(tmp_path, ANSWERS)
    (tmp_path / "p.csv").write_bytes(csv_of(NUMBERS))
    with pytest.raises(SystemExit) as stopped:
        main(["--release", str(release), "--task", RECIPE, str(tmp_path / "p.csv")])
    assert stopped.value.code == 2
    assert "must be restored first" in " ".join(capsys.readouterr().err.split())


def test_a_task_without_answer_stops_the_grader(tmp_path: Path) -> None:
    release = write_release(tmp_path, ANSWERS, without="t-reg")
    with pytest.raises(GraderError, match=r"1 tasks of .* lack an answer: t-reg"):
        list(load_answers(release))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The program as its users run it: the file alone, from elsewhere."""
    command = [sys.executable, str(module.__file__), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_the_program_grades_one_file(tmp_path: Path) -> None:
    release = write_release(tmp_path, ANSWERS)
    prediction = tmp_path / "prediction.csv"
    prediction.write_bytes(csv_of(NUMBERS))
    done = run("--release", release, "--task", "t-reg", prediction, "--reward", "unit")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "task_id": "t-reg",
        "score": 1.0,
        "skill": 1.0,
        "reward": 1.0,
        "reason": "ok",
        "message": "graded",
    }
    prediction.write_bytes(parquet_of(NUMBERS))
    done = run("--release", release, "--task", "t-reg", prediction)
    assert json.loads(done.stdout)["reward"] == 1.1
    prediction.write_bytes(bytes(1000))
    done = run("--release", release, "--task", "t-reg", prediction)
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (0, "unreadable")


def test_the_program_takes_the_beginning_of_an_id(tmp_path: Path) -> None:
    release = write_release(tmp_path, ANSWERS)
    (tmp_path / "p.csv").write_bytes(csv_of(NUMBERS))
    done = run("--release", release, "--task", "t-r", tmp_path / "p.csv")
    assert json.loads(done.stdout)["task_id"] == "t-reg"
    for name, said in (
        ("t-", "4 tasks begin with 't-'; near ones:\n  't-class'\n"),
        ("t-rag", "no task is called 't-rag'; near ones:\n  't-reg'"),
        ("\x1b[2J", "no task is called '\\x1b[2J'; it has 4 tasks"),
    ):
        refused = run("--release", release, "--task", name, tmp_path / "p.csv")
        assert (refused.returncode, said in refused.stderr) == (2, True), refused.stderr


def test_the_file_alone_has_no_default_release() -> None:
    done = run("--task", "t-reg", "p.csv")
    assert done.returncode == 2
    assert "usage: score.py" in done.stderr
    assert "required: --release" in done.stderr


def test_the_program_grades_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    release = write_release(tmp_path / "release", ANSWERS)
    predictions = tmp_path / "predictions"
    for name in ("t-class", "t-reg"):
        (predictions / name).mkdir(parents=True)
    half = {**LABELS, "kind": ["a", "b", "b", "b"]}
    (predictions / "t-class" / "prediction.csv").write_bytes(csv_of(half))
    (predictions / "t-reg" / "prediction.parquet").write_bytes(parquet_of(NUMBERS))
    assert main(["--release", str(release), "--predictions", str(predictions)]) == 0
    printed = capsys.readouterr()
    assert printed.err.startswith("predictions found: 2 of 3 tasks, as ")
    *results, summary = map(json.loads, printed.out.splitlines())
    scores = {row["task_id"]: row["score"] for row in results}
    assert scores == {"t-class": pytest.approx((1 + 0.8 + 0) / 3), "t-reg": 1.0, "t-third": 0.0}
    assert summary["summary"] is True
    assert summary["tasks"] == 3
    assert summary["score"]["mean"] == pytest.approx(sum(scores.values()) / 3)
    assert summary["score"]["interval"] == "bootstrap"
    assert summary["score"]["low"] <= summary["score"]["mean"] <= summary["score"]["high"]
    assert summary["reasons"] == {"missing_file": 1, "ok": 2}
    assert summary["variants"]["reg-if"]["score"]["mean"] == 0.5
    assert summary["variants"]["reg-if"]["score"]["interval"] == "wilson"
    assert (
        main(["--release", str(release), "--predictions", str(predictions), "--split", "eval"]) == 0
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["tasks"] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--task", "t-reg"],
        ["--task", "nope", "p.csv"],
        ["--task", "t-reg", "p.csv", "--predictions", "."],
        ["--predictions", "nowhere"],
        ["--task", "t-reg", "p.csv", "--reward", "gold"],
        ["--release", "nowhere", "--task", "t-reg", "p.csv"],
        [],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_said(
    tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    release = write_release(tmp_path, ANSWERS)
    with pytest.raises(SystemExit) as stopped:
        main(["--release", str(release), *arguments])
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_wilson_interval() -> None:
    mean = mean_of([1.0] * 8 + [0.0] * 2, ["a"] * 10)
    # Newcombe (1998), method 3, for 8 of 10.
    assert (mean.mean, mean.low, mean.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


def test_bootstrap_draws_sources() -> None:
    values = [0.2] * 10 + [0.8] * 10
    apart = mean_of(values, [str(place) for place in range(20)])
    together = mean_of(values, ["a"] * 10 + ["b"] * 10)
    assert apart.mean == together.mean == pytest.approx(0.5)
    assert apart.low is not None
    assert 0.2 < apart.low < apart.mean
    assert together.low == pytest.approx(0.2)
    assert mean_of(values, [str(place) for place in range(20)]) == apart
    assert mean_of(values, ["a"] * 20).low is None


def test_the_grader_stands_alone() -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(str(node.module).partition(".")[0])
    assert imported - sys.stdlib_module_names == {"numpy", "pyarrow"}


def test_the_last_digit_of_a_score_does_not_depend_on_the_hash_seed() -> None:
    """Classes are texts, and a set of texts has another order in every process."""
    program = """
import json, random, pyarrow as pa
from validate.score import Answer, score
rng = random.Random(1)
labels = [f"class {i}" for i in range(19)]
right = [rng.choice(labels) for _ in range(400)]
rules = {"metric": "macro_f1", "id_column": "row_id", "targets": ["y"], "scores": [],
         "label_type": "text", "classes": labels, "rtol": 1e-5, "atol": {}, "n_rows": 400,
         "answer_hash": ""}
truth = pa.table({"row_id": list(range(400)), "y": right})
answer = Answer.parse(task_id="t", variant="class-mm", ground_truth=json.dumps(rules), truth=truth)
for _ in range(20):
    guess = [rng.choice(labels) for _ in right]
    print(repr(score(answer, pa.table({"row_id": list(range(400)), "y": guess})).score))
"""
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path.cwd())},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(printed) == 1
    assert len(printed.pop().split()) == 20

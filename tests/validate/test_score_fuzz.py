"""The grader on 2,000 hostile submissions: nothing raises, and nothing but truth is worth 1.0."""

import csv
import io
import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from validate import score as module
from validate.score import Answer, Reason, score

Rows = list[list[str]]
N_ROWS = 12
SUBMISSIONS = 2000
SEED = 20240131

CELLS = [
    *("", " ", "nan", "NaN", "inf", "-inf", "1e999", "-1e999", "1e-999", "NULL", "None", "True"),
    *("0", "-0", "0.0", "1", "01", "1.", ".5", "1_000", "1,5", "0x10", "1e3", "१२", "²", "１"),
    *("9" * 400, "9" * 5000, "-" * 50, "a", "b", "cat, dog", 'he said ""', '"', "'", "\n", "\r\n"),
    *("\u202e", "\ufeff", "\u0000", "😀" * 20, "=1+1", "2024-01-31", "9007199254740993", "x" * 999),
]
FRAGMENTS = [
    *(
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"\r\n",
        b",",
        b"\0",
        b"\xff",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\\",
    ),
    *(b"PAR1", b"\x1a", b"PK\x03\x04", b"row_id", b"1e999", b"," * 300, b"\n" * 300, b'"' * 301),
    *(b"x" * 140_000, "é".encode("latin-1"), "１".encode(), b";", b"\t", b"#", b" "),
]


def _answer(variant: str, metric: str, columns: dict[str, list[Any]], **rules: Any) -> Answer:
    scores = [name for name in columns if name.startswith("score_")]
    known = {
        "metric": metric,
        "id_column": "row_id",
        "targets": [name for name in columns if name not in scores],
        "scores": scores,
        **rules,
    }
    truth = {"row_id": [7 * place + 1 for place in range(N_ROWS)], **columns}
    return Answer.parse("t", variant, json.dumps(known), pa.table(truth))


_real = [place**2 / 7 for place in range(N_ROWS)]
_text = ["a", "b", "cat, dog", 'he said ""'] * (N_ROWS // 4)
ANSWERS = (
    _answer("reg-if", "allclose", {"y": _real, "z, or w": _real[::-1]}, atol={"y": 1e-8}),
    _answer("reg-mm", "clipped_r2", {"y": _real}),
    _answer("class-mm", "macro_f1", {"y": _text}, label_type="text", classes=sorted({*_text})),
    _answer("class-mm", "macro_f1", {"y": [0, 1, 1] * 4}, label_type="integer", classes=["0"]),
    _answer("class-if", "exact", {"y": _text, "score_a": _real}, label_type="text"),
)


def _rows(answer: Answer) -> Rows:
    columns = [answer.truth.column(name).to_pylist() for name in answer.rules.columns]
    return [list(answer.rules.columns), *([*map(str, row)] for row in zip(*columns, strict=True))]


def _csv(rows: Rows, **dialect: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, **{"lineterminator": "\n", **dialect}).writerows(rows)
    return text.getvalue().encode()


def _mutated_bytes(rng: random.Random, content: bytes) -> bytes:
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8, 64])):
        place = rng.randrange(len(data) + 1)
        action = rng.randrange(4)
        if action == 0 and place < len(data):
            data[place] = rng.randrange(256)
        elif action == 1:
            data[place:place] = rng.choice(FRAGMENTS)
        elif action == 2:
            del data[place : place + rng.choice([1, 1, 10, 100])]
        else:
            data[place:place] = data[: rng.randrange(len(data) + 1)]
    return bytes(data)


def _mutated_cells(rng: random.Random, answer: Answer) -> Rows:
    rows = _rows(answer)
    for _ in range(rng.choice([1, 1, 2, 5])):
        row = rng.choice(rows)
        row[rng.randrange(len(row))] = rng.choice(CELLS)
    return rows


def _changed_structure(rng: random.Random, answer: Answer) -> Rows:
    rows = _rows(answer)
    action = rng.randrange(7)
    if action == 0:
        rows.insert(rng.randrange(len(rows)), list(rng.choice(rows)))
    elif action == 1:
        del rows[rng.randrange(len(rows))]
    elif action == 2:
        rows = [rows[0], *([rows[1]] * N_ROWS)]
    elif action == 3:
        place = rng.randrange(len(rows[0]))
        rows = [[*row, row[place]] for row in rows]
    elif action == 4:
        rng.choice(rows).append("more")
    elif action == 5:
        rng.choice(rows).pop()
    else:
        rows = [list(row) for row in zip(*rows, strict=True)]
    return rows


def _in_another_dialect(rng: random.Random, answer: Answer) -> bytes:
    rows = _mutated_cells(rng, answer) if rng.random() < 0.5 else _rows(answer)
    dialect = {
        "delimiter": rng.choice([",", ";", "\t"]),
        "quotechar": rng.choice(['"', "'"]),
        "quoting": rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
        "lineterminator": rng.choice(["\n", "\r", "\r\n", "\n\n", "\r\r\n"]),
    }
    text = _csv(rows, **dialect).decode()
    encoding = rng.choice(
        ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32", "utf-7", "cp1252"]
    )
    return text.encode(encoding, errors="replace")


def _noise(rng: random.Random) -> bytes:
    if rng.random() < 0.5:
        return rng.randbytes(rng.choice([1, 10, 1000, 100_000]))
    pieces = [*FRAGMENTS, *(cell.encode() for cell in CELLS)]
    header = rng.choice([b"", b"row_id,y\n", b"row_id,y,row_id\n"])
    return header + b"".join(rng.choice(pieces) for _ in range(rng.randrange(40)))


def _table(rng: random.Random, answer: Answer) -> pa.Table:
    """A table whose columns are of any type, right or not."""
    makers: list[Callable[[], pa.Array]] = [
        lambda: pa.array([rng.uniform(-9, 9) for _ in range(N_ROWS)], rng.choice(_FLOATS)),
        lambda: pa.array([rng.randrange(99) for _ in range(N_ROWS)], rng.choice(_WHOLES)),
        lambda: pa.array([rng.choice([True, False, None]) for _ in range(N_ROWS)]),
        lambda: pa.array([rng.choice(CELLS) for _ in range(N_ROWS)]).dictionary_encode(),
        lambda: pa.array([rng.choice(CELLS) for _ in range(N_ROWS)], pa.large_string()),
        lambda: pa.array([[1, 2]] * N_ROWS),
        lambda: pa.array([{"y": 1}] * N_ROWS),
        lambda: pa.array([b"1"] * N_ROWS),
        lambda: pa.nulls(N_ROWS),
        lambda: pa.array([rng.randrange(-(2**62), 2**62) for _ in range(N_ROWS)]).cast(
            pa.timestamp("ns", rng.choice([None, "UTC"]))
        ),
        lambda: pa.array([rng.randrange(9**9) for _ in range(N_ROWS)]).cast(pa.decimal128(38, 5)),
    ]
    names = [*answer.rules.columns, *rng.sample(["y", "row_id", "", "z"], rng.choice([0, 0, 0, 1]))]
    columns: list[Any] = [rng.choice(makers)() for _ in names]
    for place in range(len(answer.rules.columns)):
        if rng.random() < (0.9 if place == 0 else 0.3):
            columns[place] = answer.truth.column(place)
    return pa.table(columns, names)


_FLOATS = (pa.float64(), pa.float32())
_WHOLES = (pa.int64(), pa.uint8(), pa.int32())


def _parquet(table: pa.Table, rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    compression = rng.choice(["zstd", "snappy", "none", "gzip"])
    pq.write_table(table, buffer, compression=compression, row_group_size=rng.choice([1, 5, 100]))
    return buffer.getvalue()


def _submission(rng: random.Random, answer: Answer) -> bytes | pa.Table:
    makers: list[Callable[[], bytes | pa.Table]] = [
        lambda: _mutated_bytes(rng, _csv(_rows(answer))),
        lambda: _csv(_mutated_cells(rng, answer)),
        lambda: _csv(_changed_structure(rng, answer)),
        lambda: _in_another_dialect(rng, answer),
        lambda: _noise(rng),
        lambda: _table(rng, answer),
        lambda: _parquet(_table(rng, answer), rng),
        lambda: _mutated_bytes(rng, _parquet(answer.truth, rng)),
    ]
    return rng.choice(makers)()


def _in_this_process(data: bytes, rules: Any, max_rows: int) -> dict[str, Any]:
    """As `score._parquet_cells`, without paying for a process each time."""
    table = module._decoded(data, rules.columns, max_rows)
    return module._table_cells(table, rules)


def _equals_truth(answer: Answer, submission: bytes | pa.Table) -> bool:
    """An independent reading of a submission that scored 1.0: every cell is truth's."""
    if isinstance(submission, bytes) and submission.startswith(b"PAR1"):
        submission = pq.read_table(pa.BufferReader(submission))
    if isinstance(submission, bytes):
        header, *rows = (
            row for row in csv.reader(submission.decode("utf-8-sig").splitlines(True)) if row
        )
        columns = {name: [row[header.index(name)] for row in rows] for name in answer.rules.columns}
    else:
        columns = {name: submission.column(name).to_pylist() for name in answer.rules.columns}
    found = {int(float(row[0])): row[1:] for row in zip(*columns.values(), strict=True)}
    right = list(
        zip(*(answer.truth.column(n).to_pylist() for n in answer.rules.columns), strict=True)
    )
    return len(found) == len(right) and all(
        _same(cell, wanted)
        for row in right
        for cell, wanted in zip(found[row[0]], row[1:], strict=True)
    )


def _same(cell: Any, wanted: Any) -> bool:
    # R² and the tolerance round the last digits away.
    if isinstance(wanted, str):
        return bool(cell == wanted)
    return float(cell) == pytest.approx(wanted, rel=1e-5, abs=1e-8)


@pytest.mark.slow
def test_fuzzed_submissions(monkeypatch: pytest.MonkeyPatch) -> None:
    # Most Parquet files are decoded here, where a crash of the reader would end the test run:
    # starting 500 processes would take minutes and prove no more.
    decode, rng = module._parquet_cells, random.Random(SEED)
    reasons: dict[str, int] = {}
    for number in range(SUBMISSIONS):
        monkeypatch.setattr(
            module, "_parquet_cells", decode if number % 32 == 0 else _in_this_process
        )
        answer = rng.choice(ANSWERS)
        submission = _submission(rng, answer)
        result = score(answer, submission, rng.choice(["peer", "unit", "skill"]))
        assert result.reason in get_args(Reason)
        assert 0.0 <= result.score <= 1.0
        assert result.message.isascii()
        json.loads(result.to_json())
        if result.score == 1.0:
            assert _equals_truth(answer, submission), submission
        if result.reason not in ("ok", "mismatch"):
            assert result.score == 0.0
        reasons[result.reason] = reasons.get(result.reason, 0) + 1
    # The fuzz reaches every branch but the two that need a path or a long file.
    assert set(get_args(Reason)) - set(reasons) <= {"missing_file", "too_large"}, reasons


@pytest.mark.slow
def test_every_byte_of_a_parquet_file_may_be_wrong() -> None:
    """The decoding process contains what damaged files do to their reader."""
    answer, rng = ANSWERS[1], random.Random(SEED)
    content = _parquet(answer.truth, rng)
    for _ in range(8):
        assert score(answer, _mutated_bytes(rng, content)).reason in get_args(Reason)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: answer.variant)
def test_the_unchanged_file_wins(answer: Answer) -> None:
    assert score(answer, _csv(_rows(answer))).score == 1.0
    assert score(answer, answer.truth).score == 1.0
    shuffled = partial(random.Random(SEED).sample, _rows(answer)[1:], N_ROWS)
    assert score(answer, _csv([_rows(answer)[0], *shuffled()])).score == 1.0

"""The grader: turns a submission for a task into a score, a reason and a reward.

One file on purpose: it needs Python 3.11, numpy and pyarrow 16 (or later) and nothing else, so the
same code runs in validation, lies in every release and is all that the wheel `opendare-score`
holds.

    python score.py --release DIR --task ID prediction.csv [--reward peer|unit|skill]
    python score.py --release DIR --predictions DIR [--split eval]

ID is an id or the unique beginning of one. What is graded ends with exit code 0, whatever its score
is: a submission that cannot be graded is an outcome with a reason.

    >>> from score import load_answers, score
    >>> for answer in load_answers("release", ["owner__slug__v1__class-mm-0a1b2c3d"]):
    ...     print(score(answer, Path("prediction.csv")).score)

Enters: a release, and a submission: `prediction.csv`, the same as Parquet, its bytes, or a table of
pyarrow, polars or pandas, with the id column and the target columns of the task. Leaves: a
`Result`. A submission never raises; whatever its bytes are, it gets a score in [0, 1], a reason and
a message:

    missing_file   there is no file
    unreadable     neither CSV (UTF-8, comma, RFC 4180, rows as wide as the header) nor Parquet; or
                   not a regular file (links, folders, pipes and devices are refused)
    too_large      more bytes than any answer needs, or a Parquet file that unpacks to as much
    bad_columns    an id, target or score column is absent, repeated, or not of plain cells
    unknown_ids    an id that the task does not have
    duplicate_ids  an id that occurs twice
    missing_ids    an id of the task that does not occur
    not_numeric    text where a number is asked for
    nan            an empty, NaN or infinite cell where a number is asked for
    mismatch       valid, but not the answer (`-if` only: all or nothing)
    ok             graded

Rules. Rows may come in any order. Columns that the task does not name are ignored. Ids and numbers
compare by value (1, "1", "1.0" and " 1 " are one id; `True` is none), instants by value, labels by
value where they are integers and else by their exact text. A label that occurs neither in train nor
in truth is a wrong row, never a class of its own. For `class-if` the score also asks for the score
columns within tolerance; `labels_only` does not. On submissions whose ids equal truth's as text
and whose labels all occur in train or truth, scores (`labels_only` for `class-if`) equal those of
DARE-bench: exact match, `numpy.allclose`, scikit-learn's macro-F1, R² clipped to [0, 1], and the
mean over targets.

Not guaranteed: that the release is genuine (compare `manifest.json` first), that a good score was
earned honestly, or anything about the program that wrote the submission. CSV is read in this
process and in bounded memory. Parquet is decoded in a process of its own with limits on time and,
where the system has `resource`, memory: a small Parquet file may unpack to anything, or crash its
reader.
"""

import argparse
import csv
import io
import json
import math
import os
import shlex
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Metric = Literal["exact", "allclose", "macro_f1", "clipped_r2"]
Reward = Literal["peer", "unit", "skill"]
Reason = Literal[
    "missing_file",
    "unreadable",
    "too_large",
    "bad_columns",
    "missing_ids",
    "unknown_ids",
    "duplicate_ids",
    "not_numeric",
    "nan",
    "mismatch",
    "ok",
]

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of a submission that are always accepted."""
MAX_CELL_BYTES = 64
"""Bytes by which that limit grows for each cell of the answer."""
MAX_RECORD_CHARS = 1024 * 1024
"""Characters of one CSV record, quoted newlines included."""
MAX_CELL_CHARS = 131_072
"""Characters of one CSV cell: the limit of Python's reader, unless somebody in this process raised
it, as scipy does."""
MAX_NUMBER_CHARS = 1000
"""Characters of a cell that may still be a number or an instant."""
DECODE_MEMORY_BYTES = 2 * 1024**3
"""Address space of the process that decodes Parquet; its libraries take about a quarter."""
DECODE_TIMEOUT_S = 60
"""Wall-clock seconds that decoding a Parquet file may take."""
_TOO_LARGE = 3
"""Exit code of that process when a limit was reached."""
RECIPES = "tasks_recipe"
"""The config of tasks whose files and truth a user makes again."""
VALID_REWARD = 0.1
"""What reward `peer` adds to the score of a file that can be graded."""
BOOTSTRAP_REPLICATES = 1000
_NEAR = 5
"""Ids that are offered instead of one that is not there."""

Cell = str | int | float | bool | Decimal | None
Key = str | int | datetime
Values = npt.NDArray[Any]
"""Float64 where numbers are compared within a tolerance, else objects: `Key`, None for junk."""


class GraderError(RuntimeError):
    """The grader's own world is broken (no release, no interpreter): no submission is to blame."""


class _Refusal(Exception):
    """A submission that cannot be graded: an outcome, which never leaves this file."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def _refuse(reason: Reason, message: str) -> NoReturn:
    raise _Refusal(reason, message)


def _shown(value: object, longest: int = 60) -> str:
    """A hostile value for a message: ASCII, one line, short."""
    text = ascii(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


# --- What is graded against -------------------------------------------------------------------


@dataclass(frozen=True)
class Rules:
    """How a task is graded: `reward_model.ground_truth` of its row, without the truth."""

    metric: Metric
    id_column: str
    targets: tuple[str, ...]
    scores: tuple[str, ...] = ()
    """Columns `score_<class>` that `class-if` asks for beside the labels; may be empty."""
    label_type: Literal["integer", "text"] | None = None
    """How labels compare; None where the target is a number to be predicted."""
    classes: tuple[str, ...] = ()
    """Labels that occur in train, as text."""
    rtol: float = 1e-5
    atol: Mapping[str, float] | None = None
    """Absolute tolerance by column; 0 for a column that it does not name."""

    @classmethod
    def parse(cls, ground_truth: str) -> "Rules":
        """Read the JSON of a release; fields that grading does not need are ignored."""
        fields = json.loads(ground_truth)
        return cls(
            metric=fields["metric"],
            id_column=fields["id_column"],
            targets=tuple(fields["targets"]),
            scores=tuple(fields.get("scores") or ()),
            label_type=fields.get("label_type"),
            classes=tuple(fields.get("classes") or ()),
            rtol=fields.get("rtol", 1e-5),
            atol=fields.get("atol") or {},
        )

    @property
    def all_or_nothing(self) -> bool:
        """True for the metrics that know only 0 and 1 (`-if`)."""
        return self.metric in ("exact", "allclose")

    @property
    def required(self) -> tuple[str, ...]:
        """Columns without which nothing can be graded."""
        return (self.id_column, *self.targets)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read from a submission."""
        return (*self.required, *self.scores)


@dataclass(frozen=True, eq=False)
class Answer:
    """The private side of a task."""

    task_id: str
    variant: str
    rules: Rules
    truth: pa.Table
    """The id column and the answer columns, one row per id."""
    skill: Mapping[str, Any] | None = None
    """`{"floor", "ceiling"}`, or for forecasts `{"entities": [{"row_ids", "season", "mae"}]}` with
    the mean absolute error of seasonal naive by target; None: skill is unknown."""
    source: str = ""
    """Dataset that the task comes from: tasks of one source are not independent."""

    @classmethod
    def parse(
        cls,
        task_id: str,
        variant: str,
        ground_truth: str,
        truth: pa.Table,
        skill: str | None = None,
        source: str = "",
    ) -> "Answer":
        """Build an answer from the JSON texts that a release holds."""
        known = json.loads(skill) if skill else None
        return cls(task_id, variant, Rules.parse(ground_truth), truth, known, source)

    @property
    def max_bytes(self) -> int:
        """Bytes above which a submission is refused unread."""
        return MAX_BYTES + MAX_CELL_BYTES * int(self.truth.num_rows) * len(self.rules.columns)

    @cached_property
    def right(self) -> Mapping[str, Values]:
        """Values of truth by column, read exactly as those of a submission are."""
        try:
            sheet = _Sheet(self, _table_cells(self.truth, self.rules))
            values = {column: sheet.values(column) for column in self.rules.columns}
            if any(None in column.tolist() for column in values.values()):
                _refuse("bad_columns", "a cell is empty")
            if len(set(values[self.rules.id_column])) < self.truth.num_rows:
                _refuse("duplicate_ids", "an id occurs twice")
        except (_Refusal, KeyError) as error:
            raise GraderError(f"truth of {self.task_id} is broken: {error}") from error
        return values

    @cached_property
    def places(self) -> Mapping[Key | None, int]:
        """Row of truth by id."""
        return {key: row for row, key in enumerate(self.right[self.rules.id_column])}

    def kind(self, column: str) -> Literal["number", "integer", "instant", "text"]:
        """How the cells of a column compare."""
        rules = self.rules
        if column in rules.scores:
            return "number"
        if column in rules.targets and rules.metric in ("allclose", "clipped_r2"):
            return "number"
        stored = self.truth.schema.field(column).type
        if column in rules.targets and rules.label_type == "integer":
            return "integer"
        # Also one target of several, where the others are text.
        if pa.types.is_integer(stored):
            return "integer"
        return "instant" if pa.types.is_temporal(stored) else "text"


@dataclass(frozen=True)
class Result:
    """The outcome for one submission."""

    task_id: str
    score: float
    """In [0, 1]; comparable with DARE-bench."""
    skill: float | None
    """In [0, 1]; how far from a trivial to the best known answer. None where that is unknown."""
    reward: float
    reason: Reason
    message: str
    """Why, in ASCII on one line; never holds an answer."""
    labels_only: float | None = None
    """`class-if` only: 1.0 when all labels are right, whatever the scores are."""

    def to_json(self) -> str:
        """One line; `labels_only` only where it means something."""
        fields = asdict(self)
        if self.labels_only is None:
            del fields["labels_only"]
        return json.dumps(fields)


# --- Cells and their values -------------------------------------------------------------------


def _number(cell: Cell) -> float:
    """The number that a cell holds, NaN when it is empty.

    Raises ValueError for anything else, also for what `float` alone would take: digits of other
    scripts, underscores, and booleans.
    """
    if isinstance(cell, str):
        if not cell.isascii() or "_" in cell or len(cell) > MAX_NUMBER_CHARS:
            raise ValueError(cell)
        return float(cell) if cell.strip() else math.nan
    if isinstance(cell, bool):
        raise ValueError(cell)
    return math.nan if cell is None else float(cell)


def _integer(cell: Cell) -> int | None:
    """The whole number that a cell holds, or None; exact for all 64-bit numbers."""
    if isinstance(cell, int):
        return None if isinstance(cell, bool) else cell
    if isinstance(cell, str) and len(cell) <= MAX_NUMBER_CHARS:
        text = cell.strip()
        if text.isascii() and text.removeprefix("-").isdecimal():
            return int(text)
    try:
        value = _number(cell)
    except ValueError:
        return None
    # From 2**53 on a float no longer says which whole number was meant.
    return int(value) if value.is_integer() and abs(value) < 2**53 else None


def _instant(cell: Cell) -> datetime | None:
    """The instant that an ISO 8601 cell holds, naive UTC, or None."""
    if not isinstance(cell, str) or len(cell) > MAX_NUMBER_CHARS:
        return None
    try:
        instant = datetime.fromisoformat(cell.strip())
        return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant
    except (ValueError, OverflowError):
        return None


def _text(cell: Cell) -> str | None:
    """The exact text of a cell; a typed cell as Python writes it."""
    return cell if isinstance(cell, str) or cell is None else str(cell)


_KEYS: Mapping[str, Callable[[Cell], Key | None]] = {
    "integer": _integer,
    "instant": _instant,
    "text": _text,
}


@dataclass(frozen=True, eq=False)
class _Sheet:
    """Cells by column: of a submission as it came or in truth's order, or of truth itself."""

    answer: Answer
    cells: Mapping[str, Sequence[Cell]]

    def values(self, column: str) -> Values:
        """Comparable values of a column; numbers are finite, or the submission is refused."""
        kind, cells = self.answer.kind(column), self.cells[column]
        if kind != "number":
            return np.array([_KEYS[kind](cell) for cell in cells], dtype=object)
        try:
            numbers = np.array([_number(cell) for cell in cells], dtype=np.float64)
        except ValueError as error:
            _refuse("not_numeric", f"column {_shown(column)}: {_shown(str(error))}")
        lacking = len(numbers) - np.count_nonzero(np.isfinite(numbers))
        if lacking:
            _refuse("nan", f"column {_shown(column)} has {lacking} empty, NaN or infinite cells")
        return numbers

    def in_order_of_truth(self) -> "_Sheet":
        """The rows as truth has them, or a refusal when the ids are not exactly those of truth."""
        places, id_column = self.answer.places, self.answer.rules.id_column
        ids = self.values(id_column)
        rows = {key: row for row, key in enumerate(ids)}
        unknown = [row for row, key in enumerate(ids) if key not in places]
        if unknown:
            cell = _shown(self.cells[id_column][unknown[0]])
            _refuse("unknown_ids", f"{len(unknown)} unknown ids, the first is {cell}")
        if len(rows) < len(ids):
            _refuse("duplicate_ids", f"{len(ids) - len(rows)} rows repeat an id")
        if len(rows) < len(places):
            first = next(_shown(key) for key in places if key not in rows)
            _refuse("missing_ids", f"{len(places) - len(rows)} ids are missing, first {first}")
        order = [rows[key] for key in places]
        cells = {name: [column[row] for row in order] for name, column in self.cells.items()}
        return _Sheet(self.answer, cells)


# --- Reading a submission ---------------------------------------------------------------------
# Never more than one row beyond truth's is read: by then an id is unknown or occurs twice.


def _read(answer: Answer, submission: object) -> _Sheet:
    """The cells of a submission as it came, or a refusal."""
    try:
        max_rows = answer.truth.num_rows + 1
        if hasattr(submission, "__arrow_c_stream__"):
            return _Sheet(answer, _table_cells(pa.table(submission), answer.rules, max_rows))
        data = submission if isinstance(submission, bytes) else _file_bytes(answer, submission)
        if len(data) > answer.max_bytes:
            _refuse("too_large", f"{len(data)} bytes; at most {answer.max_bytes} are read")
        decode = _parquet_cells if data.startswith(b"PAR1") else _csv_cells
        return _Sheet(answer, decode(data, answer.rules, max_rows))
    except (_Refusal, GraderError):
        raise
    except MemoryError:
        _refuse("too_large", "the memory does not suffice to read it")
    except Exception as error:  # Hostile bytes meet three parsers here: none may lose a batch.
        _refuse("unreadable", f"{type(error).__name__}: {_shown(str(error))}")


def _file_bytes(answer: Answer, submission: object) -> bytes:
    """Content of a regular file of bounded size, without following a link or waiting for a pipe."""
    if not isinstance(submission, str | os.PathLike):
        _refuse("unreadable", f"not a path, bytes or table: {type(submission).__name__}")
    flags = os.O_RDONLY
    for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
        flags |= getattr(os, flag, 0)
    try:
        descriptor = os.open(submission, flags)
    except FileNotFoundError:
        _refuse("missing_file", "there is no prediction file")
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            _refuse("unreadable", "not a regular file")
        if status.st_size > answer.max_bytes:
            _refuse("too_large", f"{status.st_size} bytes; at most {answer.max_bytes} are read")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(answer.max_bytes + 1)
    finally:
        os.close(descriptor)


def _places(names: Sequence[str], rules: Rules) -> dict[str, int]:
    """Position of each asked column, or a refusal; absent score columns are left out."""
    count = Counter(names)
    absent = [name for name in rules.required if not count[name]]
    if absent:
        found = ", ".join(_shown(name) for name in names[:8])
        _refuse("bad_columns", f"no column {_shown(absent[0])}; found {found or 'none'}")
    repeated = [name for name in rules.columns if count[name] > 1]
    if repeated:
        _refuse("bad_columns", f"column {_shown(repeated[0])} occurs {count[repeated[0]]} times")
    return {name: names.index(name) for name in rules.columns if count[name]}


def _csv_cells(data: bytes, rules: Rules, max_rows: int) -> dict[str, Sequence[Cell]]:
    """Cells of the asked columns as text; an empty cell is an empty text."""
    if b"\0" in data:
        _refuse("unreadable", "binary, or text that is not UTF-8")
    records = _csv_records(data)
    header = next(records, None)
    if header is None:
        _refuse("unreadable", "the file is empty")
    places = _places(header, rules)
    pick = itemgetter(*places.values())
    rows: list[tuple[str, ...]] = []
    for record in records:
        if len(record) != len(header):
            place = len(rows) + 1
            _refuse("unreadable", f"row {place} has {len(record)} cells, not {len(header)}")
        rows.append(pick(record))
        if len(rows) == max_rows:
            break
    columns = zip(*rows, strict=True) if rows else [()] * len(places)
    return dict(zip(places, columns, strict=True))


def _csv_records(data: bytes) -> Iterator[list[str]]:
    """Records of a CSV file without blank lines, each of bounded size."""
    text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    budget = MAX_RECORD_CHARS

    def lines() -> Iterator[str]:
        nonlocal budget
        while line := text.readline(MAX_RECORD_CHARS + 1):
            budget -= len(line)
            if budget < 0:
                _refuse("too_large", f"more than {MAX_RECORD_CHARS} characters without a record")
            yield line

    for record in csv.reader(lines(), strict=True):
        if max(map(len, record), default=0) > MAX_CELL_CHARS:
            _refuse("unreadable", f"a cell of more than {MAX_CELL_CHARS} characters")
        # Blank lines are paid from the same budget, so a file of them ends soon.
        if record:
            budget = MAX_RECORD_CHARS
            yield record


def _table_cells(
    table: pa.Table, rules: Rules, max_rows: int | None = None
) -> dict[str, Sequence[Cell]]:
    """Cells of the asked columns of an Arrow table; missing is None, instants are ISO text."""
    places = _places(table.schema.names, rules)
    head = table.slice(0, max_rows)
    return {name: _column_cells(name, head.column(place)) for name, place in places.items()}


def _column_cells(name: str, column: pa.ChunkedArray) -> list[Cell]:
    """Python values of a column of plain cells, or a refusal."""
    types = pa.types
    if types.is_dictionary(column.type):
        # Not decoded: a long text would be copied into each row that names it.
        cells: list[Cell] = []
        for chunk in column.chunks:
            codes = chunk.indices.drop_null().unique()
            texts = _column_cells(name, pa.chunked_array([chunk.dictionary.take(codes)]))
            known = dict(zip(codes.to_pylist(), texts, strict=True))
            cells += [known.get(code) for code in chunk.indices.to_pylist()]
        return cells
    if types.is_timestamp(column.type):
        # Python knows microseconds only; the text is in UTC because a naive type has no zone.
        column = column.cast(pa.timestamp("us"), safe=False)
    if types.is_timestamp(column.type) or types.is_date(column.type):
        column = column.cast(pa.string())
    plain = (
        *(types.is_string, types.is_large_string, types.is_string_view, types.is_null),
        *(types.is_integer, types.is_floating, types.is_decimal, types.is_boolean),
    )
    if not any(is_type(column.type) for is_type in plain):
        _refuse("bad_columns", f"column {_shown(name)} is of type {_shown(str(column.type))}")
    return list(column.to_pylist())


def _parquet_cells(data: bytes, rules: Rules, max_rows: int) -> dict[str, Sequence[Cell]]:
    """Cells of a Parquet file, decoded by this same file in a process with limits."""
    order = json.dumps([rules.columns, max_rows])
    command = [sys.executable, "-P", os.path.abspath(__file__), "--decode", order]
    try:
        done = subprocess.run(
            command, input=data, capture_output=True, timeout=DECODE_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        _refuse("too_large", f"decoding takes more than {DECODE_TIMEOUT_S} seconds")
    except OSError as error:
        raise GraderError(f"cannot start {command[0]!r} to decode Parquet: {error}") from error
    if done.returncode == _TOO_LARGE:
        _refuse("too_large", "the Parquet file unpacks to more than any answer needs")
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        _refuse("unreadable", f"the Parquet file is damaged: {_shown(last)}")
    return _table_cells(pa.ipc.open_stream(done.stdout).read_all(), rules)


def _decode(order: str) -> int:
    """Decode Parquet from standard input to an Arrow stream on standard output; the exit code.

    Only the asked columns and rows are decoded. When no asked name occurs, or one occurs twice,
    the schema alone is sent: the caller refuses such a table anyway.
    """
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (DECODE_MEMORY_BYTES, DECODE_MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # Not every system can limit memory; the timeout of the caller holds everywhere.
    try:
        table = _decoded(sys.stdin.buffer.read(), *json.loads(order))
        if table.nbytes > MAX_BYTES + MAX_CELL_BYTES * table.num_rows * table.num_columns:
            return _TOO_LARGE
        with pa.ipc.new_stream(sys.stdout.buffer, table.schema) as stream:
            stream.write_table(table)
    except MemoryError:
        return _TOO_LARGE
    return 0


def _decoded(data: bytes, columns: Sequence[str], max_rows: int) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    schema = file.schema_arrow
    names = [name for name in schema.names if name in columns]
    if not names or len(set(names)) < len(names):
        return schema.empty_table()
    schema = pa.schema([schema.field(name) for name in names])
    batches: list[pa.RecordBatch] = []
    missing = max_rows
    for batch in file.iter_batches(batch_size=max_rows, columns=names, use_threads=False):
        batches.append(batch.slice(0, missing))
        missing -= batches[-1].num_rows
        if missing == 0:
            break
    table = pa.Table.from_batches(batches, schema)
    for place, field in enumerate(schema):
        # Views may name one long text many times; their size would be a lie.
        if pa.types.is_string_view(field.type):
            column = table.column(place).cast(pa.large_string())
            table = table.set_column(place, field.name, column)
    return table


# --- Metrics ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Mark:
    """What a metric says about a valid submission."""

    score: float
    reason: Reason = "ok"
    message: str = "graded"
    labels_only: float | None = None


def _wrong_labels(answer: Answer, sheet: _Sheet) -> int:
    """Rows with a label that is not truth's in any target."""
    pairs = [(answer.right[name], sheet.values(name)) for name in answer.rules.targets]
    return int(np.any([right != found for right, found in pairs], axis=0).sum())


def _far_rows(answer: Answer, sheet: _Sheet, columns: Sequence[str]) -> int:
    """Rows with a number beyond `atol + rtol * |truth|` in any column, like `numpy.allclose`."""
    far = np.zeros(len(answer.places), dtype=bool)
    for column in columns:
        right, found = answer.right[column], sheet.values(column)
        atol = (answer.rules.atol or {}).get(column, 0.0)
        with np.errstate(over="ignore"):
            far |= np.abs(found - right) > atol + answer.rules.rtol * np.abs(right)
    return int(far.sum())


def _exact(answer: Answer, sheet: _Sheet) -> _Mark:
    """1.0 when every label is right and every score within tolerance, else 0.0."""
    rules = answer.rules
    wrong = _wrong_labels(answer, sheet)
    labels_only = float(wrong == 0)
    absent = [name for name in rules.scores if name not in sheet.cells]
    if absent:
        message = f"no column {_shown(absent[0])}; the task asks for scores beside labels"
        return _Mark(0.0, "bad_columns", message, labels_only)
    try:
        far = _far_rows(answer, sheet, rules.scores)
    except _Refusal as refusal:
        return _Mark(0.0, refusal.reason, refusal.message, labels_only)
    if wrong or far:
        message = f"labels differ in {wrong} rows, scores in {far} of {len(answer.places)}"
        return _Mark(0.0, "mismatch", message, labels_only)
    return _Mark(1.0, labels_only=labels_only)


def _allclose(answer: Answer, sheet: _Sheet) -> _Mark:
    """1.0 when every number is within tolerance, else 0.0."""
    far = _far_rows(answer, sheet, answer.rules.targets)
    if far:
        message = f"{far} of {len(answer.places)} rows are beyond the tolerance"
        return _Mark(0.0, "mismatch", message)
    return _Mark(1.0)


def _macro_f1(answer: Answer, sheet: _Sheet) -> _Mark:
    """Mean over targets of `sklearn.metrics.f1_score(average="macro", zero_division=0)`."""
    scores = [_macro_f1_of(answer, sheet, target) for target in answer.rules.targets]
    return _Mark(float(np.mean(scores)))


def _macro_f1_of(answer: Answer, sheet: _Sheet, target: str) -> float:
    """Macro-F1 over truth's classes and the predicted ones that occur in train."""
    right, found = answer.right[target], sheet.values(target)
    key = _KEYS[answer.kind(target)]
    # In order of appearance: a set's order, and with it the last digit of the mean, would change
    # from process to process.
    known = dict.fromkeys([*right, *map(key, answer.rules.classes)])
    known.pop(None, None)
    codes: dict[Key | None, int] = {label: code for code, label in enumerate(known)}
    junk = len(codes)
    true = np.array([codes[label] for label in right])
    predicted = np.array([codes.get(label, junk) for label in found])
    hits = np.bincount(true[true == predicted], minlength=junk)
    sizes = np.bincount(true, minlength=junk) + np.bincount(predicted, minlength=junk)[:junk]
    seen = sizes > 0
    return float(np.mean(2 * hits[seen] / sizes[seen]))


def _clipped_r2(answer: Answer, sheet: _Sheet) -> _Mark:
    """Mean over targets of `sklearn.metrics.r2_score`, each clipped to [0, 1]."""
    targets = answer.rules.targets
    scores = [_clipped_r2_of(answer.right[name], sheet.values(name)) for name in targets]
    return _Mark(float(np.mean(scores)))


def _clipped_r2_of(right: Values, found: Values) -> float:
    """Clipped R²; where truth is constant 1.0 for the exact answer and 0.0 for any other."""
    with np.errstate(over="ignore", invalid="ignore"):
        error = float(np.sum((right - found) ** 2))
        spread = float(np.sum((right - np.average(right)) ** 2))
    if error == 0.0 or spread == 0.0:
        return float(error == 0.0)
    return _clipped(1 - error / spread)


def _clipped(value: float) -> float:
    """The value within [0, 1]; NaN, the quotient of two overflows, is 0."""
    return 0.0 if math.isnan(value) else min(max(value, 0.0), 1.0)


_METRICS: Mapping[Metric, Callable[[Answer, _Sheet], _Mark]] = {
    "exact": _exact,
    "allclose": _allclose,
    "macro_f1": _macro_f1,
    "clipped_r2": _clipped_r2,
}


def _skill(answer: Answer, sheet: _Sheet, score: float) -> float | None:
    """Skill of a graded submission; None where nothing to normalise by is known."""
    scale = answer.skill
    if answer.rules.all_or_nothing:
        return score
    if scale is None:
        return None
    if "entities" in scale:
        return _forecast_skill(answer, sheet, scale["entities"])
    room = scale["ceiling"] - scale["floor"]
    return _clipped((score - scale["floor"]) / room) if room > 0 else None


def _forecast_skill(
    answer: Answer, sheet: _Sheet, entities: Sequence[Mapping[str, Any]]
) -> float | None:
    """Mean over entities and targets of 1 - MAE / MAE of seasonal naive, each clipped to [0, 1].

    An entity whose baseline is without error is left out: nothing can be better.
    """
    skills: list[float] = []
    for target in answer.rules.targets:
        found = sheet.values(target)
        for entity in entities:
            rows = [answer.places[row_id] for row_id in entity["row_ids"]]
            baseline = entity["mae"][target]
            if baseline > 0:
                with np.errstate(over="ignore"):
                    error = float(np.mean(np.abs(answer.right[target][rows] - found[rows])))
                skills.append(_clipped(1 - error / baseline))
    return float(np.mean(skills)) if skills else None


# --- The grader -------------------------------------------------------------------------------


def score(
    answer: Answer, submission: Path | str | bytes | pa.Table, reward: Reward = "peer"
) -> Result:
    """Grade one submission.

    `submission` is a path, the bytes of a CSV or Parquet file, or a table. `reward` chooses what
    `Result.reward` is: `peer` is the score plus 0.1 for a file that can be graded, `unit` the
    score, `skill` the skill (the score where skill is unknown). Raises `ValueError` for another
    `reward` and `GraderError` when the machine cannot start a process; never for a submission.
    """
    if reward not in get_args(Reward):
        raise ValueError(f"reward is one of {', '.join(get_args(Reward))}, not {reward!r}")
    try:
        sheet = _read(answer, submission).in_order_of_truth()
        mark = _METRICS[answer.rules.metric](answer, sheet)
        skill = _skill(answer, sheet, mark.score)
    except _Refusal as refusal:
        labels_only = 0.0 if answer.rules.metric == "exact" else None
        mark = _Mark(0.0, refusal.reason, refusal.message, labels_only)
        skill = None if answer.skill is None and not answer.rules.all_or_nothing else 0.0
    result = Result(
        task_id=answer.task_id,
        score=mark.score,
        skill=skill,
        reward=mark.score,
        reason=mark.reason,
        message=mark.message,
        labels_only=mark.labels_only,
    )
    return _rewarded(result, reward)


def _rewarded(result: Result, reward: Reward) -> Result:
    if reward == "peer" and result.reason in ("ok", "mismatch"):
        return replace(result, reward=VALID_REWARD + result.score)
    if reward == "skill" and result.skill is not None:
        return replace(result, reward=result.skill)
    if reward == "skill":
        note = f"{result.message}; skill is unknown for this task, so the reward is the score"
        return replace(result, message=note)
    return result


# --- Releases ---------------------------------------------------------------------------------


def load_answers(
    release: Path | str, task_ids: Sequence[str] | None = None, split: str | None = None
) -> Iterator[Answer]:
    """The answers of a release, one by one, in the order in which it stores them.

    All tasks of all tiers by default, else those named, or those of a split (`train` or `eval`).
    Tasks that ship as recipes count from when they are restored; before, they are left out unless
    they are named. Raises `GraderError` at once when there is no release or no such task, and at
    its end when a task has no answer, or is named and must be restored first.
    """
    rows = _task_rows(Path(release), split)
    wanted = set(rows if task_ids is None else task_ids)
    unknown = sorted(wanted - set(rows))
    if unknown:
        raise GraderError(f"no task {_shown(unknown[0])} in {release}, which has {len(rows)} tasks")
    chosen = {name: rows[name] for name in wanted}
    return _stored_answers(Path(release), chosen, named=task_ids is not None)


def _task_rows(release: Path, split: str | None) -> dict[str, dict[str, Any]]:
    """Light task rows by id; `is_recipe` where the release came without the answer."""
    files = [
        file
        for folder in sorted(release.glob("data/tasks*"))
        for file in sorted(folder.rglob("*.parquet"))
        if split is None or file.name.startswith(f"{split}-")
    ]
    if not files:
        raise GraderError(f"no release in {release}: expected data/tasks/{split or ''}*.parquet")
    columns = ["task_id", "variant", "reward_model", "source_ref"]
    rows: dict[str, dict[str, Any]] = {}
    for file in files:
        # `ParquetFile`, since `read_table` would take the folders for partitions.
        for row in pq.ParquetFile(file).read(columns=columns).to_pylist():
            rows[row["task_id"]] = row | {"is_recipe": RECIPES in file.parts[-3:]}
    if not rows:
        raise GraderError(f"no task in {release}")
    return rows


def _stored_answers(
    release: Path, rows: Mapping[str, Mapping[str, Any]], named: bool
) -> Iterator[Answer]:
    found: set[str] = set()
    for file in sorted(release.glob("data/answers/*.parquet")):
        batches = pq.ParquetFile(file).iter_batches(64, columns=["task_id", "truth", "skill"])
        for stored in (row for batch in batches for row in batch.to_pylist()):
            task = rows.get(stored["task_id"])
            if task is not None and stored["truth"] is not None:
                found.add(stored["task_id"])
                yield Answer.parse(
                    task_id=stored["task_id"],
                    variant=task["variant"],
                    ground_truth=task["reward_model"]["ground_truth"],
                    truth=pq.ParquetFile(pa.BufferReader(stored["truth"])).read(),
                    skill=stored.get("skill"),
                    source=task.get("source_ref") or "",
                )
    lacking = sorted(set(rows) - found)
    recipes = [name for name in lacking if rows[name]["is_recipe"]]
    if len(recipes) < len(lacking):
        n, first = len(lacking) - len(recipes), min(set(lacking) - set(recipes))
        raise GraderError(f"{n} tasks of {release} lack an answer: {first}")
    if recipes and named:
        raise GraderError(
            f"{_shown(recipes[0])} ships as a recipe, without files and truth; they must be "
            f"restored first: opendare restore {shlex.quote(str(release))}"
        )


def _full_id(release: Path, name: str) -> str:
    """The id of a release that is `name` or alone begins with it; else near ones are named."""
    known = sorted(_task_rows(release, None))
    beginning = [full for full in known if full.startswith(name)]
    if name in known or len(beginning) == 1:
        return name if name in known else beginning[0]
    near = beginning or get_close_matches(name, known, n=_NEAR, cutoff=0.5)
    problem = f"{len(beginning)} tasks begin with" if beginning else "no task is called"
    # An id must be whole, since it is copied into the next command.
    listed = "".join(f"\n  {_shown(full, 200)}" for full in near[:_NEAR])
    hint = f"; near ones:{listed}" if near else f"; it has {len(known)} tasks"
    raise GraderError(f"in {release} {problem} {_shown(name)}{hint}")


# --- Means over tasks -------------------------------------------------------------------------


@dataclass(frozen=True)
class Mean:
    """A mean over tasks with its 95 % interval."""

    mean: float
    low: float | None
    high: float | None
    """None, like `low`, where all tasks come from one source: nothing is known about others."""
    interval: Literal["wilson", "bootstrap"]


def mean_of(values: Sequence[float], sources: Sequence[str]) -> Mean:
    """Mean with a Wilson interval where all values are 0 or 1, else a bootstrap over sources.

    The bootstrap draws whole sources with a fixed seed, and takes the 2.5 and 97.5 percentiles.
    """
    mean = float(np.mean(values))
    if set(values) <= {0.0, 1.0}:
        n, z = len(values), 1.959963984540054
        middle = (mean + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
        return Mean(mean, max(0.0, middle - half), min(1.0, middle + half), "wilson")
    cluster = np.unique(np.asarray(sources), return_inverse=True)[1]
    sizes, sums = np.bincount(cluster), np.bincount(cluster, weights=np.asarray(values))
    if len(sizes) < 2:
        return Mean(mean, None, None, "bootstrap")
    rng = np.random.default_rng(0)
    draws = (rng.integers(0, len(sizes), len(sizes)) for _ in range(BOOTSTRAP_REPLICATES))
    means = [float(sums[draw].sum() / sizes[draw].sum()) for draw in draws]
    low, high = np.percentile(means, [2.5, 97.5])
    return Mean(mean, float(low), float(high), "bootstrap")


@dataclass(frozen=True)
class Graded:
    """A result with what its mean is taken over."""

    result: Result
    variant: str
    source: str


def summary(graded: Sequence[Graded]) -> dict[str, Any]:
    """Means of score and reward over tasks, in all and by variant; a missing file counts 0."""
    variants = sorted({row.variant for row in graded})
    reasons = Counter(row.result.reason for row in graded)
    return {
        "summary": True,
        **_means(graded),
        "reasons": dict(sorted(reasons.items())),
        "variants": {
            variant: _means([row for row in graded if row.variant == variant])
            for variant in variants
        },
    }


def _means(graded: Sequence[Graded]) -> dict[str, Any]:
    sources = [row.source for row in graded]
    scores = mean_of([row.result.score for row in graded], sources)
    rewards = mean_of([row.result.reward for row in graded], sources)
    return {"tasks": len(graded), "score": asdict(scores), "reward": asdict(rewards)}


# --- The program ------------------------------------------------------------------------------


_REWARDS = """reward, beside the score in [0, 1]; the default is peer:
  peer   the score plus 0.1 for a file that can be graded: 0.1 for a wrong one, 1.1 for a right one,
         so a file of zeros earns at least 0.1
  unit   the score itself
  skill  how far from a trivial to the best known answer, in [0, 1]; the score where that is unknown

A prediction that is wrong or cannot be graded is a result with a reason, and ends with exit code 0;
2 is wrong usage, with a message."""


def _parser(prog: str | None, release: Path | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Grade predictions for tasks of an OpenDARE release.",
        epilog=_REWARDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="DIR",
        default=release,
        required=release is None,
        help=f"folder of the release{f', default {release}' if release else ''}",
    )
    parser.add_argument(
        "--task", metavar="ID", help="grade one file for this task: its id, or how it begins"
    )
    parser.add_argument("prediction", type=Path, nargs="?", help="CSV or Parquet file, with --task")
    parser.add_argument(
        "--predictions",
        type=Path,
        metavar="DIR",
        help="grade DIR/<task_id>/prediction.csv (or .parquet) for every task",
    )
    parser.add_argument(
        "--split", choices=["train", "eval"], help="with --predictions; default all"
    )
    parser.add_argument(
        "--reward", choices=get_args(Reward), default="peer", help="what `reward` is, see below"
    )
    return parser


def _prediction_in(folder: Path) -> Path:
    """The CSV file of a folder, or the Parquet file where there is no CSV."""
    csv_file, parquet_file = folder / "prediction.csv", folder / "prediction.parquet"
    return parquet_file if not csv_file.exists() and parquet_file.exists() else csv_file


def _grade_one(arguments: argparse.Namespace) -> None:
    task_id = _full_id(arguments.release, arguments.task)
    for answer in load_answers(arguments.release, [task_id]):
        print(score(answer, arguments.prediction, arguments.reward).to_json())


def _grade_all(arguments: argparse.Namespace) -> None:
    if not arguments.predictions.is_dir():
        raise GraderError(f"no folder {arguments.predictions}")
    graded: list[Graded] = []
    for answer in load_answers(arguments.release, split=arguments.split):
        submission = _prediction_in(arguments.predictions / answer.task_id)
        result = score(answer, submission, arguments.reward)
        print(result.to_json(), flush=True)
        graded.append(Graded(result, answer.variant, answer.source))
    print(json.dumps(summary(graded)))
    present = sum(row.result.reason != "missing_file" for row in graded)
    # A folder laid out in another way scores 0 as a bad solver does.
    print(
        f"predictions found: {present} of {len(graded)} tasks, as "
        f"{arguments.predictions}/<task_id>/prediction.csv or .parquet",
        file=sys.stderr,
    )


def main(
    argv: Sequence[str] | None = None, prog: str | None = None, release: Path | None = None
) -> int:
    """Run the program; the exit code is 0, or 2 (with a message) for wrong usage.

    `prog` is how messages call it, by default its own name; `release` stands for `--release` where
    that is not given.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) == 2 and arguments[0] == "--decode":
        return _decode(arguments[1])
    parser = _parser(prog, release)
    parsed = parser.parse_args(arguments)
    one = parsed.task is not None and parsed.prediction is not None
    many = parsed.predictions is not None
    if one == many or (many and (parsed.task or parsed.prediction)):
        parser.error("give either --task ID and a file, or --predictions DIR")
    try:
        (_grade_one if one else _grade_all)(parsed)
    except GraderError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())

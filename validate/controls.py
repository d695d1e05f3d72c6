"""Control submissions: files whose outcome is known before they are graded.

Truth must win, rubbish must lose, and neither may break the grader. Enters an `Answer`; leaves one
`ControlResult` for each control, the same in every run, which also ships with the answer. The
controls say nothing about whether a task is hard or solvable: only that its grade means something.
"""

import csv
import hashlib
import io
import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from extract.noun import Noun
from transform.files.task_folder import TaskFolder
from validate.score import Answer, Reason, score

JUNK_BYTES = 100_000_000
"""Size of the junk file; larger where the grader accepts more."""
SHUFFLES = 3
"""Shuffles of the answers that are tried: one alone may, rarely, be good by luck."""

Row = tuple[str, ...]


class ControlResult(Noun):
    """What one control submission got, and what it should have got."""

    name: str
    score: float
    reason: str
    expected: tuple[str, ...]
    """Reasons that are right for this control."""
    at_least: float = 0.0
    at_most: float = 0.0

    @property
    def passed(self) -> bool:
        """True when reason and score are as declared."""
        return self.reason in self.expected and self.at_least <= self.score <= self.at_most


@dataclass(frozen=True)
class _Control:
    """One submission with its declared outcome."""

    name: str
    submission: bytes | Path
    expected: tuple[Reason, ...]
    at_least: float = 0.0
    at_most: float = 0.0


def answer_of(task: TaskFolder, share_of_tolerance: float = 1.0) -> Answer:
    """The grader's view of a task, with a part of its tolerance where a gate is stricter."""
    grading = task.truth.grading
    tolerances = {
        "rtol": grading.rtol * share_of_tolerance,
        "atol": {name: atol * share_of_tolerance for name, atol in grading.atol.items()},
    }
    return Answer.parse(
        task_id=task.spec.task_id,
        variant=task.spec.instructions.variant,
        ground_truth=grading.model_copy(update=tolerances).model_dump_json(),
        truth=pq.ParquetFile(task.truth_file).read(),
        skill=task.truth.skill,
        source=task.spec.source.key,
    )


def run_controls(answer: Answer) -> tuple[ControlResult, ...]:
    """Grade every control; deterministic, a few dozen milliseconds for some thousand rows."""
    with tempfile.NamedTemporaryFile(prefix="opendare-junk-") as junk:
        # Sparse: it takes no room on disk, and the grader must refuse it by its size alone.
        junk.truncate(max(JUNK_BYTES, answer.max_bytes + 1))
        results = [_run(answer, control) for control in _controls(answer, Path(junk.name))]
    return (*results, _run_shuffled_answers(answer))


def _run(answer: Answer, control: _Control) -> ControlResult:
    result = score(answer, control.submission)
    return ControlResult(
        name=control.name,
        score=result.score,
        reason=result.reason,
        expected=control.expected,
        at_least=control.at_least,
        at_most=control.at_most,
    )


def _controls(answer: Answer, junk: Path) -> Iterator[_Control]:
    rows = _rows(answer)
    first, last = rows[0], rows[-1]
    width = len(first) - 1
    truth = _csv(answer, rows)
    graded = _graded(answer)
    # Cells that are no numbers are wrong labels, but where a number is asked for they are refused.
    has_numbers = bool(answer.rules.scores) or answer.rules.metric in ("allclose", "clipped_r2")
    empty: tuple[Reason, ...] = ("nan",) if has_numbers else graded
    text: tuple[Reason, ...] = ("not_numeric",) if has_numbers else graded
    mixed = random.Random(_seed(answer, "rows")).sample(rows, len(rows))
    unknown = (str(max(int(row[0]) for row in rows) + 1), *last[1:])

    yield _Control("truth", truth, ("ok",), 1.0, 1.0)
    yield _Control("shuffled_rows", _csv(answer, mixed), ("ok",), 1.0, 1.0)
    constant = _csv(answer, [(row[0], *first[1:]) for row in rows])
    yield _Control("constant", constant, graded, at_most=_chance(answer))
    yield _Control("nan", _csv(answer, [(row[0], *[""] * width) for row in rows]), empty)
    words = [(row[0], *["no number, no label"] * width) for row in rows]
    yield _Control("text", _csv(answer, words), text)
    yield _Control("repeated_row", _csv(answer, [first] * len(rows)), ("duplicate_ids",))
    yield _Control("duplicated_ids", _csv(answer, [*rows[:-1], first]), ("duplicate_ids",))
    yield _Control("missing_ids", _csv(answer, rows[:-1]), ("missing_ids",))
    yield _Control("extra_rows", _csv(answer, [*rows, unknown]), ("unknown_ids",))
    yield _Control("header_only", _csv(answer, []), ("missing_ids",))
    yield _Control("empty", b"", ("unreadable",))
    yield _Control("binary", bytes(range(256)) * 16, ("unreadable",))
    yield _Control("utf_16", truth.decode().encode("utf-16"), ("unreadable",))
    yield _Control("junk", junk, ("too_large",))


def _run_shuffled_answers(answer: Answer) -> ControlResult:
    """Truth's answers under other ids; no row keeps its own, so that an outlier cannot stay put."""
    rows = _rows(answer)
    rng = random.Random(_seed(answer, "answers"))
    at_most = min(1.0, _floor(answer) + _noise(answer))
    for _ in range(SHUFFLES):
        ring = rng.sample(range(len(rows)), len(rows))
        moved = dict(zip(ring, [*ring[1:], ring[0]], strict=True))
        mixed = [(row[0], *rows[moved[place]][1:]) for place, row in enumerate(rows)]
        control = _Control(
            "shuffled_answers", _csv(answer, mixed), _graded(answer), at_most=at_most
        )
        result = _run(answer, control)
        if result.passed:
            break
    return result


def _graded(answer: Answer) -> tuple[Reason, ...]:
    """The reason that a valid but wrong submission gets."""
    return ("mismatch",) if answer.rules.all_or_nothing else ("ok",)


def _chance(answer: Answer) -> float:
    """What answers without any knowledge of a row can score: 1/classes in macro-F1, else 0."""
    if answer.rules.metric != "macro_f1":
        return 0.0
    shares = [1 / len(set(answer.right[target])) for target in answer.rules.targets]
    return sum(shares) / len(shares)


def _floor(answer: Answer) -> float:
    """Chance, or the score of the trivial answer where the task has one."""
    return max(_chance(answer), (answer.skill or {}).get("floor") or 0.0)


def _noise(answer: Answer) -> float:
    """Four standard deviations of a random pairing's score, at most.

    A class's F1 deviates by at most (1 - share) / sqrt(n); R² is 2 r - 1, and r by 1 / sqrt(n).
    """
    deviation = 1 / math.sqrt(len(answer.places))
    if answer.rules.metric == "macro_f1":
        return 4 * (1 - _chance(answer)) * deviation
    return max(0.0, 8 * deviation - 1) if answer.rules.metric == "clipped_r2" else 0.0


def _rows(answer: Answer) -> list[Row]:
    """Truth's rows as a careful solver would write them: numbers in their shortest exact form."""
    columns = [answer.truth.column(name).to_pylist() for name in answer.rules.columns]
    return list(zip(*(map(str, column) for column in columns), strict=True))


def _csv(answer: Answer, rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.rules.columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _seed(answer: Answer, purpose: str) -> int:
    digest = hashlib.sha256(f"controls:{purpose}:{answer.task_id}".encode()).digest()
    return int.from_bytes(digest[:8])

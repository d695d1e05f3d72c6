"""Answers in the words of a task: its question and its page.

Takes an opened task; returns a leak for each text whose lines name held-out rows together with
their answers, more of them than coincidence would. Not found: answers without the row's id.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from publish.search.answer_leak import AnswerLeak
from publish.search.contents import Contents
from publish.search.opened_task import OpenedTask, leak

_CELL = re.compile(r"[^\s|,;:=\"'(){}\[\]]*[^\s|,;:=\"'(){}\[\].]")
_MAX_TEXT = 1_000_000
"""Characters of a page that are searched; ours are cut far below that."""
_FEW_LINES = 3
"""Lines that may name a row and its answer by chance, however rare that is."""
_STANDARD_DEVIATIONS = 3
"""Coincidences are counts of rare events, which deviate by the root of what is expected."""


def leaks_in_texts(task: OpenedTask, contents: Contents) -> Iterator[AnswerLeak]:
    """Lines with an id and its answer, when they are more than the ids would bring by chance."""
    texts = {"question": str(task.row["question"])}
    for file in task.row["files"]:
        if file["role"] == "metadata":
            page = contents.read(file["sha256"]).decode("utf-8", errors="replace")
            texts[file["name"]] = page
    for name, text in texts.items():
        lines = [set(_CELL.findall(line)) for line in text[:_MAX_TEXT].splitlines()]
        for target in task.targets:
            answers = dict(zip(task.ids, map(_spelled, task.held_out[target]), strict=True))
            n_rows = _n_beside(lines, answers)
            # Answers handed on to the next id: what coincidence brings.
            others = dict(zip(task.ids, [*[*answers.values()][1:], ""], strict=True))
            chance = _n_beside(lines, others)
            if n_rows > _FEW_LINES + chance + _STANDARD_DEVIATIONS * chance**0.5:
                yield leak(task, task, name, f"shows {n_rows} answers of {target!r} by id")


def _spelled(answer: Any) -> str:
    """An answer as a cell of a line; whole numbers without a point."""
    return repr(answer).removesuffix(".0") if isinstance(answer, float) else str(answer)


def _n_beside(lines: Sequence[set[str]], answers: Mapping[str, str]) -> int:
    """Ids that share a line with their answer."""
    known = {i: set(_CELL.findall(answer)) for i, answer in answers.items()}
    named = ((i, cells) for cells in lines for i in cells & known.keys())
    return len({i for i, cells in named if known[i] and known[i] <= cells - {i}})

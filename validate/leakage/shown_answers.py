"""Answers that stand where everybody reads: as a column of val, or in the words of a task.

Takes a task, returns what shows its answers. Words are the question and every public file that is
no table. Two ways of showing are looked for: a row's id with its answer at some small distance, and
answers one after another in the order of their ids. Ids are drawn at random, so what words say
without knowing the answers agrees with them only by chance, and how improbable that is can be
computed. Not guaranteed: answers in code or in sentences, fewer than a handful, or numbers of two
digits.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from transform.files.task_folder import TaskFolder
from transform.run.execute import load_tables
from transform.task import ID_COLUMN

_Ints = npt.NDArray[np.int64]
_TOKEN = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])|\w+")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_MOST = 300_000
"""Characters of a text that are read."""
_LISTED = 10_000
"""Answers in a text that are held against the order of the ids."""
_STEPS = (-2, -1, 1, 2, 3, 4, 5, 6)
"""How many words and numbers behind its id an answer is looked for."""
_WIDTHS = (2, 3)
"""Columns of a list of which one holds answers."""
_LEAST = 4
"""Answers without which nothing is said."""
_SURPRISE = 20.0
"""Natural logarithm of how improbable an agreement must be: one in five hundred million."""

_Key = tuple[str, ...] | float
"""An answer as text shows it: the words of a label, or a number to three digits."""


def shown(task: TaskFolder) -> Iterator[str]:
    """Where answers are shown, in sentences."""
    instructions = task.spec.instructions
    columns = load_tables(instructions, task.public)[1].columns
    yield from (
        f"val holds the target `{name}`" for name in instructions.targets if name in columns
    )
    named = {*instructions.data.names, *(file.name for file in task.spec.files)}
    words = {"the question": task.spec.question}
    for path in sorted(task.public.iterdir()):
        if path.name not in named:
            yield f"{path.name[:80]!r} is a file that the task does not name"
        elif path.name not in instructions.data.names:
            words[path.name] = path.read_text(encoding="utf-8", errors="replace")
    truth = pl.read_parquet(task.truth_file).sort(ID_COLUMN)
    for place, text in words.items():
        tokens = tokenised(text)
        for target in instructions.targets:
            if shows_answers(tokens, truth[ID_COLUMN].to_list(), truth[target].to_list()):
                yield f"{place} shows answers of `{target}` beside ids or in their order"


def tokenised(text: str) -> list[str]:
    """Words and numbers of a text, in order and in small letters."""
    return _TOKEN.findall(text[:_MOST].casefold())


def shows_answers(tokens: list[str], ids: Sequence[int], answers: Sequence[object]) -> bool:
    """Whether the words agree with the answers, which are by ascending id, beyond chance."""
    keys: dict[_Key, int] = {}
    codes = np.array([keys.setdefault(_key(answer), len(keys)) for answer in answers])
    mentioned = _mentioned(tokens, keys)
    said = _Said(codes, np.bincount(codes, minlength=len(keys)) / max(1, len(codes)))
    return said.beside(tokens, mentioned, ids) or said.listed(mentioned)


def _key(answer: object) -> _Key:
    if isinstance(answer, float):
        return float(f"{answer:.3g}")
    return tuple(_TOKEN.findall(str(answer).casefold()))


def _mentioned(tokens: list[str], keys: dict[_Key, int]) -> _Ints:
    """The answer that begins at each token, the longest where several do; -1 for none."""
    lengths = sorted({len(key) for key in keys if isinstance(key, tuple)} - {0}, reverse=True)
    has_numbers = any(isinstance(key, float) for key in keys)
    answer_at = np.full(len(tokens), -1, dtype=np.int64)
    for i, token in enumerate(tokens):
        if has_numbers and _NUMBER.fullmatch(token):
            answer_at[i] = keys.get(float(f"{float(token):.3g}"), -1)
        for length in lengths:
            if answer_at[i] < 0:
                answer_at[i] = keys.get(tuple(tokens[i : i + length]), -1)
    return answer_at


@dataclass(frozen=True)
class _Said:
    """Answers as codes by ascending id, and the share of each code."""

    codes: _Ints
    share: npt.NDArray[np.float64]

    def beside(self, tokens: list[str], mentioned: _Ints, ids: Sequence[int]) -> bool:
        """Whether answers stand at the same small distance from their ids."""
        place = {str(row_id): i for i, row_id in enumerate(ids)}
        rows = np.array([place.get(token, -1) for token in tokens], dtype=np.int64)
        return any(self._agrees(rows, np.roll(mentioned, -step)) for step in _STEPS)

    def _agrees(self, rows: _Ints, mentioned: _Ints) -> bool:
        pairs = np.column_stack([rows, mentioned])[(rows >= 0) & (mentioned >= 0)]
        # A pair that is said twice is no second agreement.
        row, code = np.unique(pairs, axis=0).T
        right = int((self.codes[row] == code).sum())
        return _is_surprising(right, len(row), float(self.share[code].sum()), len(_STEPS))

    def listed(self, mentioned: _Ints) -> bool:
        """Whether answers follow each other as their ids do, alone or between other columns."""
        streams = [mentioned[start::width] for width in _WIDTHS for start in range(width)]
        return any(self._follows(said) for said in (mentioned[mentioned >= 0], *streams))

    def _follows(self, said: _Ints) -> bool:
        """Whether the answers, from any one on, stand in a stream; -1 is none."""
        stream = said[:_LISTED]
        places = {code: np.flatnonzero(self.codes == code) for code in set(stream.tolist())}
        # Agreements by how far the stream is moved against the ids.
        right = np.zeros(len(stream) + len(self.codes), dtype=np.int64)
        for i, code in enumerate(stream.tolist()):
            right[places[code] - i + len(stream)] += 1
        chance = np.append(0.0, np.where(stream < 0, 0.0, self.share[stream]).cumsum())
        for moved in np.flatnonzero(right >= _LEAST):
            start = max(0, len(stream) - int(moved))
            end = min(len(stream), start + len(self.codes) - max(0, int(moved) - len(stream)))
            expected = float(chance[end] - chance[start]) + np.finfo(float).tiny
            if _is_surprising(int(right[moved]), end - start, expected, tries=len(right)):
                return True
        return False


def _is_surprising(right: int, n: int, expected: float, tries: int = 1) -> bool:
    """Whether so many of `n` agree hardly ever where `expected` do (Chernoff's bound)."""
    if right < _LEAST or right <= expected:
        return False
    p, q = right / n, min(expected / n, 1.0)
    improbable = p * np.log(p / q) + ((1 - p) * np.log((1 - p) / (1 - q)) if p < 1 else 0.0)
    return bool(n * improbable - np.log(tries) >= _SURPRISE)

"""Results of stages, remembered: the same inputs under the same code are computed once.

A result lies in the store under the hash of everything that goes in and of the code that the
stage's functions reach (`code_fingerprint.py`). Whoever asks says what goes in: what is not named
does not count. A result names the files that it stands on; when one of them is gone, it is computed
again.

A memory counts what it computed and what it knew, and lists what it touched, so that a build can
tell what it saved and `opendare gc` what is still reached. Usable from any thread.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Generic, NamedTuple, TypeVar, cast

import pydantic_core

from extract.code_fingerprint import code_of
from extract.noun import Noun
from extract.store import Store

_T = TypeVar("_T")
_uses: ContextVar[list["Touched"]] = ContextVar("uses")


class Stage(NamedTuple):
    """What is remembered under one name."""

    name: str
    functions: tuple[Callable[..., object], ...]
    """Those whose code decides the result."""


class Touched(NamedTuple):
    """One result that a build has asked for."""

    stage: str
    key: str
    files: tuple[str, ...]


class Entry(Noun, Generic[_T]):
    """A result as it lies in the store."""

    files: tuple[str, ...]
    """SHA-256 of the files in the store that the result names."""
    uses: tuple[Touched, ...] = ()
    """Other results that were asked for on the way; they are reached as long as this one is."""
    result: _T


class Memory:
    """What stages have computed into one store."""

    def __init__(self, store: Store, context: Sequence[object] = ()) -> None:
        """Remember in `store`; `context` is what decides every result, such as arithmetic."""
        self.store = store
        self._context = tuple(context)
        self.computed: Counter[str] = Counter()
        self.remembered: Counter[str] = Counter()
        self._touched: set[Touched] = set()
        self._lock = threading.Lock()

    def recall(
        self,
        stage: Stage,
        inputs: Sequence[object],
        kind: type[_T],
        compute: Callable[[], _T],
        files: Callable[[_T], Iterable[str]] = lambda _: (),
        is_final: Callable[[_T], bool] = lambda _: True,
    ) -> _T:
        """The remembered result, or the one that `compute` gives.

        `inputs` are all that goes in, as pydantic writes it; `files` names the files of a result in
        the store. A result that is not final is not kept: the next build tries again.
        """
        key = _key(stage, (*inputs, *self._context))
        model = Entry[kind]  # type: ignore[valid-type]
        known = self.store.load(stage.name, key, model)
        # A result whose files were removed from the store is worth nothing and is computed again.
        if known is not None and all(map(self.store.has, known.files)):
            self._note(self.remembered, Touched(stage.name, key, known.files), known.uses)
            return cast(_T, known.result)
        token = _uses.set([])
        try:
            result = compute()
            uses = tuple(sorted(set(_uses.get())))
        finally:
            _uses.reset(token)
        # Sorted, so that equal results give equal entries whatever the order of their files.
        named = tuple(sorted(set(files(result))))
        if is_final(result):
            self.store.save(stage.name, key, model(files=named, uses=uses, result=result))
        self._note(self.computed, Touched(stage.name, key, named), uses)
        return result

    def touched(self) -> list[Touched]:
        """Everything that was asked for, sorted."""
        with self._lock:
            return sorted(self._touched)

    def counts(self) -> dict[str, tuple[int, int]]:
        """By stage, in the order of names: results computed, and results remembered."""
        with self._lock:
            names = sorted({*self.computed, *self.remembered})
            return {name: (self.computed[name], self.remembered[name]) for name in names}

    def _note(self, counter: Counter[str], touched: Touched, uses: tuple[Touched, ...]) -> None:
        if (outer := _uses.get(None)) is not None:
            outer.append(touched)
        with self._lock:
            counter[touched.stage] += 1
            self._touched.update((touched, *uses))


def _key(stage: Stage, inputs: Sequence[object]) -> str:
    codes = [
        f"{one.__module__}.{one.__qualname__} {code_of(one.__module__)}" for one in stage.functions
    ]
    texts = [pydantic_core.to_json(part).decode() for part in inputs]
    return hashlib.sha256(json.dumps([codes, texts]).encode()).hexdigest()

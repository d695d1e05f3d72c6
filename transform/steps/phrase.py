r"""One template that both says a step's parameters and reads them back.

    >>> p = Phrase("Divide {column:column} by {factor:number}.")
    >>> p.say({"column": "mass (g)", "factor": 1000.0})
    'Divide `mass (g)` by 1000.0.'
    >>> p.read("Divide `mass (g)` by 1000.0.")
    {'column': 'mass (g)', 'factor': 1000.0}

Because saying and reading come from one text, a sentence cannot lose a parameter. Columns stand in
back quotes by their exact name (shipped names never hold one), texts in JSON quotes, numbers as
Python writes them, choices as the words that the phrase lists for each. What it does not do:
understand any sentence but its own.
"""

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

# A quote inside a text is escaped, so the first bare one ends it.
_TEXT = r'"(?:[^"\\]|\\.)*"'
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_QUOTED = r"`[^`\n]+`"
_TYPED = rf"{_QUOTED} \([a-z]+\)"


@dataclass(frozen=True)
class _Slot:
    """How one type of parameter is written, recognised and parsed."""

    pattern: str
    say: Callable[[Any], str]
    read: Callable[[str], Any]


def _say_column(name: str) -> str:
    return f"`{name}`"


def _say_text(value: str) -> str:
    """JSON with readable letters; what cannot be printed is escaped, so a sentence is one line."""
    quoted = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)


def _say_list(say: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda values: ", ".join(say(value) for value in values)


def _read_list(pattern: str, read: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    return lambda text: [read(match) for match in re.findall(pattern, text)]


def _say_argument(pair: tuple[str, object]) -> str:
    return f"`{pair[0]}={pair[1]!r}`"


def _read_argument(text: str) -> tuple[str, object]:
    name, _, value = text[1:-1].partition("=")
    try:
        return name, ast.literal_eval(value)
    except SyntaxError as error:
        raise ValueError(f"no value of an argument: {value!r}") from error


def _read_number(text: str) -> int | float:
    # 1 and 1.0 are two ways to say a number; a parameter keeps the one it was said in.
    return int(text) if re.fullmatch(r"-?\d+", text) else float(text)


def _read_typed(text: str) -> tuple[str, str]:
    # From the right: a column's own name may look like the end of one.
    name, _, kind = text.rpartition("` (")
    return name[1:], kind[:-1]


def _unquote(text: str) -> str:
    return text[1:-1]


def _choice(words: Mapping[str, str]) -> _Slot:
    """A slot for one of a few values, each said in its own words."""
    values = {text: value for value, text in words.items()}
    # Words of a choice may hold what is special to a pattern.
    pattern = "|".join(re.escape(text) for text in values)
    return _Slot(pattern, words.__getitem__, values.__getitem__)


_SLOTS: dict[str, _Slot] = {
    "column": _Slot(_QUOTED, _say_column, _unquote),
    "columns": _Slot(
        rf"{_QUOTED}(?:, {_QUOTED})*",
        _say_list(_say_column),
        _read_list(_QUOTED, _unquote),
    ),
    "typed": _Slot(
        rf"{_TYPED}(?:, {_TYPED})*",
        _say_list(lambda pair: f"`{pair[0]}` ({pair[1]})"),
        _read_list(_TYPED, _read_typed),
    ),
    "number": _Slot(_NUMBER, repr, _read_number),
    "rows": _Slot(
        rf"all rows|the rows that share {_QUOTED}(?:, {_QUOTED})*",
        lambda names: (
            f"the rows that share {_say_list(_say_column)(names)}" if names else "all rows"
        ),
        _read_list(_QUOTED, _unquote),
    ),
    "text": _Slot(_TEXT, _say_text, json.loads),
    "texts": _Slot(rf"{_TEXT}(?:, {_TEXT})*", _say_list(_say_text), _read_list(_TEXT, json.loads)),
    "words": _Slot(r"[a-z0-9 ]+", str, str),
    "word": _Slot(r"[A-Za-z0-9_.-]+", str, str),
    "arguments": _Slot(
        rf"{_QUOTED}(?:, {_QUOTED})*|no arguments",
        lambda pairs: _say_list(_say_argument)(pairs.items()) or "no arguments",
        lambda text: dict(_read_list(_QUOTED, _read_argument)(text)),
    ),
}
_FIELD = re.compile(r"\{(\w+):(\w+)\}")


@dataclass(frozen=True)
class Phrase:
    """A sentence with typed slots, `{name:type}`; types are the keys of `_SLOTS` and `choice`."""

    template: str
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """For each slot of type `choice`: its values and the words for them, all different."""

    def say(self, parameters: Mapping[str, Any]) -> str:
        """The sentence; raises `KeyError` when a slot has no parameter."""
        return _FIELD.sub(lambda m: self._slots[m[1]].say(parameters[m[1]]), self.template)

    def read(self, sentence: str) -> dict[str, Any] | None:
        """The parameters, or None when this is not a sentence of this phrase."""
        match = self._pattern.fullmatch(sentence)
        if match is None:
            return None
        return {name: slot.read(match[name]) for name, slot in self._slots.items()}

    @cached_property
    def _slots(self) -> dict[str, _Slot]:
        """The slot of each parameter, in the order of the template."""
        return {
            m[1]: _choice(self.choices[m[1]]) if m[2] == "choice" else _SLOTS[m[2]]
            for m in _FIELD.finditer(self.template)
        }

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Literal text matches itself; each slot becomes a named group."""
        pieces = _FIELD.split(self.template)
        pattern = re.escape(pieces[0])
        for name, literal in zip(pieces[1::3], pieces[3::3], strict=True):
            pattern += f"(?P<{name}>{self._slots[name].pattern}){re.escape(literal)}"
        return re.compile(pattern)

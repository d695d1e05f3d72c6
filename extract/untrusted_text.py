"""Makes text of strangers safe to show: no control characters, no invisible ones, bounded.

Takes whatever a source says, text or not; returns plain text. Letters, signs and case stay as they
are. Not guaranteed: that the text is harmless as markup, HTML or a spreadsheet's formula; who
writes such formats escapes it there.
"""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs"}
"""Control, format (zero width, direction of writing) and half characters. Unassigned ones stay:
which those are depends on the version of Unicode, and with it on that of Python."""

_MOST_READ = 40_000
"""Characters that a line is looked for in, a bound on the work; no honest line has as many."""


def one_line(value: object, longest: int) -> str:
    """The text on one line, each run of blanks as one space; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return " ".join(_visible(value[:_MOST_READ]).split())[:longest].rstrip()


def paragraphs(value: object, longest: int) -> str:
    """The text with its line feeds and tabs; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    # Twice the length is enough to cut from, and a bound on the work.
    text = value[: 2 * longest].replace("\r\n", "\n").replace("\r", "\n")
    return _visible(text, kept="\n\t").strip()[:longest]


def storable(text: str) -> str:
    """The text without half characters, which UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode()


def _visible(text: str, kept: str = "") -> str:
    return "".join(
        c if c in kept or unicodedata.category(c) not in _INVISIBLE else " " for c in text
    )

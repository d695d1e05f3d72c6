"""Makes text from outside harmless in Markdown.

Enter titles, names and addresses as their authors wrote them; leaves one line in which no
character is markup for Markdown or HTML. It does not judge what the text says.
"""

import re
import unicodedata

_PUNCTUATION = re.compile(r"([!-%'-/:;=?@\[-`{-~])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]{1,500}")


def plain(text: str, limit: int = 300) -> str:
    """One line of at most `limit` characters without control or direction characters."""
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(visible.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def markdown(text: str, limit: int = 300) -> str:
    """The same line with every character of markup escaped."""
    escaped = _PUNCTUATION.sub(r"\\\1", plain(text, limit))
    return re.sub("[&<>]", lambda match: _ENTITIES[match[0]], escaped)


def link(address: str) -> str:
    """A Markdown link to an http(s) address, or the escaped text when it is anything else."""
    return f"<{address}>" if _ADDRESS.fullmatch(address) else markdown(address)

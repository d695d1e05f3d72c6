"""Makes text from outside harmless in Markdown.

Takes titles, names and addresses as their authors wrote them; returns one line in which no
character is markup for Markdown or HTML. It does not judge what the text says.
"""

import re
import unicodedata

_PUNCTUATION = re.compile(r"([!-%'-/:;=?@\[-`{-~])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]{1,500}")


def one_line(text: str, limit: int = 300) -> str:
    """One line of at most `limit` characters without control or direction characters."""
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(visible.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def escaped(text: str, limit: int = 300) -> str:
    """The same line with every character of markup escaped."""
    line = _PUNCTUATION.sub(r"\\\1", one_line(text, limit))
    return re.sub("[&<>]", lambda match: _ENTITIES[match[0]], line)


def link(text: str, url: str) -> str:
    """A Markdown link to an http(s) address, or the escaped text alone when it is anything else."""
    if not _ADDRESS.fullmatch(url):
        return escaped(text)
    return f"<{url}>" if text == url else f"[{escaped(text)}](<{url}>)"

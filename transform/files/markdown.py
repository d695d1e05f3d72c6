"""Makes text from outside harmless in Markdown: the one escaper of the project.

Takes titles, names, descriptions and addresses as their authors wrote them, returns one line in
which nothing is markup, a block that its content cannot close, or a link that leads nowhere but to
a web page. Only what is markup is escaped, because solvers read these files as they lie. Not
guaranteed: that the text is true, or that it gives no instructions.
"""

import re
import unicodedata

# With its dots escaped, no reader takes a bare address for a link.
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+\-.!|>~&$])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""Characters that nobody sees, or that turn the direction of others, in texts of several lines."""
# Without brackets, quotes and blanks an address cannot end the link that it stands in.
_ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'*+,;=%-]{1,500}")


def escaped(text: str, limit: int = 300) -> str:
    """One line that shows at most `limit` visible characters of the text and nothing else."""
    visible = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    line = " ".join(visible.split())
    line = line if len(line) <= limit else f"{line[: limit - 1]}…"
    return _MARKUP.sub(r"\\\1", line).replace("<", "&lt;")


def fenced(text: str, limit: int = 6000) -> str:
    """A fenced block of at most `limit` characters of the text."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    body = _CONTROL.sub("", unified)[:limit].strip()
    # A fence is closed by one at least as long as it is.
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}text\n{body}\n{mark}"


def link(text: str, url: str) -> str:
    """A link to an http(s) address, or the escaped text when it is anything else."""
    return f"[{escaped(text)}]({url})" if _ADDRESS.fullmatch(url) else escaped(text)

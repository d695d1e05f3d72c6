"""Keeps secrets out of what the doctor says, whoever wrote the words.

Checks never quote a secret themselves, but the errors of clients may. So every text passes here:
the secrets of the environment are replaced in each form in which a client sends or quotes them,
and so is what looks like one, in addresses and in headers. Then the text becomes one line of
printable letters.

Not guaranteed: that a part of a secret is recognised, nor one of fewer than six letters.
"""

import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

MASK = "***"
_SHOWN = ("KAGGLE_USERNAME", "KAGGLE_CONFIG_DIR", "KAGGLE_API_ENVIRONMENT")
"""Kaggle's variables that hold no secret."""
TOKEN_BYTES = 10_000
"""How much of a token file is read."""
_KEY = re.compile(r"[0-9a-f]{32}|KGAT_\S+")
_SHORTEST = 6
_LONGEST_LINE = 600
_LOOKS_SECRET = (
    (re.compile(r"://[^\s/]*@"), f"://{MASK}@"),
    (re.compile(r"(://[^\s?]*\?)\S+"), rf"\g<1>{MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)\s+\S+"), rf"\g<1> {MASK}"),
)


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """What may not be shown, the longest first."""
    user = environment.get("KAGGLE_USERNAME", "").strip()
    words = {word.strip("'\"") for value in _values(environment) for word in value.split()}
    basic = {b64encode(f"{user}:{word}".encode()).decode() for word in words}
    forms = {*words, *basic, *(quote(word, safe="") for word in words)}
    return tuple(sorted((form for form in forms if len(form) >= _SHORTEST), key=len, reverse=True))


def looks_like_key(value: str) -> bool:
    """Whether a value has the form of what Kaggle gives out, in whatever variable it stands."""
    return _KEY.fullmatch(value) is not None


def masked_line(text: str, secrets: tuple[str, ...]) -> str:
    """The text on one line, without secrets, control characters and overlength."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    for pattern, replacement in _LOOKS_SECRET:
        text = pattern.sub(replacement, text)
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."


def _values(environment: Mapping[str, str]) -> Iterator[str]:
    """Values that hold secrets; of a variable that names a file, what the file holds."""
    for name, value in environment.items():
        hidden = name not in _SHOWN or looks_like_key(value.strip())
        if name.startswith("KAGGLE_") and hidden:
            yield _content(Path(value)) if os.path.exists(value) else value


def _content(path: Path) -> str:
    # A pipe would wait for a writer.
    if not os.access(path, os.R_OK) or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(TOKEN_BYTES).decode(errors="replace")

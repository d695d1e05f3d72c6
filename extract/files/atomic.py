"""Writes a file beside its place and renames it there: a reader sees all of it or nothing.

Takes a place and gives a path to write to; when the block ends well, what was written stands at the
place, whatever stood there before. A process that is killed leaves at most a file whose name begins
with `.unfinished-`. Not guaranteed: survival of a power cut, since nothing is forced to the disk.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNFINISHED = ".unfinished-"
"""How names of files begin that are still written."""


@contextmanager
def placed(place: Path, aside: Path | None = None) -> Iterator[Path]:
    """A new path that is renamed to `place` when the block ends well, and removed when it does not.

    `aside` is the folder to write in, on the same disk; by default the one of `place`.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    # Two writers of one place must not meet; the name never outlives the block.
    temporary = (aside or place.parent) / f"{UNFINISHED}{secrets.token_hex(8)}"
    try:
        yield temporary
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def write_placed(place: Path, text: str, aside: Path | None = None) -> None:
    """Write a text as UTF-8, line ends as they are; surrogate escapes become their bytes again."""
    with placed(place, aside) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")

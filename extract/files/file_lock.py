"""One process at a time in a folder.

Two builds would write drafts under each other's feet, two fetches would bring the same bytes twice.
The lock is the kernel's and ends with the process that holds it, however it ends; nothing has to be
cleaned up. It does not reach other machines that share the folder over a network.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InUseError(Exception):
    """Another process holds the lock; the message names it and what to do."""


@contextmanager
def file_lock(path: Path, doing: str, other: str) -> Iterator[None]:
    """Hold the lock file at `path`. Raises `InUseError` at once when another process has it.

    `doing` is what the holder does, `other` the option that names another folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise InUseError(
                f"another process ({holder}) {doing}; wait for it, or name another folder: {other}"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield

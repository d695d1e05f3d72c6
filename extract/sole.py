"""One build at a time in a STATE folder.

Two builds would write drafts under each other's feet. The lock is the kernel's and ends with the
process that holds it, however it ends; nothing has to be cleaned up. It does not reach other
machines that share the folder over a network.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StateInUseError(Exception):
    """Another build works in the same STATE; the message names its process."""


@contextmanager
def sole_build(state: Path) -> Iterator[None]:
    """Hold the lock of `state`. Raises `StateInUseError` at once when another process has it."""
    path = state / "lock"
    state.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise StateInUseError(
                f"another build (process {holder}) works in {state}; wait for it, or give this "
                "one a state of its own: --state DIR"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield

"""Ends a build at once when a person or a machine asks for it, and says so.

State is never torn, whatever moment a build ends at: results are renamed into place when they are
complete. So nothing has to be waited for. At Ctrl-C or SIGTERM one line says that the build stops
and continues with the same command, workers are killed with the process (they die with their
parent), and so is Prefect's temporary server.

Not guaranteed: that scratch files are gone; the next build removes them.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from flows.exit_codes import EXIT_INTERRUPTED, this_command

_SHOW_CURSOR = "\x1b[?25h"


@contextmanager
def ends_at_once() -> Iterator[None]:
    """Inside the block SIGINT and SIGTERM end this process; call it from the main thread."""
    before = {number: signal.signal(number, _end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, frame: FrameType | None) -> None:
    """No clean-up that could wait for a lock that the interrupted code holds."""
    cursor = _SHOW_CURSOR if sys.stderr.isatty() else ""
    said = f"{cursor}\nstopped; continue with: {this_command()}\n"
    os.write(sys.stderr.fileno(), said.encode())
    os._exit(EXIT_INTERRUPTED)

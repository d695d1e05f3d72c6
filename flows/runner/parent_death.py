"""Ends Prefect's temporary server with the build that started it, however the build ends.

Prefect stops its server at a regular exit; a build that is killed by force would leave it running.
uvicorn, which runs that server, lets us name the function that makes its event loop (`quiet.py`
does), so our code runs inside it: a thread asks whether the build is still the parent, and ends the
process when it is not. Nothing here touches a server that a user runs.
"""

import asyncio
import os
import threading
import time

PARENT = "BUILD_SPLIT_PID"
"""Environment variable with the process id of the build."""
_POLL_S = 0.5


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The usual event loop, in a process that from now on ends with its parent, and only then.

    What is sent to the group of the build (Ctrl-C, `timeout`) is not for the server: the build
    still needs it to end well.
    """
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_parent, args=(int(os.environ[PARENT]),), daemon=True).start()
    return asyncio.new_event_loop()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os._exit(0)

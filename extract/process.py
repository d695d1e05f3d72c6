"""What a helper process must know about itself: when to die, and what it has cost.

Standard library only, because interpreters that have none of our packages import it too.

Not guaranteed: that a process dies with its parent where the system has no death signal; it then
lives until its work ends.
"""

import ctypes
import os
import resource
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

_PR_SET_PDEATHSIG = 1

starter = ThreadPoolExecutor(1, thread_name_prefix="process-starter")
"""Starts all helper processes: the death signal is tied to the thread that started a process, so
it must be one that lives as long as the interpreter. It also keeps two changes of the environment
apart."""


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when the thread of process `parent` that made it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def cpu_seconds() -> float:
    """User and system time of this process, all its threads, and its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime

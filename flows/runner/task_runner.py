"""The threads in which Prefect runs the tasks of a flow.

Takes their number; returns the runner of a flow. The work itself happens in processes of our own.
"""

from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner


def threads(n: int) -> TaskRunner[PrefectFuture[Any]]:
    """Threads hand work to processes and wait; a few more than processes keep those busy."""
    # Typed by hand, since Prefect declares the runner of other futures.
    runner: Any = ThreadPoolTaskRunner(max_workers=n)
    return cast(TaskRunner[PrefectFuture[Any]], runner)

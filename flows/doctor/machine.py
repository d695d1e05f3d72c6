"""What this machine has for a build: memory and cores.

Takes the settings; returns whether as many workers as they ask for fit. Limits are compared, not
what builds really use, which is mostly far less: a warning here says that a build may run out of
memory, not that it will.
"""

import os

from flows.doctor.control_groups import core_limit, memory_limit
from flows.doctor.diagnosis import Diagnosis, Setup, ok, warning
from flows.settings import Settings
from validate.environments.matrix import REFERENCE, environments_of

_MB = 2**20


def memory(setup: Setup) -> Diagnosis:
    """All workers at their limits, against all memory."""
    total_mb, settings = _total_mb(), setup.settings
    connections, each_mb = setup.source.n_connections, setup.source.worker_memory_mb
    # Those that ask a service stay to the end of a build; readers and the environment matrix take
    # turns.
    needed_mb = connections * each_mb + max(_extract_mb(settings), _executor_mb(settings))
    asking = f", {connections} connections to {setup.source.service}" if connections else ""
    n = settings.workers.processes
    observed = (
        f"{total_mb} MB; {n} processes{asking} and the environment matrix may take {needed_mb} MB"
    )
    if needed_mb <= total_mb:
        return ok(observed)
    return warning(observed, _smaller(settings, total_mb))


def cores(setup: Setup) -> Diagnosis:
    """Worker processes, against the cores that this process may use."""
    n = setup.settings.workers.processes
    usable = _usable_cores()
    if n <= usable:
        return ok(f"{n} worker processes on {usable} cores")
    return warning(f"{n} worker processes on {usable} cores", f"--set workers.count={usable}")


def _extract_mb(settings: Settings) -> int:
    return settings.workers.processes * settings.read.memory_mb


def _executor_mb(settings: Settings) -> int:
    return (settings.workers.processes + _singles(settings)) * settings.workers.executor.memory_mb


def _singles(settings: Settings) -> int:
    """Processes of the executor that are there once: other environments, and the programs."""
    others = [
        m
        for m in environments_of(settings.environments)
        if m.process_variables != REFERENCE.process_variables
    ]
    older = [m for m in environments_of(settings.environments) if m.library_version is not None]
    return len({environment.name for environment in (*others, *older)}) + 1


def _smaller(settings: Settings, total_mb: int) -> str:
    """Fewer processes where one at least fits, else smaller ones and a single connection."""
    source = settings.source.chosen
    connections, each_mb = source.n_connections, source.worker_memory_mb
    left_mb = total_mb - connections * each_mb
    n_fitting = left_mb // settings.workers.executor.memory_mb - _singles(settings)
    count = min(n_fitting, left_mb // settings.read.memory_mb)
    if count >= 1:
        return f"--set workers.count={count}"
    left_mb = total_mb - min(connections, 1) * each_mb
    executor_mb = max(500, left_mb // (1 + _singles(settings)))
    read_mb = max(500, min(settings.read.memory_mb, left_mb))
    knobs = {
        "workers.count": 1,
        "workers.executor.memory_mb": executor_mb,
        "read.memory_mb": read_mb,
    }
    if connections:
        knobs[f"source.{source.kind}.connections"] = 1
    return " ".join(f"--set {knob}={value}" for knob, value in knobs.items())


def _total_mb() -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_limit() or machine) // _MB


def _usable_cores() -> int:
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    n = pinned or os.cpu_count() or 1
    return max(1, min(n, int(core_limit() or n)))

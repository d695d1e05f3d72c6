"""Whether the machine can carry as many workers as the settings ask for.

Limits are compared, not what builds really use, which is mostly far less: a warning here says that
a build may run out of memory, not that it will.
"""

import os

from flows.doctor.cgroups import core_limit, memory_limit
from flows.doctor.finding import Finding, Setup, ok, warning
from flows.settings import Settings
from validate.panel import REFERENCE, members

_MB = 2**20


def memory(setup: Setup) -> Finding:
    """All workers at their limits, against all memory."""
    total_mb, settings = _total_mb(), setup.settings
    needed_mb = max(_extract_mb(settings), _lab_mb(settings))
    n = settings.workers.processes
    found = f"{total_mb} MB; {n} processes and the panel may take {needed_mb} MB"
    if needed_mb <= total_mb:
        return ok(found)
    return warning(found, _smaller(settings, total_mb))


def cores(setup: Setup) -> Finding:
    """Worker processes, against the cores that this process may use."""
    n = setup.settings.workers.processes
    usable = _usable_cores()
    if n <= usable:
        return ok(f"{n} worker processes on {usable} cores")
    return warning(f"{n} worker processes on {usable} cores", f"--set workers.count={usable}")


def _extract_mb(settings: Settings) -> int:
    return settings.workers.processes * settings.read.memory_mb


def _lab_mb(settings: Settings) -> int:
    return (settings.workers.processes + _singles(settings)) * settings.workers.lab.memory_mb


def _singles(settings: Settings) -> int:
    """Processes of the laboratory that are there once: other members, and the programs."""
    others = [m for m in members(settings.panel) if m.environment != REFERENCE.environment]
    older = [m for m in members(settings.panel) if m.generation is not None]
    return len({member.name for member in (*others, *older)}) + 1


def _smaller(settings: Settings, total_mb: int) -> str:
    """Fewer processes where one at least fits, else smaller ones."""
    in_lab = total_mb // settings.workers.lab.memory_mb - _singles(settings)
    count = min(in_lab, total_mb // settings.read.memory_mb)
    if count >= 1:
        return f"--set workers.count={count}"
    lab_mb = max(500, total_mb // (1 + _singles(settings)))
    read_mb = max(500, min(settings.read.memory_mb, total_mb))
    return (
        f"--set workers.count=1 --set workers.lab.memory_mb={lab_mb} --set read.memory_mb={read_mb}"
    )


def _total_mb() -> int:
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(machine, memory_limit() or machine) // _MB


def _usable_cores() -> int:
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    n = pinned or os.cpu_count() or 1
    return max(1, min(n, int(core_limit() or n)))

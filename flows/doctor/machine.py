"""What this machine has for a build: memory and cores, and the control groups that bound them.

Enters the settings; leaves whether as many workers as they ask for fit. Limits are compared, not
what builds really use, which is mostly far less: a warning here says that a build may run out of
memory, not that it will. Control groups are read in either version of their hierarchy, and nothing
is changed in them.
"""

import os
from pathlib import Path

from flows.doctor.diagnosis import Diagnosis, Setup, ok, warning
from flows.settings import Settings
from validate.environments.matrix import REFERENCE, environments_of

_MB = 2**20
_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def memory(setup: Setup) -> Diagnosis:
    """All workers at their limits, against all memory."""
    total_mb, settings = _total_mb(), setup.settings
    connections, each_mb = setup.source.n_connections, setup.source.worker_memory_mb
    # Those that ask a service stay to the end of a build; readers and the environment matrix take
    # turns.
    needed_mb = connections * each_mb + max(_extract_mb(settings), _lab_mb(settings))
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


def _lab_mb(settings: Settings) -> int:
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
    in_lab = left_mb // settings.workers.executor.memory_mb - _singles(settings)
    count = min(in_lab, left_mb // settings.read.memory_mb)
    if count >= 1:
        return f"--set workers.count={count}"
    left_mb = total_mb - min(connections, 1) * each_mb
    lab_mb = max(500, left_mb // (1 + _singles(settings)))
    read_mb = max(500, min(settings.read.memory_mb, left_mb))
    knobs = {"workers.count": 1, "workers.executor.memory_mb": lab_mb, "read.memory_mb": read_mb}
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


# --- control groups ---------------------------------------------------------------------------


def control_group(controller: str) -> Path | None:
    """Folder of this process under a controller; None where it has none."""
    try:
        lines = _OWN.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            # In containers the path may be that of the host; then the root is this process's.
            places = (_ROOT / controller / path.lstrip("/"), _ROOT / controller)
            return next((place for place in places if place.is_dir()), None)
    unified = [_ROOT / line[4:] for line in lines if line.startswith("0::/")]
    known = [place for place in unified if controller in _words(place / "cgroup.controllers")]
    return known[0] if known else None


def memory_limit() -> int | None:
    """Bytes that the control groups leave to this process; None: no limit."""
    names = ("memory.max", "memory.limit_in_bytes")
    files = [place / name for place in _upwards("memory") for name in names]
    limits = [int(word) for file in files for word in _words(file) if word.isdecimal()]
    return min(limits, default=None)


def core_limit() -> float | None:
    """Cores' worth of time that the control groups leave to this process; None: no limit."""
    limits = []
    for place in _upwards("cpu"):
        apart = [*_words(place / "cpu.cfs_quota_us"), *_words(place / "cpu.cfs_period_us")]
        quota_and_period = _words(place / "cpu.max") or apart
        # Without a limit the quota is `max`, or -1.
        if quota_and_period and all(word.isdecimal() for word in quota_and_period):
            limits.append(int(quota_and_period[0]) / int(quota_and_period[1]))
    return min(limits, default=None)


def _upwards(controller: str) -> list[Path]:
    """The folder of this process and those above it, whose limits hold too."""
    folder = control_group(controller)
    return [] if folder is None else [folder, *folder.parents]


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []

"""The control groups that bound this process, in either version of their hierarchy.

Takes nothing; returns folders and limits as the kernel shows them. Nothing is changed. Not
guaranteed: limits set above a container, which it cannot see.
"""

from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


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

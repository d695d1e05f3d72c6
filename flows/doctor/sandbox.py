"""What isolates foreign files and foreign code on this machine, as it really behaves.

Today's builds parse hostile files and run programs that this project wrote: they need limits on
resources, and workers that die with the build. The rest is for code of strangers, so that its lack
is no more than a warning. Each ability is tried in a child that is gone afterwards (`probes.py`).
"""

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from flows.doctor import probes
from flows.doctor.control_groups import control_group
from flows.doctor.diagnosis import Diagnosis, Setup, broken, ok, warning

_ROOT = Path(__file__).resolve().parents[2]
_PROBE_S = 5.0
_STRANGERS = "needed for running code of strangers"
_USER_NAMESPACES = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
)
"""Knobs below /proc/sys, the value that forbids, one that allows."""


def limits(setup: Setup) -> Diagnosis:
    """Bounds the memory of workers and programs, and the files that programs write."""
    highest = resource.getrlimit(resource.RLIMIT_DATA)[1]
    read, executor = setup.settings.read.memory_mb, setup.settings.workers.executor.memory_mb
    if highest != resource.RLIM_INFINITY and highest >> 20 < max(read, executor):
        observed = (
            f"ulimit -d is {highest >> 20} MB, and a worker is to have {max(read, executor)} MB"
        )
        return broken(
            observed, "ulimit -d unlimited, or lower read.memory_mb and workers.executor.memory_mb"
        )
    works, output = _probed("limits")
    if works:
        return ok(output)
    repair = "run on a Linux kernel of 4.7 or later itself: gVisor and other systems ignore limits"
    return broken(f"hostile files could eat all memory: {output}", repair)


def death_with_parent(setup: Setup) -> Diagnosis:
    """Leaves no worker behind when a build is killed."""
    works, output = _probed("death")
    if works and sys.platform == "linux":
        return ok(output)
    repair = "run on Linux, where prctl(PR_SET_PDEATHSIG) is allowed"
    return broken(f"workers outlive a build that is killed: {output}", repair)


def namespaces(setup: Setup) -> Diagnosis:
    """Hide the network, the files and the processes of this machine."""
    works, output = _probed("namespaces")
    return ok(output) if works else _lacking(output, _allow_namespaces())


def landlock(setup: Setup) -> Diagnosis:
    """Forbids files to a process that has no rights to set up namespaces."""
    works, output = _probed("landlock")
    repair = "a kernel of 5.13 or later, started with landlock among lsm=; in containers, allow it"
    return ok(output) if works else _lacking(output, repair)


def seccomp(setup: Setup) -> Diagnosis:
    """Forbids system calls."""
    works, output = _probed("seccomp")
    repair = "sudo apt install libseccomp2; the kernel needs CONFIG_SECCOMP_FILTER"
    return ok(output) if works else _lacking(output, repair)


def bubblewrap(setup: Setup) -> Diagnosis:
    """Puts namespaces together into a sandbox."""
    program = shutil.which("bwrap", path=setup.environment.get("PATH", os.defpath))
    if program is None:
        return _lacking("no bwrap on the PATH", "sudo apt install bubblewrap")
    bounds = ("--ro-bind", "/", "/", "--unshare-all", "--die-with-parent", "--")
    works, output = _ended([program, *bounds, sys.executable, "-S", "-c", "print('it starts')"])
    return (
        ok(f"{program}: {output}")
        if works
        else _lacking(f"{program}: {output}", _allow_namespaces())
    )


def cgroups(setup: Setup) -> Diagnosis:
    """Bound memory and number of all processes of a sandbox together."""
    missing = [name for name in ("memory", "pids") if not _may_divide(name)]
    if not missing:
        return ok("memory and pids can be divided further")
    repair = "systemd-run --user --scope -p Delegate=yes opendare <...>"
    return _lacking(f"no writable control group for {' and '.join(missing)}", repair)


def _lacking(output: str, repair: str) -> Diagnosis:
    return warning(f"{output}; {_STRANGERS}", repair)


def _may_divide(controller: str) -> bool:
    """Asked, not tried: a group may belong to whoever supervises this process."""
    folder = control_group(controller)
    return folder is not None and os.access(folder, os.W_OK | os.X_OK)


def _allow_namespaces() -> str:
    """The knobs of this system that forbid, turned."""
    turned = [
        f"{knob.replace('/', '.')}={allows}"
        for knob, forbids, allows in _USER_NAMESPACES
        if _value(Path("/proc/sys", knob)) == forbids
    ]
    if turned:
        return f"sudo sysctl -w {' '.join(turned)}"
    return "let the container or its supervisor allow unshare and mount in user namespaces"


def _value(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _probed(name: str) -> tuple[bool, str]:
    """Whether an ability is there, and what its probe printed."""
    return _ended([sys.executable, "-P", "-S", "-m", probes.__name__, name])


def _ended(command: Sequence[str]) -> tuple[bool, str]:
    """Whether a command and all that it started ended well in time, and its words.

    It gets none of our environment, and nothing of it stays.
    """
    process = subprocess.Popen(
        command,
        env={"PYTHONPATH": str(_ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=_PROBE_S)
        except subprocess.TimeoutExpired:
            # Not reaped yet, so that its number still names the group and nothing else.
            os.killpg(process.pid, signal.SIGKILL)
            return False, f"something of it still ran after {_PROBE_S:g} s"
    return process.returncode == 0, output.strip() or f"it ended with code {process.returncode}"

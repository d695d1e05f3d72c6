"""Abilities of the system that keep code and files of others in bounds, each tried for real.

`python -m flows.doctor.probes NAME` gives itself up: what it tries holds until it ends, and it ends
at once. It prints one line, what works or why it does not, and exits with 0 or 1. Standard library
and `extract/process.py` only, so that it starts in a moment.

Not guaranteed: that a sandbox made of these abilities is tight.
"""

import ctypes
import errno
import os
import resource
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

from extract.process import die_with_parent

_MB = 2**20
_HEIR_S = 30
"""An heir that nothing ends does so itself."""

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _FILTER = 22, 38, 2
_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 1 << 17, 1 << 28, 1 << 29, 1 << 30
_MS_REC, _MS_PRIVATE = 1 << 14, 1 << 18
_LANDLOCK_CREATE, _LANDLOCK_RESTRICT = 444, 446
"""Numbers of system calls, the same on all machines but Alpha."""
_LANDLOCK_VERSION, _LANDLOCK_READ_FILE = 1, 1 << 2
_SCMP_ALLOW, _SCMP_ERRNO = 0x7FFF0000, 0x00050000


class Unable(Exception):
    """The system did not do what was asked; the message says what it did."""


def probe_limits() -> str:
    """A process that asks for more memory, or writes more, than it may."""
    resource.setrlimit(resource.RLIMIT_DATA, (128 * _MB, 128 * _MB))
    try:
        # Never touched, so that nothing is lost where the limit does not hold.
        bytearray(512 * _MB)
        raise Unable("512 MB could be allocated under RLIMIT_DATA of 128 MB")
    except MemoryError:
        pass
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with tempfile.TemporaryFile(buffering=0) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        try:
            file.write(b"a")
            file.write(b"b")
            raise Unable("2 bytes could be written under RLIMIT_FSIZE of 1")
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
        finally:
            # The output may go to a file.
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    return "limits on memory and on the size of files hold"


def probe_death() -> str:
    """A child that outlives its parent keeps the pipe of whoever waits for both open."""
    parent = os.getpid()
    tied, ready = os.pipe()
    if os.fork() == 0:
        die_with_parent(parent)
        os.write(ready, b".")
        time.sleep(_HEIR_S)
        os._exit(0)
    os.close(ready)
    if os.read(tied, 1) != b".":
        raise Unable("the child ended before its parent")
    return "a child ends with its parent"


def probe_namespaces() -> str:
    """A network, mounts and processes of its own; root may do it without a user namespace."""
    whole = _CLONE_NEWNET | _CLONE_NEWNS | _CLONE_NEWPID
    try:
        _call("unshare", whole | _CLONE_NEWUSER)
        observed = "user, network, mount and process namespaces"
    except OSError:
        if os.geteuid() != 0:
            raise
        _call("unshare", whole)
        observed = "network, mount and process namespaces, for root alone"
    # Some systems grant the namespace and none of its rights.
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    child = os.fork()
    if child == 0:
        os._exit(0 if os.getpid() == 1 else 1)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise Unable("the first process of the namespace is not number 1")
    return observed


def probe_landlock() -> str:
    """Files that may no longer be read, without any privilege."""
    abi = _syscall(_LANDLOCK_CREATE, None, ctypes.c_size_t(0), _LANDLOCK_VERSION)
    handled = ctypes.c_uint64(_LANDLOCK_READ_FILE)
    size = ctypes.c_size_t(ctypes.sizeof(handled))
    rules = _syscall(_LANDLOCK_CREATE, ctypes.byref(handled), size, 0)
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _syscall(_LANDLOCK_RESTRICT, rules, 0)
    try:
        with open(sys.executable, "rb"):
            raise Unable(f"ABI {abi}, but a forbidden file could be read")
    except PermissionError:
        return f"ABI {abi}"


def probe_seccomp() -> str:
    """A system call that may no longer be made."""
    try:
        # Without a filter the kernel says "bad address" if it knows filters.
        _call("prctl", _PR_SET_SECCOMP, _FILTER, None, 0, 0)
    except OSError as error:
        if error.errno != errno.EFAULT:
            raise
    try:
        library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError:
        raise Unable("the kernel has filters, but libseccomp is missing") from None
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_SCMP_ALLOW))
    refused = library.seccomp_syscall_resolve_name(b"socket")
    library.seccomp_rule_add(context, _SCMP_ERRNO | errno.EPERM, refused, 0)
    if library.seccomp_load(context) != 0:
        raise Unable("the kernel refuses a filter")
    try:
        socket.socket().close()
    except PermissionError:
        return "filters of system calls, through libseccomp"
    raise Unable("a forbidden system call could be made")


def _call(name: str, *arguments: object) -> int:
    """A function of the C library; raises the `OSError` that it reports."""
    library = ctypes.CDLL(None, use_errno=True)
    result: int = getattr(library, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def _syscall(number: int, *arguments: object) -> int:
    return _call("syscall", ctypes.c_long(number), *arguments)


PROBES: Mapping[str, Callable[[], str]] = {
    "limits": probe_limits,
    "death": probe_death,
    "namespaces": probe_namespaces,
    "landlock": probe_landlock,
    "seccomp": probe_seccomp,
}


def run_probe(name: str) -> int:
    """Try one ability and print what came of it."""
    signal.alarm(_HEIR_S)
    try:
        print(PROBES[name](), flush=True)
        return 0
    except (Unable, OSError, ValueError, AttributeError) as error:
        # `ValueError`: a limit above the highest; `AttributeError`: no such function in C.
        print(error, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(run_probe(sys.argv[1]))

"""What a child process may use, and how it gives up the rest before it starts its work."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

GIB = 1024**3

MAPPED_BYTES = 64 * GIB
"""Address space on top of the memory limit for memory-mapped files (see :func:`confine`)."""

PROCESSES = 4096
"""The kernel counts all threads of the *user* here, not those of the child, so a tight limit
would starve a child on a busy account. This one only ends a fork bomb; root is exempt from it.
"""

# <linux/sched.h>, <linux/prctl.h>
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one call may use before it is stopped."""

    memory_bytes: int = 12 * GIB
    """Private memory; memory-mapped files are not part of it."""
    cpu_seconds: int = 4 * 3600
    """Of all threads together, so above ``wall_seconds``, which usually ends a run."""
    file_bytes: int = 8 * GIB
    """Size of any one file it writes."""
    open_files: int = 512
    wall_seconds: float = 3600.0


DEFAULT_LIMITS = Limits()


def confine(limits: Limits, *, parent: int) -> None:
    """Lowers this process's limits for good, and leaves the network where the host allows it.

    Memory is held by ``RLIMIT_DATA`` (private writable pages, Linux 4.7 and later) rather than
    ``RLIMIT_AS`` alone: datasets are memory-mapped, and a 20 GB mapping of a file costs no memory.

    Args:
        limits: What stays.
        parent: Process id of the caller; when it dies, this process dies.
    """
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_DATA, limits.memory_bytes)
    _lower(resource.RLIMIT_AS, limits.memory_bytes + MAPPED_BYTES)
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds)
    _lower(resource.RLIMIT_FSIZE, limits.file_bytes)
    _lower(resource.RLIMIT_NOFILE, limits.open_files)
    _lower(resource.RLIMIT_NPROC, PROCESSES)
    with contextlib.suppress(OSError):
        # When the machine runs out of memory, the kernel takes this process, not the server.
        Path("/proc/self/oom_score_adj").write_text("1000")
    _leave_network()
    _die_with(parent)


def stay_on(cpus: Collection[int]) -> None:
    """Keeps this thread, and those that it starts from now on, on these processors.

    onnxruntime is imported first. While that happens it chooses its kernels, and where the process
    may run on one processor only it leaves out those for AMX (onnxruntime 1.32 on Linux: a U8/S8
    matrix product is 3 times slower). A service that has one thread is seldom bound to one
    processor, so that would measure what nobody serves with.
    """
    import onnxruntime  # noqa: F401

    os.sched_setaffinity(0, cpus)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    # One second between soft and hard, so that too much CPU time ends in SIGXCPU, which says
    # so, and not in SIGKILL, which the kernel also sends when memory is out.
    slack = 1 if kind == resource.RLIMIT_CPU and hard == resource.RLIM_INFINITY else 0
    resource.setrlimit(kind, (value, value + slack))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _leave_network() -> None:
    """Moves into a network namespace of its own, whose only device is a loopback that is down.

    Root may do so at once; others through a user namespace of their own, which some hosts and
    most containers forbid. Then the network stays: the other limits do not depend on it.
    Must run before the first thread starts (``unshare(2)``, ``CLONE_NEWUSER``).
    """
    if sys.platform != "linux":
        return
    libc = _libc()
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        libc.unshare(_CLONE_NEWNET)
    elif libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        # Keeps its own ids inside, so that files show the owners they have (user_namespaces(7)).
        # Where a security module forbids that, they show "nobody", and all works as well.
        with contextlib.suppress(OSError):
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
            Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")


def _die_with(parent: int) -> None:
    """Makes the kernel kill this process when its parent dies; comes after any change of ids.

    The signal is sent when the *thread* that started us ends, not its process: right here, as
    that thread waits in :func:`core.sandbox.call` until we are gone.
    """
    if sys.platform == "linux":
        libc = _libc()
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    # Whoever stops a service tells all its processes; this one's end is up to its parent.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)

"""Which processor cores a measurement may use, and which of them it stays on."""

from __future__ import annotations

import os
from pathlib import Path

_SYSFS = Path("/sys/devices/system/cpu")


def available_cores() -> tuple[int, ...]:
    """Returns the numbers of the logical processors this process may run on, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))  # macOS and Windows tell only how many there are


def physical_cores(sysfs: Path = _SYSFS) -> int:
    """Returns on how many physical cores this process may run."""
    return len({_siblings(core, sysfs) for core in available_cores()})


def pinned_cores(threads: int) -> tuple[int, ...] | None:
    """Chooses the cores a measurement stays on, or ``None`` to leave that to the system.

    The last ones, as most systems serve interrupts and start processes on the first; one
    logical processor of each physical core, as two threads on one core would slow each other.
    At least one core stays free for the server and for the system itself.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    return choose_cores(available_cores(), threads)


def choose_cores(
    cores: tuple[int, ...], threads: int, sysfs: Path = _SYSFS
) -> tuple[int, ...] | None:
    """Picks ``threads`` of the given logical processors as :func:`pinned_cores` explains.

    Args:
        cores: Logical processors to choose from.
        threads: How many are needed.
        sysfs: The kernel's description of the processors.
    """
    last_of_physical = {_siblings(core, sysfs): core for core in cores}
    if len(last_of_physical) <= threads:
        return None
    return tuple(sorted(last_of_physical.values())[-threads:])


def _siblings(core: int, sysfs: Path) -> str:
    """Returns a name shared by the logical processors of one physical core."""
    try:
        return (sysfs / f"cpu{core}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return str(core)

"""What a control group (a container, a systemd unit) leaves of the processor.

Source: Linux kernel documentation, ``admin-guide/cgroup-v2`` (``cpu.max``, ``cpu.stat``) and
``scheduler/sched-bwc`` (version 1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def cpu_quota(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> float | None:
    """Returns how many cores' worth of time this process may use, or ``None`` without a limit.

    A limit on any group above ours binds too, so the smallest counts.
    """
    quotas = [quota for group in _groups(root, membership) if (quota := _quota(group)) is not None]
    return min(quotas, default=None)


def throttled_seconds(root: Path = _ROOT, membership: Path = _MEMBERSHIP) -> float | None:
    """Returns for how long our group was stopped, so far, because its quota was used up.

    ``None`` where no group counts that. Only differences between two readings mean something.
    """
    times = [time for group in _groups(root, membership) if (time := _throttled(group)) is not None]
    return max(times, default=None)


def _groups(root: Path, membership: Path) -> Iterator[Path]:
    """Yields the folders of our group and of those above it, for version 1 and 2."""
    for line in _read(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            top = root
        elif "cpu" in controllers.split(","):
            top = root / controllers if (root / controllers).is_dir() else root / "cpu"
        else:
            continue
        # Inside a container the path may be the host's, of which only the top is visible.
        group = top / path.strip("/")
        while group != top:
            yield group
            group = group.parent
        yield top


def _quota(group: Path) -> float | None:
    limit, _, period = _read(group / "cpu.max").partition(" ")
    if not limit:
        limit = _read(group / "cpu.cfs_quota_us")
        period = _read(group / "cpu.cfs_period_us")
    if not limit.strip().isdigit() or not period.strip().isdigit():  # "max", or -1
        return None
    return int(limit) / int(period)


def _throttled(group: Path) -> float | None:
    pairs = (line.split() for line in _read(group / "cpu.stat").splitlines())
    counters = {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2}
    if "throttled_usec" in counters:
        return counters["throttled_usec"] / 1e6
    if "throttled_time" in counters:
        return counters["throttled_time"] / 1e9
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

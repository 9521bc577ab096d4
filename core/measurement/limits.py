"""How long a process that measures may take before it counts as hanging."""

from __future__ import annotations

from core.sandbox import Limits


def patient_limits(expected_s: float, threads: int, *, memory_bytes: int | None = None) -> Limits:
    """Returns limits that a slow machine does not reach, and a model that hangs does.

    Args:
        expected_s: Seconds that the process is expected to take.
        threads: How many it keeps busy.
        memory_bytes: Private memory it may use; ``None``: the usual.
    """
    usual = Limits()
    wall_s = max(usual.wall_seconds, 5 * expected_s)
    return Limits(
        wall_seconds=wall_s,
        cpu_seconds=max(usual.cpu_seconds, int(wall_s * (threads + 1))),
        memory_bytes=usual.memory_bytes if memory_bytes is None else memory_bytes,
    )

"""What disturbs a measurement: counted while it runs, and said in sentences.

Source: Linux manual pages ``proc_stat(5)`` (the ``steal`` column), ``proc_vmstat(5)`` (pages
swapped in and out) and ``getrusage(2)`` (involuntary context switches); control groups as in
:mod:`core.measurement.cgroup`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.measurement.cgroup import throttled_seconds
from core.records import Finding, Noise

_STAT = Path("/proc/stat")
_VMSTAT = Path("/proc/vmstat")
_SWAPPED = {"pswpin", "pswpout"}
_LOAD_MEMORY_S = 60.0
_STEAL_COLUMN = 7
_TIME_COLUMNS = 8  # what comes after is already counted in user and nice

# Above these, a disturbance is worth a sentence; each is small beside what the A/A check allows.
_STEAL_SHARE = 0.01
_THROTTLED_SHARE = 0.005
_SWITCHES_PER_S = 20.0
_SWAPPED_PAGES_PER_S = 10.0
_LOAD_OF_OTHERS = 0.5
_DRIFT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Readings of the system's counters at one moment; only differences mean something."""

    time_s: float
    steal_ticks: int | None
    all_ticks: int | None
    throttled_s: float | None
    swapped_pages: int | None
    load: float | None
    """The system's load average of the last minute."""


def read_counters(
    cores: Sequence[int] | None, stat: Path = _STAT, vmstat: Path = _VMSTAT
) -> Counters:
    """Reads the counters of the given cores, of all if ``None``."""
    steal, total = _ticks(cores, stat)
    return Counters(
        time_s=time.monotonic(),
        steal_ticks=steal,
        all_ticks=total,
        throttled_s=throttled_seconds(),
        swapped_pages=_swapped_pages(vmstat),
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    )


def noise_between(
    before: Counters,
    after: Counters,
    *,
    switches_per_s: float | None,
    baseline_ms: NDArray[np.float64],
) -> Noise:
    """Sums up what happened between two readings.

    Args:
        before: Read before the first process of the measurement started.
        after: Read after its last one ended.
        switches_per_s: Involuntary context switches of those processes.
        baseline_ms: The baseline's samples, shape ``(groups, rounds, runs)``, in order of time.
    """
    return Noise(
        steal_share=_share(
            before.steal_ticks, after.steal_ticks, before.all_ticks, after.all_ticks
        ),
        throttled_share=_share(before.throttled_s, after.throttled_s, before.time_s, after.time_s),
        involuntary_switches_per_s=switches_per_s,
        swapped_pages_per_s=_share(
            before.swapped_pages, after.swapped_pages, before.time_s, after.time_s
        ),
        load_average=load_between(before, after),
        drift=drift(baseline_ms),
    )


def load_between(before: Counters, after: Counters) -> float | None:
    """Returns the mean load between two readings, without what was before the first.

    The system's load average forgets: what was counts ``exp(-t / 60 s)`` as much after a time
    ``t``, and what is counts the rest (``kernel/sched/loadavg.c`` of Linux). So the share of the
    time before can be taken out, or the start of an evaluation would be blamed for its end.
    """
    if before.load is None or after.load is None:
        return None
    kept = math.exp(-max(after.time_s - before.time_s, 1e-9) / _LOAD_MEMORY_S)
    return max(0.0, (after.load - kept * before.load) / (1 - kept))


def drift(baseline_ms: NDArray[np.float64]) -> float:
    """Returns the p50 of the last quarter of the rounds over that of the first, minus 1.

    Args:
        baseline_ms: Samples of shape ``(groups, rounds, runs)``, in order of time.
    """
    of_rounds = np.median(baseline_ms, axis=2).ravel()
    quarter = max(1, len(of_rounds) // 4)
    return float(np.median(of_rounds[-quarter:]) / np.median(of_rounds[:quarter]) - 1)


def describe(noise: Noise, threads: int) -> tuple[Finding, ...]:
    """Says in a sentence each what disturbed a measurement noticeably, and what to do.

    Args:
        noise: What was counted.
        threads: How many the measurement itself kept busy.
    """
    found = []
    if (noise.steal_share or 0.0) > _STEAL_SHARE:
        found.append(
            (
                "steal",
                f"The host gave {noise.steal_share:.1%} of the processor's time to its other "
                "guests; measure on a dedicated machine or at a quieter time.",
            )
        )
    if (noise.throttled_share or 0.0) > _THROTTLED_SHARE:
        found.append(
            (
                "throttled",
                f"The container was stopped for {noise.throttled_share:.1%} of the time because "
                "its CPU limit was used up; raise the limit.",
            )
        )
    if (noise.involuntary_switches_per_s or 0.0) > _SWITCHES_PER_S:
        found.append(
            (
                "switches",
                "Other programs took the processor away from the measurement "
                f"{noise.involuntary_switches_per_s:.0f} times a second; stop them.",
            )
        )
    if (noise.swapped_pages_per_s or 0.0) > _SWAPPED_PAGES_PER_S:
        found.append(
            (
                "swap",
                f"The machine moved {noise.swapped_pages_per_s:.0f} pages of memory a second to or "
                "from its disk, because memory was short; stop other programs or add memory.",
            )
        )
    if (noise.load_average or 0.0) - threads > _LOAD_OF_OTHERS:
        found.append(
            (
                "load",
                f"The machine's load was {noise.load_average:.1f} where the measurement accounts "
                f"for {threads}; stop other programs.",
            )
        )
    if abs(noise.drift or 0.0) > _DRIFT:
        found.append(
            (
                "drift",
                f"The machine became {abs(noise.drift or 0.0):.0%} "
                f"{'slower' if (noise.drift or 0.0) > 0 else 'faster'} while it measured (heat, or "
                "other work); comparisons within each round allow for that, single times do not.",
            )
        )
    return tuple(
        Finding(severity="warning", code=code, sentence=sentence) for code, sentence in found
    )


def _ticks(cores: Sequence[int] | None, stat: Path) -> tuple[int | None, int | None]:
    """Returns stolen and all ticks of the given cores."""
    wanted = {"cpu"} if cores is None else {f"cpu{core}" for core in cores}
    try:
        lines = [line.split() for line in stat.read_text().splitlines()]
    except OSError:
        return None, None
    rows = [
        [int(field) for field in fields[1 : 1 + _TIME_COLUMNS]]
        for fields in lines
        if fields and fields[0] in wanted
    ]
    return sum(row[_STEAL_COLUMN] for row in rows), sum(sum(row) for row in rows)


def _swapped_pages(vmstat: Path) -> int | None:
    """Returns the pages the machine has swapped in and out since it was started."""
    try:
        lines = [line.split() for line in vmstat.read_text().splitlines()]
    except OSError:
        return None
    counts = [int(fields[1]) for fields in lines if fields[0] in _SWAPPED]
    return sum(counts) if counts else None


def _share(
    before: float | None, after: float | None, whole_before: float | None, whole_after: float | None
) -> float | None:
    if before is None or after is None or whole_before is None or whole_after is None:
        return None
    return (after - before) / max(whole_after - whole_before, 1e-9)

"""What other threads and batch sizes say about a candidate at the deployment's. Never a gate."""

from __future__ import annotations

from core.decision import explain
from core.decision.assess import BASELINE_ID, Assessment
from core.decision.case import Case
from core.records import SweepPoint

_BATCHES_MATTER = 1.1
"""Throughput over that at the deployment's batch size, from which it is mentioned."""


def lines(item: Assessment, case: Case) -> tuple[str, ...]:
    """What the sweep adds to a candidate's figures; nothing where nothing was swept."""
    return (*_threads_instead(item, case), *_not_everywhere(item, case), *_throughput(item, case))


def _threads_instead(item: Assessment, case: Case) -> tuple[str, ...]:
    """Where the baseline with other threads is shown to be faster than the candidate."""
    latency, own = item.candidate.latency, case.deployment
    if latency is None:
        return ()
    faster = [
        point
        for point in case.sweep
        if point.batch_size == own.batch_size
        and point.threads != own.threads
        and BASELINE_ID in point.p50_ms
        and point.p50_ms[BASELINE_ID].high < latency.p50_ms.low
    ]
    if not faster:
        return ()
    least = min(faster, key=lambda point: point.threads)
    advice = "where cores are idle, more threads may be the simpler fix"
    if least.threads < own.threads:
        advice = "fewer threads are the simpler fix"
    return (
        f"The baseline with {explain.count(least.threads, 'thread')} takes "
        f"{explain.milliseconds(least.p50_ms[BASELINE_ID].value)}, less than {item.candidate.id} "
        f"with {explain.count(own.threads, 'thread')} "
        f"({explain.milliseconds(latency.p50_ms.value)}): {advice}.",
    )


def _not_everywhere(item: Assessment, case: Case) -> tuple[str, ...]:
    """Where a candidate that gains loses its gain, or becomes slower."""
    if item.gain is None:
        return ()
    name, smallest = item.candidate.id, case.policy.min_speedup
    lost = []
    for point in case.sweep:
        speedup = point.speedup.get(name)
        if speedup is None or _is_own(point, case):
            continue
        if speedup.high < 1 or (item.gain == "speed" and speedup.low <= smallest):
            lost.append(f"{_where(point, case)} it is {explain.speed(speedup)}")
    if not lost:
        return ()
    asked = f" (you ask for more than {explain.times(smallest)})" if item.gain == "speed" else ""
    return (f"{name} does not gain everywhere{asked}: {explain.listed(tuple(lost))}.",)


def _throughput(item: Assessment, case: Case) -> tuple[str, ...]:
    """The batch size with the highest throughput, where batches matter."""
    name, own, latency = item.candidate.id, case.deployment, item.candidate.latency
    points = [
        point
        for point in case.sweep
        if point.threads == own.threads
        and point.batch_size != own.batch_size
        and {name, BASELINE_ID} <= point.samples_per_s.keys()
    ]
    if latency is None or not points:
        return ()
    best = max(points, key=lambda point: point.samples_per_s[name])
    now = 1000 * own.batch_size / latency.p50_ms.value
    if best.samples_per_s[name] < _BATCHES_MATTER * now:
        return ()
    return (
        f"Throughput {_where(best, case)}: {explain.rate(best.samples_per_s[name])} by {name} and "
        f"{explain.rate(best.samples_per_s[BASELINE_ID])} by the baseline; with "
        f"{_batches(own.batch_size)} {name} reaches {explain.rate(now)}.",
    )


def _is_own(point: SweepPoint, case: Case) -> bool:
    own = case.deployment
    return (point.threads, point.batch_size) == (own.threads, own.batch_size)


def _where(point: SweepPoint, case: Case) -> str:
    """Such as ``with 2 threads`` or ``with batches of 8``: only what differs."""
    parts = []
    if point.threads != case.deployment.threads:
        parts.append(explain.count(point.threads, "thread"))
    if point.batch_size != case.deployment.batch_size:
        parts.append(_batches(point.batch_size))
    return f"with {' and '.join(parts)}"


def _batches(size: int) -> str:
    return "one sample at a time" if size == 1 else f"batches of {size:,}"

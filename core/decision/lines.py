"""Lines that verdicts share: the baseline, its target, what a candidate offers, the others."""

from __future__ import annotations

from core.decision import explain
from core.decision.assess import Assessment, meets_target
from core.decision.case import Case, describe, drop_bound, sampled
from core.records import Latency


def baseline(case: Case) -> tuple[str, ...]:
    """What was measured of the baseline, in one line; none where nothing was."""
    row = case.baseline
    parts = []
    if row.latency is not None:
        parts.append(f"p50 {explain.milliseconds(row.latency.p50_ms.value)}")
    if row.size_bytes is not None:
        parts.append(explain.size(row.size_bytes))
    if row.accuracy is not None:
        parts.append(f"accuracy {explain.percent(row.accuracy.value)} of {sampled(row.accuracy)}")
    return (f"The baseline as it is: {', '.join(parts)}.",) if parts else ()


def target(case: Case, item: Assessment | None = None) -> tuple[str, ...]:
    """What the latency target says about the baseline and the candidate."""
    policy, latency = case.policy, case.baseline.latency
    if policy.latency_target_ms is None or latency is None:
        return ()
    limit = explain.milliseconds(policy.latency_target_ms)
    mine = _figure(latency)
    if meets_target(latency, policy):
        return (
            f"The baseline meets the latency target of {limit} already ({mine}): speed is no "
            "reason here, it would be an optimisation, not a fix.",
        )
    if item is None or item.candidate.latency is None:
        return (f"The baseline misses the latency target of {limit} ({mine}).",)
    its = _figure(item.candidate.latency)
    met = meets_target(item.candidate.latency, policy)
    return (
        f"{item.candidate.id} {'meets' if met else 'misses'} the latency target of {limit} "
        f"({its}), which the baseline misses ({mine}).",
    )


def others(case: Case, item: Assessment | None) -> tuple[str, ...]:
    """A line about each other candidate, and about each that could not be made."""
    made = [describe(other, case) for other in case.items if other is not item]
    return (*made, *(f"{each.id}: not made. {each.reason}" for each in case.failures))


def offer(case: Case, item: Assessment, *, size_first: bool = False) -> str:
    """Such as ``1.6-1.8x faster (p50 4.12 ms instead of 6.93 ms), 74% smaller``."""
    parts = []
    latency, before = item.candidate.latency, case.baseline.latency
    if latency is not None and before is not None:
        parts.append(f"{explain.speed(latency.speedup)} ({explain.p50_instead(latency, before)})")
    if item.candidate.size_bytes is not None and case.baseline.size_bytes:
        change = explain.size_change(item.candidate.size_bytes, case.baseline.size_bytes)
        parts.insert(0 if size_first else len(parts), change)
    return ", ".join(parts)


def gains(case: Case, item: Assessment, *, size_first: bool = False) -> str:
    """What a candidate offers and the bound of its drop."""
    text = offer(case, item, size_first=size_first)
    return f"{text}, {drop_bound(item.accuracy, case)}" if item.accuracy else text


def _figure(latency: Latency) -> str:
    name, value = explain.target_figure(latency)
    return f"{name} up to {explain.milliseconds(value)}"

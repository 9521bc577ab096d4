"""What would change the answer, as computed numbers."""

from __future__ import annotations

from math import ceil, floor

from core.decision import explain
from core.decision.assess import Assessment
from core.decision.case import Case


def to_yes(item: Assessment, case: Case) -> tuple[str, ...]:
    """The settings and samples with which a candidate would do."""
    name = item.candidate.id
    changes = []
    if item.gain is None:
        changes.extend(_gain_changes(item, case))
    elif item.accuracy is not None and item.accuracy.gate != "pass":
        changes.append(
            f"{name} would pass on these samples if the largest accuracy drop were "
            f"{explain.points_at_most(item.accuracy.drop_points.high)} "
            f"(now {explain.points(case.policy.max_drop_points)})."
        )
        more = samples_to_add(item, case)
        if more is not None:
            changes.append(more)
    return tuple(changes)


def samples_to_add(item: Assessment, case: Case) -> str | None:
    """How many samples would probably decide an undecided gate; None: they would not help."""
    needed = case.samples_needed.get(item.candidate.id)
    if needed is None or item.accuracy is None:
        return None
    splits = case.splits
    samples = splits.calibration + splits.search + splits.confirm
    have = max(splits.confirm, 1)
    # With too few confirm samples the evaluation may not even have come to use them.
    whole = _round_up(ceil(samples * needed / have))
    return (
        f"With about {explain.count(whole, 'sample')} instead of {samples:,} ({needed:,} of them "
        f"for the last check), {item.candidate.id} would pass in 8 of 10 evaluations if its "
        "answers keep changing as they did."
    )


def to_no(item: Assessment, case: Case) -> tuple[str, ...]:
    """The settings with which a shipped candidate would not do."""
    changes = []
    if item.accuracy is not None:
        high = item.accuracy.drop_points.high
        if high > 0:
            changes.append(f"A largest accuracy drop below {explain.points_at_most(high)}.")
    latency = item.candidate.latency
    if item.gain == "speed" and latency is not None:
        limit = floor(latency.speedup.low * 100) / 100
        changes.append(f"A smallest useful speed-up of more than {explain.times(limit)}.")
    if item.gain == "size" and item.size_reduction is not None:
        changes.append(
            f"A smallest useful size reduction above {explain.percent(item.size_reduction)}."
        )
    return tuple(changes)


def _gain_changes(item: Assessment, case: Case) -> list[str]:
    name, policy, latency = item.candidate.id, case.policy, item.candidate.latency
    if latency is None or item.standing == "failed":
        return []
    found = []
    low = latency.speedup.low
    # Strictly below the bound, as the gain must be above the limit.
    limit = ceil(low * 100 - 1) / 100
    if case.speed_counts and not item.p99_worse and 1 <= limit < policy.min_speedup:
        found.append(
            f"{name} would be fast enough if the smallest useful speed-up were "
            f"{explain.times(limit)} (now {explain.times(policy.min_speedup)})."
        )
    baseline = case.baseline.latency
    target_met = "speed" in policy.gains and not case.speed_counts
    if target_met and baseline is not None and low > policy.min_speedup:
        figure, value = explain.target_figure(baseline)
        found.append(
            f"{name} would count as faster with a latency target below "
            f"{explain.milliseconds(value)}, which the baseline's {figure} may reach."
        )
    reduction = item.size_reduction
    if reduction is not None and low >= 1 / policy.max_p99_ratio:
        if "size" not in policy.gains and reduction >= policy.min_size_reduction:
            found.append(f"{name} would do for its size if size counted as a gain.")
        elif "size" in policy.gains and 0.01 <= reduction < policy.min_size_reduction:
            found.append(
                f"{name} would do for its size if the smallest useful size reduction were "
                f"{floor(reduction * 100)}% (now {explain.percent(policy.min_size_reduction)})."
            )
    return found


def _round_up(samples: int) -> int:
    step = int(10 ** max(len(str(samples)) - 3, 0))
    return ceil(samples / step) * step

"""What would change the answer, as computed numbers."""

from __future__ import annotations

from math import ceil, floor

from core.decision import explain, rounds
from core.decision.assess import Assessment
from core.decision.case import Case
from core.protocol import round_up
from core.records import Accuracy


def to_yes(item: Assessment, case: Case) -> tuple[str, ...]:
    """The settings, samples and runs with which a candidate would do."""
    changes: list[str] = []
    if item.gain is None:
        if item.standing not in ("failed", "unlikely"):
            changes.extend(rounds.to_decide(item))
            changes.extend(_gain_changes(item, case))
        return tuple(changes)
    if item.standing == "passed":
        return (_confirmation(item, case),)
    threshold = passing_threshold(item, case.policy.max_drop_points)
    if threshold is not None:
        every = "" if item.standing != "unsteady" else " with every draw of calibration samples"
        changes.append(
            f"{item.candidate.id} would pass on these samples{every} if the largest accuracy drop "
            f"were {explain.points(threshold)} (now {explain.points(case.policy.max_drop_points)})."
        )
    more = samples_to_add(item, case)
    if more is not None:
        changes.append(more)
    return tuple(changes)


def passing_threshold(item: Assessment, limit: float) -> float | None:
    """The smallest of the largest accuracy drops, in points, at which a candidate would pass.

    The gate passes at the upper bound of the drop; the drops of other calibration draws have to
    be within it too. In hundredths, rounded up.

    Returns:
        None where the threshold is not what is missing: nothing was measured, all passes, or
        the samples are too few to prove the threshold that there is.
    """
    if item.accuracy is None:
        return None
    needed = _largest_drop(item, item.accuracy)
    return None if needed <= limit else _up(needed, 100)


def sufficient_speedup(item: Assessment) -> float:
    """The largest of the smallest useful speed-ups, in hundredths, at which it would gain speed.

    Strictly below the lower bound of the speed-up, as that must be above the policy's.
    """
    return ceil(round(100 * item.speed_low, 6) - 1) / 100


def samples_to_add(item: Assessment, case: Case) -> str | None:
    """How many samples would probably decide an undecided gate; None: they would not help."""
    needed = case.samples_needed.get(item.candidate.id)
    if needed is None or item.accuracy is None:
        return None
    splits = case.dataset.splits
    have = max(splits.confirm, 1)
    # With too few confirm samples the evaluation may not even have come to use them.
    whole = round_up(ceil(splits.samples * needed / have))
    return (
        f"With about {explain.count(whole, 'sample')} instead of {splits.samples:,} ({needed:,} "
        f"of them for the last check), {item.candidate.id} would pass in 8 of 10 evaluations if "
        "its answers keep changing as they did."
    )


def to_no(item: Assessment, case: Case) -> tuple[str, ...]:
    """The settings with which a shipped candidate would not do, and what would show more of it."""
    changes = []
    if item.accuracy is not None:
        bound = floor(round(100 * _largest_drop(item, item.accuracy), 6)) / 100
        if bound > 0:
            changes.append(f"A largest accuracy drop below {explain.points(bound)}.")
    speed = f"smallest useful speed-up of more than {explain.times(_up(item.speed_low, 100))}"
    reduction = _up(item.size_reduction or 0.0, 1000)
    size = f"smallest useful size reduction above {explain.percent(reduction)}"
    if item.gain == "size":
        changes.append(f"A {size}.")
    elif item.is_fp16 and _size_would_do(item, case):
        # FP16 is tried for either gain alike.
        changes.append(f"A {speed} together with a {size}.")
    else:
        changes.append(f"A {speed}.")
    return (*changes, *rounds.to_decide(item))


def _largest_drop(item: Assessment, accuracy: Accuracy) -> float:
    """What the threshold has to hold: the bound of the drop, and each other calibration draw."""
    draws = [draw.value for draw in item.candidate.calibration_draws]
    return max([accuracy.drop_points.high, *draws])


def _up(value: float, scale: int) -> float:
    return ceil(round(scale * value, 6)) / scale


def _confirmation(item: Assessment, case: Case) -> str:
    """What the last check of a candidate that passed has to find."""
    name, policy = item.candidate.id, case.policy
    if item.is_confirmed and item.gain == "speed":
        return (
            f"{name} would do if the lower bound of its speed-up in a new run were above "
            f"{explain.times(policy.min_speedup)} (now {explain.times(item.speed_low)})."
        )
    if item.is_confirmed:
        return (
            f"{name} would do for its size if the lower bound of its speed-up in a new run were "
            f"above {explain.times(1 / policy.max_p99_ratio)} "
            f"(now {explain.times(item.speed_low)})."
        )
    return (
        f"{name} would do if the upper bound of its accuracy drop on new samples were at most "
        f"{explain.points(policy.max_drop_points)} too."
    )


def _size_would_do(item: Assessment, case: Case) -> bool:
    reduction = item.size_reduction
    return (
        "size" in case.policy.gains
        and item.keeps_up
        and reduction is not None
        and reduction >= case.policy.min_size_reduction
    )


def _gain_changes(item: Assessment, case: Case) -> list[str]:
    name, policy, latency = item.candidate.id, case.policy, item.candidate.latency
    if latency is None and case.speed_counts:
        return [
            f"{name} would do if the lower bound of its speed-up were above "
            f"{explain.times(policy.min_speedup)}."
        ]
    if latency is None:
        return []
    found = []
    low = latency.speedup.low
    limit = sufficient_speedup(item)
    if case.speed_counts and not item.p99_worse and 1 <= limit < policy.min_speedup:
        found.append(
            f"{name} would be fast enough if the smallest useful speed-up were "
            f"{explain.times(limit)} (now {explain.times(policy.min_speedup)})."
        )
    baseline = case.baseline.latency
    target_met = "speed" in policy.gains and not case.speed_counts
    if target_met and baseline is not None and low > policy.min_speedup and not item.p99_worse:
        figure, value = explain.target_figure(baseline)
        found.append(
            f"{name} would count as faster with a latency target below "
            f"{explain.milliseconds(value)}, which the baseline's {figure} may reach."
        )
    reduction = item.size_reduction
    if reduction is not None and item.keeps_up:
        if "size" not in policy.gains and reduction >= policy.min_size_reduction:
            found.append(
                f"{name} would do for its size, {explain.percent(reduction)} smaller, if size "
                "counted as a gain."
            )
        elif "size" in policy.gains and 0.01 <= reduction < policy.min_size_reduction:
            found.append(
                f"{name} would do for its size if the smallest useful size reduction were "
                f"{floor(reduction * 100)}% (now {explain.percent(policy.min_size_reduction)})."
            )
    return found

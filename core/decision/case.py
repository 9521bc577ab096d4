"""All that a verdict is decided from, and one line about each candidate."""

from __future__ import annotations

from dataclasses import dataclass

from core.decision import explain
from core.decision.assess import Assessment, speed_counts
from core.records import (
    Accuracy,
    Candidate,
    DatasetProfile,
    Deployment,
    Machine,
    Policy,
    SweepPoint,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The measurements under the policy, ready for a verdict."""

    baseline: Candidate
    items: tuple[Assessment, ...]
    """The candidates that were made, the best first."""
    failures: tuple[Candidate, ...]
    """Those that could not be made."""
    policy: Policy
    dataset: DatasetProfile
    samples_needed: dict[str, int]
    """Confirm samples, by candidate whose gate is undecided."""
    machine: Machine | None
    sweep: tuple[SweepPoint, ...]
    """Empty where no deployment was given to hold it against."""
    deployment: Deployment

    @property
    def speed_counts(self) -> bool:
        """Whether a speed-up is a reason here."""
        return speed_counts(self.baseline, self.policy)


def sampled(accuracy: Accuracy) -> str:
    """Such as ``600 confirm samples`` or ``900 search and confirm samples``."""
    split = accuracy.split.replace("+", " and ")
    return explain.count(accuracy.samples, f"{split} sample")


def evidence(accuracy: Accuracy, case: Case) -> str:
    """Such as ``95% confidence, 600 confirm samples``; says why where it is a higher one."""
    confidence = f"{explain.percent_at_least(accuracy.confidence)} confidence"
    if accuracy.confidence > case.policy.confidence:
        found = [item.accuracy.split for item in case.items if item.accuracy is not None]
        sharing = explain.count(found.count(accuracy.split), "candidate")
        confidence += f", as {sharing} share the samples"
    return f"{confidence}, {sampled(accuracy)}"


def drop_bound(accuracy: Accuracy, case: Case) -> str:
    """Such as ``accuracy drop at most 0.78 points (95% confidence, 600 confirm samples)``."""
    high = accuracy.drop_points.high
    if high < 0:
        bound = f"accuracy gain at least {explain.points_at_least(-high)}"
    else:
        bound = f"accuracy drop at most {explain.points_at_most(high)}"
    return f"{bound} ({evidence(accuracy, case)})"


def draws_range(candidate: Candidate) -> str:
    """The drops of a candidate's other calibration draws, such as ``0.2 to 1.6 points``."""
    values = [draw.value for draw in candidate.calibration_draws]
    last = explain.points(max(values))
    first = explain.points(min(values))
    return last if first == last else f"{first.removesuffix(' points')} to {last}"


def figures(item: Assessment, case: Case) -> tuple[str, ...]:
    """Speed, size and accuracy of a candidate in full, one sentence each."""
    lines = []
    latency, baseline = item.candidate.latency, case.baseline.latency
    if latency is not None and baseline is not None:
        lines.append(
            f"Speed against the baseline: {explain.speed(latency.speedup)}, "
            f"{explain.p50_instead(latency, baseline)}."
        )
        lines.append(_p99(item, case))
    if item.candidate.size_bytes is not None and case.baseline.size_bytes:
        lines.append(
            f"Size: {explain.size(item.candidate.size_bytes)} instead of "
            f"{explain.size(case.baseline.size_bytes)}, "
            f"{explain.size_change(item.candidate.size_bytes, case.baseline.size_bytes)}."
        )
    if item.accuracy is not None:
        lines.append(_accuracy(item.accuracy))
        if item.candidate.calibration_draws:
            lines.append(_draws(item.candidate, case))
    return tuple(lines)


def describe(item: Assessment, case: Case) -> str:
    """One line about a candidate: what it offers, or what stands against it."""
    against = objections(item, case)
    text = "; ".join(against) if against else _offer(item, case)
    return f"{item.candidate.id}: {text}."


def objections(item: Assessment, case: Case) -> tuple[str, ...]:
    """What stands against a candidate under the policy."""
    found = []
    policy, accuracy = case.policy, item.accuracy
    if item.standing == "failed":
        if accuracy is not None and accuracy.gate == "fail":
            found.append(
                f"loses at least {explain.points_at_least(accuracy.drop_points.low)} of accuracy "
                f"({evidence(accuracy, case)}), you allow "
                f"{explain.points(policy.max_drop_points)}"
            )
        else:
            found.append(item.candidate.reason.rstrip(".") or "rejected")
    if item.standing == "unsteady":
        found.append(
            f"calibrated with other halves of the calibration samples it drops "
            f"{draws_range(item.candidate)}, you allow {explain.points(policy.max_drop_points)}"
        )
    if item.gain is None:
        found.extend(_lacking(item, case))
    return tuple(found)


def _lacking(item: Assessment, case: Case) -> list[str]:
    """Why a candidate has no gain that counts."""
    policy, latency = case.policy, item.candidate.latency
    if latency is None:
        return ["its latency was not measured"]
    found = []
    speed = explain.speed(latency.speedup)
    if "speed" not in policy.gains:
        found.append(f"{speed}, which your policy does not count")
    elif not case.speed_counts:
        found.append(f"{speed}, which does not count as the baseline meets the latency target")
    elif latency.speedup.low <= policy.min_speedup:
        found.append(f"{speed}, you ask for more than {explain.times(policy.min_speedup)}")
    elif latency.p99_ratio is not None:
        found.append(
            f"its p99 is {explain.times(1 / latency.p99_ratio.ratio)} the baseline's, you allow "
            f"{explain.times(policy.max_p99_ratio)}"
        )
    if "size" in policy.gains and item.size_reduction is not None:
        if item.size_reduction < policy.min_size_reduction:
            found.append(
                f"{_size_change(item, case)}, you ask for "
                f"{explain.percent(policy.min_size_reduction)}"
            )
        elif "size" in item.undecided:
            found.append(
                f"{_size_change(item, case)}, but not yet shown to be fast enough for that to count"
            )
        else:
            found.append(f"{_size_change(item, case)}, but too slow for that to count")
    return found


def _offer(item: Assessment, case: Case) -> str:
    parts = []
    if item.candidate.latency is not None:
        parts.append(explain.speed(item.candidate.latency.speedup))
    if item.size_reduction is not None:
        parts.append(_size_change(item, case))
    if item.accuracy is not None:
        parts.append(
            f"accuracy drop {explain.points_range(item.accuracy.drop_points)} "
            f"({evidence(item.accuracy, case)})"
        )
    return ", ".join(parts)


def _accuracy(accuracy: Accuracy) -> str:
    errors = ""
    if accuracy.error_ratio is not None:
        errors = f"; it makes {explain.fold(accuracy.error_ratio)} the baseline's errors"
    return (
        f"Accuracy: {explain.percent(accuracy.value)} of {sampled(accuracy)}; "
        f"{accuracy.right_to_wrong} went from right to wrong and {accuracy.wrong_to_right} from "
        f"wrong to right, a drop of {explain.points(accuracy.drop_points.value)} "
        f"({explain.points_range(accuracy.drop_points)}); the answers agree on "
        f"{explain.percent(accuracy.agreement)}{errors}."
    )


def _draws(candidate: Candidate, case: Case) -> str:
    limit = case.policy.max_drop_points
    draws = candidate.calibration_draws
    above = sum(draw.value > limit for draw in draws)
    return (
        f"Calibrated {explain.count(len(draws), 'time')} with other halves of the calibration "
        f"samples it drops {draws_range(candidate)} on the same samples, {above} of "
        f"{len(draws)} times more than the {explain.points(limit)} that you allow."
    )


def _p99(item: Assessment, case: Case) -> str:
    latency = item.candidate.latency
    if latency is None or latency.p99_ms is None or latency.p99_ratio is None:
        return "p99 is not known: it takes at least 500 runs, which the standard effort makes."
    ratio = latency.p99_ratio
    text = (
        f"p99: {explain.milliseconds(latency.p99_ms.value)} "
        f"({explain.milliseconds(latency.p99_ms.low)} to "
        f"{explain.milliseconds(latency.p99_ms.high)}), against the baseline's "
        f"{explain.speed(ratio)}"
    )
    if not item.p99_worse and ratio.low < 1 / case.policy.max_p99_ratio:
        return f"{text}; a p99 worse than allowed is not ruled out."
    return f"{text}."


def _size_change(item: Assessment, case: Case) -> str:
    return explain.size_change(item.candidate.size_bytes or 0, case.baseline.size_bytes or 1)

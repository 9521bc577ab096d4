"""What one candidate's measurement says under a policy: its gain, and where its accuracy stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from core.decision.explain import target_figure
from core.records import Accuracy, Candidate, Gain, Latency, Policy, Ratio

BASELINE_ID = "baseline"

Standing = Literal["proven", "unsteady", "passed", "open", "unlikely", "failed"]
"""Of a candidate's accuracy.

``proven``: the gate passed on confirm, or on search and confirm together, where all candidates
are gated at once. ``unsteady``: it passed there, but the same recipe with other calibration
draws drops more than the threshold. ``passed``: it passed on search, and was not confirmed.
``open``: undecided on confirm (or both together); or unmeasured; or undecided on search with an
observed drop within the threshold. ``unlikely``: undecided on search, with an observed drop
above the threshold. ``failed``: the gate failed, or the candidate was rejected.
"""


@dataclass(frozen=True, slots=True)
class Assessment:
    """A candidate that was made, under a policy."""

    candidate: Candidate
    accuracy: Accuracy | None
    standing: Standing
    gain: Gain | None
    """The gain that counts and was measured: speed before size. None: none, or unmeasured."""
    gain_unmeasured: bool
    """Whether there may be a gain, but what it takes to say so was not measured."""
    undecided: Mapping[Gain, float]
    """Better gains than ``gain`` that the speed-up promises and its interval leaves open: each
    with the ratio of p50s that the lower bound has still to exceed."""
    size_reduction: float | None
    """Part of the baseline's file that goes, 0 to 1; negative where the file grows."""
    keeps_up: bool
    """Whether it is fast enough for its size to count."""
    p99_worse: bool
    """Whether its p99 is above what the policy allows, against the baseline's."""

    @property
    def is_fp16(self) -> bool:
        """Whether it is FP16, which on a CPU is a fallback for size."""
        return self.candidate.recipe.method == "float16"

    @property
    def is_confirmed(self) -> bool:
        """Whether its accuracy is from samples that count for a verdict."""
        return self.accuracy is not None and self.accuracy.split != "search"

    @property
    def gain_open(self) -> bool:
        """Whether nothing gained is shown, and more measuring may show it."""
        return self.gain is None and (self.gain_unmeasured or bool(self.undecided))

    @property
    def speed_low(self) -> float:
        """Lower bound of the speed-up; 0 where it was not measured."""
        return self.candidate.latency.speedup.low if self.candidate.latency else 0.0


def find_baseline(candidates: Iterable[Candidate]) -> Candidate:
    """The baseline's row, wherever it stands.

    Raises:
        ValueError: There is none.
    """
    for candidate in candidates:
        if candidate.id == BASELINE_ID:
            return candidate
    raise ValueError("the candidates do not include the baseline")


def meets_target(latency: Latency | None, policy: Policy) -> bool:
    """Whether a latency is known to be within the policy's target; False if none was set."""
    if latency is None or policy.latency_target_ms is None:
        return False
    return target_figure(latency)[1] <= policy.latency_target_ms


def speed_counts(baseline: Candidate, policy: Policy) -> bool:
    """Whether a speed-up is a reason: the team asks for it and the target is not yet met."""
    return "speed" in policy.gains and not meets_target(baseline.latency, policy)


def assess(
    candidate: Candidate, baseline: Candidate, policy: Policy, accuracy: Accuracy | None
) -> Assessment:
    """Holds a candidate's measurement against the policy.

    A speed gain is a speed-up whose lower bound is above the policy's smallest, with a p99 not
    worse than allowed. A size gain is a large enough part of the file gone, without becoming
    slower: p99 and the lower bound of the speed-up within the policy's tolerance for p99, or
    the latency target met. FP16, whose place is on other machines, must only not be shown to
    be slower.

    Either is *undecided* where the ratio itself is above the limit and its lower bound is not:
    a narrower interval would show it, if the ratio stays.

    Args:
        candidate: A row that is not the baseline and did not fail.
        baseline: The baseline's row.
        policy: What the team asks for.
        accuracy: The candidate's accuracy that counts here.
    """
    latency = candidate.latency
    p99_worse = (
        latency is not None
        and latency.p99_ratio is not None
        and latency.p99_ratio.ratio < 1 / policy.max_p99_ratio
    )
    reduction = None
    if candidate.size_bytes is not None and baseline.size_bytes:
        reduction = 1 - candidate.size_bytes / baseline.size_bytes
    keeps_up = latency is not None and _keeps_up(candidate, latency, policy, p99_worse=p99_worse)
    wants_speed = speed_counts(baseline, policy)
    wants_size = "size" in policy.gains and (
        reduction is None or reduction >= policy.min_size_reduction
    )
    limits: dict[Gain, float] = {}
    gain: Gain | None = None
    if latency is not None:
        if wants_speed and not p99_worse:
            limits["speed"] = policy.min_speedup
        if wants_size and reduction is not None and not keeps_up and not p99_worse:
            limits["size"] = 1 / policy.max_p99_ratio
        if wants_speed and latency.speedup.low > policy.min_speedup and not p99_worse:
            gain, limits = "speed", {}
        elif wants_size and reduction is not None and keeps_up:
            gain = "size"
    return Assessment(
        candidate=candidate,
        accuracy=accuracy,
        standing=_standing(candidate, accuracy, policy),
        gain=gain,
        gain_unmeasured=gain is None
        and ((latency is None and wants_speed) or (wants_size and None in (latency, reduction))),
        undecided=_straddled(limits, latency.speedup) if latency is not None else {},
        size_reduction=reduction,
        keeps_up=keeps_up,
        p99_worse=p99_worse,
    )


def _keeps_up(candidate: Candidate, latency: Latency, policy: Policy, *, p99_worse: bool) -> bool:
    if meets_target(latency, policy):
        return True
    slowest = 1 / policy.max_p99_ratio
    if candidate.recipe.method == "float16":
        return latency.speedup.high >= slowest
    return latency.speedup.low >= slowest and not p99_worse


def _straddled(limits: Mapping[Gain, float], speedup: Ratio) -> dict[Gain, float]:
    return {gain: limit for gain, limit in limits.items() if speedup.low <= limit < speedup.ratio}


def _standing(candidate: Candidate, accuracy: Accuracy | None, policy: Policy) -> Standing:
    if candidate.status != "measured":
        return "failed"
    if accuracy is None:
        return "open"
    if accuracy.gate == "fail":
        return "failed"
    limit = policy.max_drop_points
    confirmed = accuracy.split != "search"
    if accuracy.gate == "pass":
        if not confirmed:
            return "passed"
        # The gate passed, so the candidate's own drop is within the threshold.
        above = any(draw.value > limit for draw in candidate.calibration_draws)
        return "unsteady" if above else "proven"
    return "open" if confirmed or accuracy.drop_points.value <= limit else "unlikely"

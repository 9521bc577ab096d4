"""What one candidate's measurement says under a policy: its gain, and where its accuracy stands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from core.decision.explain import target_figure
from core.records import Accuracy, Candidate, Gain, Latency, Policy

BASELINE_ID = "baseline"

Standing = Literal["proven", "passed", "open", "unlikely", "failed"]
"""Of a candidate's accuracy.

``proven``: the gate passed on confirm. ``passed``: it passed on search, and was not confirmed.
``open``: undecided on confirm; or unmeasured; or undecided on search with an observed drop
within the threshold. ``unlikely``: undecided on search, with an observed drop above the
threshold. ``failed``: the gate failed, or the candidate was rejected.
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
    size_reduction: float | None
    """Part of the baseline's file that goes, 0 to 1; negative where the file grows."""
    p99_worse: bool
    """Whether its p99 is above what the policy allows, against the baseline's."""

    @property
    def is_fp16(self) -> bool:
        """Whether it is FP16, which on a CPU is a fallback for size."""
        return self.candidate.recipe.method == "float16"

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

    Args:
        candidate: A row that is not the baseline and did not fail.
        baseline: The baseline's row.
        policy: What the team asks for.
        accuracy: The candidate's accuracy that counts here, on confirm or search.
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
    wants_speed = speed_counts(baseline, policy)
    wants_size = "size" in policy.gains and (
        reduction is None or reduction >= policy.min_size_reduction
    )
    gain: Gain | None = None
    if latency is not None:
        speedup = latency.speedup
        if candidate.recipe.method == "float16":
            slower = speedup.high < 1 / policy.max_p99_ratio
        else:
            slower = speedup.low < 1 / policy.max_p99_ratio or p99_worse
        keeps_up = not slower or meets_target(latency, policy)
        if wants_speed and speedup.low > policy.min_speedup and not p99_worse:
            gain = "speed"
        elif wants_size and reduction is not None and keeps_up:
            gain = "size"
    return Assessment(
        candidate=candidate,
        accuracy=accuracy,
        standing=_standing(candidate, accuracy, policy),
        gain=gain,
        gain_unmeasured=gain is None
        and ((latency is None and wants_speed) or (wants_size and None in (latency, reduction))),
        size_reduction=reduction,
        p99_worse=p99_worse,
    )


def _standing(candidate: Candidate, accuracy: Accuracy | None, policy: Policy) -> Standing:
    if candidate.status != "measured":
        return "failed"
    if accuracy is None:
        return "open"
    if accuracy.gate == "fail":
        return "failed"
    confirmed = accuracy.split == "confirm"
    if accuracy.gate == "pass":
        return "proven" if confirmed else "passed"
    within = accuracy.drop_points.value <= policy.max_drop_points
    return "open" if confirmed or within else "unlikely"

"""One gate for several candidates on the same samples, where the confirm split is too small.

Usually one candidate is chosen on the search split and gated on the confirm split, which knows
nothing of the choice. Where that split alone can prove nothing, all candidates are gated at
once on both together instead: nobody is chosen beforehand, and Holm's steps keep the
probability of passing any candidate that drops more than the threshold at ``1 - confidence``.

The bounds rule, and no p-value beside them: with ``m`` candidates left, the one with the
smallest upper bound at confidence ``1 - (1 - confidence) / m`` passes if that bound is at most
the threshold, and then ``m - 1`` are left. Those left when none passes are bounded at the level
of that last step. So each gate is what its own bound says. Holm's proof needs bounds that only
widen with the confidence, and those of :mod:`core.accuracy.bounds`, which order the outcomes
anew for each, now and then do not: each step takes the widest of its own and those after it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from numpy.typing import ArrayLike

from core.accuracy.holm import step_confidence
from core.accuracy.paired import bound_and_gate, count_flips, paired_accuracy
from core.accuracy.planner import least_samples
from core.accuracy.predict import Predictions
from core.records import Accuracy, Estimate, Gate, Policy, Splits


class HolmStep(NamedTuple):
    """What one candidate is held to, and what is found of it."""

    confidence: float
    drop_points: Estimate
    gate: Gate


def shares_samples(splits: Splits, policy: Policy, candidates: int) -> bool:
    """Whether candidates are to be gated on search and confirm together.

    Args:
        splits: Sizes of the splits.
        policy: Its largest drop and its confidence are read.
        candidates: How many were made, also those that did badly on search: to leave them out
            would be a choice on the samples that the gate rests on.

    Returns:
        True where the confirm split cannot prove the threshold even if no answer changes, and
        both splits can at the confidence of Holm's first step.
    """
    if candidates < 1:
        return False
    threshold, confidence = policy.max_drop_points, policy.confidence
    steps = (
        least_samples(threshold, step_confidence(confidence, left))
        for left in range(1, candidates + 1)
    )
    alone, *others = (math.inf if least is None else least for least in steps)
    return splits.confirm < alone and splits.search + splits.confirm >= max(alone, *others, 0)


def gate_together(
    labels: ArrayLike,
    baseline: Predictions,
    candidates: Mapping[str, Predictions],
    *,
    threshold_points: float,
    confidence: float,
    made: int | None = None,
) -> dict[str, Accuracy]:
    """Compares several candidates with the baseline on search and confirm samples together.

    Args:
        labels: True classes of search, then confirm; shape ``(samples,)``, at least one.
        baseline: The baseline's answers, in the same order.
        candidates: Each candidate's answers.
        threshold_points: The largest drop that the policy allows.
        confidence: That no candidate passes wrongly, such as 0.95.
        made: How many candidates were made: those that did too badly on search to be given
            here never pass, but count for the correction. None: no more than are given.

    Returns:
        By candidate, in the order given; the bounds of each are at the confidence of its step,
        which it carries.

    Raises:
        ValueError: The numbers of samples differ, or there is none.
    """
    flips = {
        name: count_flips(labels, baseline.classes, answers.classes)
        for name, answers in candidates.items()
    }
    samples = len(baseline.classes)
    steps = holm_steps(flips, samples, threshold_points, confidence, made)
    return {
        name: replace(
            paired_accuracy(
                labels,
                baseline.classes,
                answers.classes,
                split="search+confirm",
                threshold_points=threshold_points,
                confidence=steps[name].confidence,
                baseline_ranks=baseline.ranks,
                ranks=answers.ranks,
            ),
            drop_points=steps[name].drop_points,
            gate=steps[name].gate,
        )
        for name, answers in candidates.items()
    }


def holm_steps(
    flips: Mapping[str, tuple[int, int]],
    samples: int,
    threshold_points: float,
    confidence: float,
    made: int | None = None,
) -> dict[str, HolmStep]:
    """Where each candidate ends, from its flips alone.

    Args:
        flips: By candidate: right to wrong, and wrong to right.
        samples: That all of them answered.
        threshold_points: The largest drop allowed.
        confidence: That no candidate passes wrongly.
        made: As for :func:`gate_together`.
    """
    left = dict(flips)
    never = max((made or 0) - len(left), 0)
    steps: dict[str, HolmStep] = {}
    while left:
        found = {
            name: _at_step(counts, samples, threshold_points, confidence, len(left) + never)
            for name, counts in left.items()
        }
        best = min(found, key=lambda name: found[name].drop_points.high)
        if found[best].gate != "pass":
            return steps | found
        steps[best] = found[best]
        del left[best]
    return steps


def _at_step(
    flips: tuple[int, int], samples: int, threshold_points: float, confidence: float, left: int
) -> HolmStep:
    levels = [step_confidence(confidence, later) for later in range(1, left + 1)]
    found = [bound_and_gate(*flips, samples, threshold_points, level) for level in levels]
    gates = {gate for _, gate in found}
    return HolmStep(
        levels[-1],
        Estimate(
            value=found[-1][0].value,
            low=min(drop.low for drop, _ in found),
            high=max(drop.high for drop, _ in found),
        ),
        gates.pop() if len(gates) == 1 else "undecided",
    )

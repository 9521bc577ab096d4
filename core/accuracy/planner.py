"""How many samples a gate needs: before the run from the policy, after it from the flips.

Only the samples of the confirm split count for the gate; what that means for the whole dataset
is in :class:`core.records.SamplePlan`. Shares of confirm samples are assumed to stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import ceil, log, log1p, sqrt
from statistics import NormalDist

from core.accuracy.bounds import drop_upper, passing_outcomes, probability
from core.protocol import round_up
from core.records import Accuracy, Candidate, Policy, SamplePlan, Splits

EXPECTED_FLIP_RATE = 0.02
"""Answers that change between right and wrong, before anything is known of the candidate."""

_EXACT_UP_TO = 6_000
"""Confirm samples; beyond, the normal approximation is within 2% of the exact count."""


def plan_samples(
    splits: Splits,
    policy: Policy,
    flip_rate: float = EXPECTED_FLIP_RATE,
    flips_seen_on: int = 0,
) -> SamplePlan:
    """Says what a dataset with these splits can prove under a policy.

    Args:
        splits: Sizes of the splits; at least one confirm sample.
        policy: Its largest drop and its confidence are read.
        flip_rate: Share of answers expected to change between right and wrong.
        flips_seen_on: Samples on which that share was observed; 0: it is assumed.
    """
    threshold, confidence = policy.max_drop_points, policy.confidence
    likely, very_likely = (
        samples_for_power(threshold, confidence, power=power, flip_rate=flip_rate)
        for power in (0.8, 0.9)
    )
    return SamplePlan(
        samples=splits.samples,
        confirm_samples=splits.confirm,
        threshold_points=threshold,
        provable_points=smallest_provable_drop(splits.confirm, confidence),
        least_confirm_samples=least_samples(threshold, confidence),
        flip_rate=flip_rate,
        flips_seen_on=flips_seen_on,
        likely_confirm_samples=likely,
        likely_samples=_of_dataset(likely, splits),
        very_likely_confirm_samples=very_likely,
        very_likely_samples=_of_dataset(very_likely, splits),
    )


def observed_plan(splits: Splits, policy: Policy, accuracy: Accuracy) -> SamplePlan:
    """What :func:`plan_samples` says once a candidate has shown how many answers change.

    Args:
        splits: Sizes of the splits; at least one confirm sample.
        policy: Its largest drop and its confidence are read.
        accuracy: Of the candidate, on whichever samples; only its flips are read, not whether
            they are for the better.
    """
    return plan_samples(splits, policy, _flip_rate(accuracy), accuracy.samples)


@lru_cache(maxsize=1024)
def least_samples(threshold_points: float, confidence: float) -> int | None:
    """The fewest samples that prove a threshold with no flip at all; None where none can."""
    share = threshold_points / 100
    if share <= 0:
        return None
    if share >= 1:
        return 1
    low = ceil(log(1 - confidence) / log1p(-share) - 1e-9) - 1
    high = low + 1
    # That is the exact binomial count. At a confidence of 99% the gate's ordering of the
    # outcomes asks for more.
    while drop_upper(0, 0, high, confidence) > share:
        low, high = high, ceil(high * 1.1)
    while high - low > 1:
        middle = (low + high) // 2
        proves = drop_upper(0, 0, middle, confidence) <= share
        low, high = (low, middle) if proves else (middle, high)
    return high


def smallest_provable_drop(samples: int, confidence: float) -> float:
    """The smallest drop in points that this many samples can exclude, with no flip at all."""
    return 100 * drop_upper(0, 0, samples, confidence)


def gate_power(
    samples: int,
    threshold_points: float,
    confidence: float,
    flip_rate: float,
    drop_points: float = 0.0,
) -> float:
    """Probability that a candidate passes the gate, exact.

    Args:
        samples: Confirm samples.
        threshold_points: The largest drop allowed.
        confidence: Of the one-sided bound.
        flip_rate: True share of answers that change between right and wrong, both directions.
        drop_points: True drop.
    """
    drop = drop_points / 100
    flips = max(flip_rate, abs(drop))
    outcomes = passing_outcomes(threshold_points / 100, samples, confidence)
    return float(probability(outcomes, samples, (flips + drop) / 2, (flips - drop) / 2)[0])


@lru_cache(maxsize=1024)
def samples_for_power(
    threshold_points: float,
    confidence: float,
    *,
    power: float,
    flip_rate: float,
    drop_points: float = 0.0,
) -> int | None:
    """Confirm samples with which a candidate passes the gate with probability ``power``.

    The normal approximation ``n = flips * ((z_confidence + z_power) / (threshold - drop))**2``
    is the start; the exact power of the gate decides.

    Args:
        threshold_points: The largest drop allowed.
        confidence: Of the one-sided bound.
        power: Such as 0.8.
        flip_rate: True share of answers that change between right and wrong.
        drop_points: True drop.

    Returns:
        Rounded up to about 1%; None where the true drop is not below the threshold.
    """
    room = (threshold_points - drop_points) / 100
    if room <= 0:
        return None
    flips = max(flip_rate, abs(drop_points) / 100)
    variance = max(flips - (drop_points / 100) ** 2, 0.0)
    z = NormalDist().inv_cdf(confidence) + NormalDist().inv_cdf(power)
    first = variance * (z / room) ** 2
    least = least_samples(threshold_points, confidence) or 1
    if first > _EXACT_UP_TO:
        return round_up(ceil(first))

    def enough(samples: int) -> bool:
        found = gate_power(samples, threshold_points, confidence, flip_rate, drop_points)
        return found >= power

    low, high = least, max(ceil(first), least)
    if enough(low):
        return round_up(low) if low > least else least
    while not enough(high):
        low, high = high, ceil(high * 1.15)
    while high > 1.01 * low + 1:
        middle = round(sqrt(low * high))
        low, high = (low, middle) if enough(middle) else (middle, high)
    return round_up(high)


def samples_needed(candidates: Iterable[Candidate], policy: Policy) -> dict[str, int]:
    """Confirm samples at which each undecided candidate would pass in 80% of evaluations.

    Args:
        candidates: Those whose gate is undecided are planned for, from the flips observed.
        policy: Its largest drop and its confidence are read.

    Returns:
        By candidate; without those whose observed drop is at or above the threshold, as more
        samples would rather show that they fail.
    """
    needed = {}
    for candidate in candidates:
        accuracy = candidate.accuracy
        if accuracy is not None and accuracy.gate == "undecided":
            samples = _needed(accuracy, policy)
            if samples is not None:
                needed[candidate.id] = samples
    return needed


def _needed(accuracy: Accuracy, policy: Policy) -> int | None:
    # An observed gain may be luck, and to plan on it would promise too much.
    samples = samples_for_power(
        policy.max_drop_points,
        policy.confidence,
        power=0.8,
        flip_rate=_flip_rate(accuracy),
        drop_points=max(accuracy.drop_points.value, 0.0),
    )
    return None if samples is None else max(samples, accuracy.samples + 1)


def _flip_rate(accuracy: Accuracy) -> float:
    """The observed one with half a flip more: none seen does not mean that there are none."""
    return (accuracy.right_to_wrong + accuracy.wrong_to_right + 0.5) / (accuracy.samples + 1)


def _of_dataset(confirm_samples: int | None, splits: Splits) -> int | None:
    """The dataset whose confirm split has so many samples, its shares as they are."""
    if confirm_samples is None:
        return None
    return round_up(ceil(confirm_samples * splits.samples / splits.confirm))

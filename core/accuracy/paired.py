"""Accuracy of the baseline and of a candidate on the same samples, and the gate on its drop."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.accuracy.bounds import drop_lower, drop_upper
from core.accuracy.planner import least_samples
from core.records import Accuracy, Estimate, Gate, SplitName

METRIC: Literal["accuracy"] = "accuracy"


def paired_accuracy(
    labels: ArrayLike,
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    split: SplitName,
    threshold_points: float,
    confidence: float,
) -> Accuracy:
    """Compares a candidate's answers with the baseline's on the same samples.

    Args:
        labels: True classes, shape ``(samples,)``, at least one.
        baseline: The baseline's classes, shape ``(samples,)``.
        candidate: The candidate's classes, shape ``(samples,)``.
        split: Where the samples are from.
        threshold_points: The largest drop that the policy allows.
        confidence: Of each one-sided bound, such as 0.95.

    Returns:
        The accuracy with its gate. ``pass``: the upper bound of the drop is at most the
        threshold, and there are as many samples as could prove it with no flip at all;
        ``fail``: the lower bound is above it; otherwise ``undecided``. The ends of
        ``drop_points`` are these bounds: a two-sided interval at ``2 * confidence - 1``.

    Raises:
        ValueError: The shapes differ, or there is no sample.
    """
    truth, before, after = _same_length(labels, baseline, candidate)
    was_right, is_right = before == truth, after == truth
    lost = int(np.sum(was_right & ~is_right))
    won = int(np.sum(~was_right & is_right))
    samples = len(truth)
    drop = Estimate(
        value=100 * (lost - won) / samples,
        low=100 * drop_lower(lost, won, samples, confidence),
        high=100 * drop_upper(lost, won, samples, confidence),
    )
    gate = gate_of(drop, threshold_points)
    # A lucky gain can pull the bound below the threshold on samples that could not have proven
    # it had no answer changed: what was said before the run holds after it.
    least = least_samples(threshold_points, confidence)
    too_few = least is None or samples < least
    return Accuracy(
        metric=METRIC,
        split=split,
        samples=samples,
        value=float(is_right.mean()),
        drop_points=drop,
        gate="undecided" if too_few and gate == "pass" else gate,
        agreement=float((before == after).mean()),
        right_to_wrong=lost,
        wrong_to_right=won,
        mcnemar_p=mcnemar_exact(lost, won),
    )


def baseline_accuracy(labels: ArrayLike, baseline: ArrayLike, *, split: SplitName) -> Accuracy:
    """The baseline's own accuracy: against itself nothing drops, so there is nothing to gate.

    Args:
        labels: True classes, shape ``(samples,)``, at least one.
        baseline: The baseline's classes, shape ``(samples,)``.
        split: Where the samples are from.

    Raises:
        ValueError: The shapes differ, or there is no sample.
    """
    truth, answers = _same_length(labels, baseline)
    return Accuracy(
        metric=METRIC,
        split=split,
        samples=len(truth),
        value=float((answers == truth).mean()),
        drop_points=Estimate(value=0.0, low=0.0, high=0.0),
        gate="pass",
        agreement=1.0,
        right_to_wrong=0,
        wrong_to_right=0,
        mcnemar_p=None,
    )


def gate_of(drop_points: Estimate, threshold_points: float) -> Gate:
    """The gate: what the bounds of a drop say about the largest drop allowed."""
    if drop_points.high <= threshold_points:
        return "pass"
    if drop_points.low > threshold_points:
        return "fail"
    return "undecided"


def mcnemar_exact(right_to_wrong: int, wrong_to_right: int) -> float:
    """Two-sided exact p-value that flips in both directions are equally likely.

    Source: McNemar Q (1947), Psychometrika 12:153-157, with the binomial distribution.
    """
    from scipy.special import bdtr

    flips = right_to_wrong + wrong_to_right
    return min(1.0, 2 * float(bdtr(min(right_to_wrong, wrong_to_right), flips, 0.5)))


def _same_length(*columns: ArrayLike) -> tuple[NDArray[np.int64], ...]:
    arrays = tuple(np.asarray(column, dtype=np.int64) for column in columns)
    if not arrays[0].size or any(array.shape != arrays[0].shape for array in arrays):
        raise ValueError(f"need the same number of labels and answers: {[a.shape for a in arrays]}")
    return arrays

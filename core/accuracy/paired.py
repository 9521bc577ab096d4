"""Accuracy of the baseline and of a candidate on the same samples, and the gate on its drop."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.accuracy.bounds import drop_lower, drop_upper
from core.accuracy.classes import baseline_classes, paired_classes
from core.accuracy.metrics import baseline_metrics, paired_metrics
from core.accuracy.planner import least_samples
from core.records import Accuracy, Estimate, Gate, GatedOn

METRIC: Literal["accuracy"] = "accuracy"


def paired_accuracy(
    labels: ArrayLike,
    baseline: ArrayLike,
    candidate: ArrayLike,
    *,
    split: GatedOn,
    threshold_points: float,
    confidence: float,
    baseline_ranks: ArrayLike | None = None,
    ranks: ArrayLike | None = None,
) -> Accuracy:
    """Compares a candidate's answers with the baseline's on the same samples.

    Args:
        labels: True classes, shape ``(samples,)``, at least one.
        baseline: The baseline's classes, shape ``(samples,)``.
        candidate: The candidate's classes, shape ``(samples,)``.
        split: Where the samples are from.
        threshold_points: The largest drop that the policy allows.
        confidence: Of each one-sided bound, such as 0.95.
        baseline_ranks: Of the true classes among the baseline's scores, 0 the highest, shape
            ``(samples,)``; see :class:`core.accuracy.predict.Predictions`.
        ranks: The same among the candidate's scores; top-5 accuracy needs both.

    Returns:
        The accuracy with its gate. ``pass``: the upper bound of the drop is at most the
        threshold, and there are as many samples as could prove it with no flip at all;
        ``fail``: the lower bound is above it; otherwise ``undecided``. The ends of
        ``drop_points`` are these bounds: a two-sided interval at ``2 * confidence - 1``.

    Raises:
        ValueError: The shapes differ, or there is no sample.
    """
    truth, before, after = _same_length(labels, baseline, candidate)
    lost, won = count_flips(truth, before, after)
    samples, mistakes = len(truth), int(np.sum(before != truth))
    drop, gate = bound_and_gate(lost, won, samples, threshold_points, confidence)
    return Accuracy(
        metric=METRIC,
        split=split,
        samples=samples,
        value=float((after == truth).mean()),
        drop_points=drop,
        confidence=confidence,
        gate=gate,
        agreement=float((before == after).mean()),
        right_to_wrong=lost,
        wrong_to_right=won,
        mcnemar_p=mcnemar_exact(lost, won),
        error_ratio=(mistakes + lost - won) / mistakes if mistakes else None,
        metrics=paired_metrics(
            truth,
            before,
            after,
            confidence=confidence,
            baseline_ranks=baseline_ranks,
            ranks=ranks,
        ),
        classes=paired_classes(truth, before, after),
    )


def baseline_accuracy(
    labels: ArrayLike,
    baseline: ArrayLike,
    *,
    split: GatedOn,
    ranks: ArrayLike | None = None,
) -> Accuracy:
    """The baseline's own accuracy: against itself nothing drops, so there is nothing to gate.

    Args:
        labels: True classes, shape ``(samples,)``, at least one.
        baseline: The baseline's classes, shape ``(samples,)``.
        split: Where the samples are from.
        ranks: Of the true classes among its scores; see :func:`paired_accuracy`.

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
        metrics=baseline_metrics(truth, answers, ranks),
        classes=baseline_classes(truth, answers),
    )


def count_flips(labels: ArrayLike, baseline: ArrayLike, candidate: ArrayLike) -> tuple[int, int]:
    """How many answers go from right to wrong, and how many from wrong to right.

    Raises:
        ValueError: The shapes differ, or there is no sample.
    """
    truth, before, after = _same_length(labels, baseline, candidate)
    was_right, is_right = before == truth, after == truth
    return int(np.sum(was_right & ~is_right)), int(np.sum(~was_right & is_right))


def bound_and_gate(
    right_to_wrong: int,
    wrong_to_right: int,
    samples: int,
    threshold_points: float,
    confidence: float,
) -> tuple[Estimate, Gate]:
    """The drop in points with its bounds, and the gate; see :func:`paired_accuracy`.

    Args:
        right_to_wrong: Samples that only the baseline answers rightly.
        wrong_to_right: Samples that only the candidate answers rightly.
        samples: Samples that both answered, at least one.
        threshold_points: The largest drop allowed.
        confidence: Of each one-sided bound.
    """
    drop = Estimate(
        value=100 * (right_to_wrong - wrong_to_right) / samples,
        low=100 * drop_lower(right_to_wrong, wrong_to_right, samples, confidence),
        high=100 * drop_upper(right_to_wrong, wrong_to_right, samples, confidence),
    )
    gate = gate_of(drop, threshold_points)
    # A lucky gain can pull the bound below the threshold on samples that could not have proven
    # it had no answer changed: what was said before the run holds after it.
    least = least_samples(threshold_points, confidence)
    too_few = least is None or samples < least
    return drop, "undecided" if too_few and gate == "pass" else gate


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

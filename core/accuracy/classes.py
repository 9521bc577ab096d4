"""Which classes pay for a drop: accuracy and flips class by class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.accuracy.holm import adjust
from core.records import ClassAccuracy

Integers = NDArray[np.int64]


def baseline_classes(labels: Integers, baseline: Integers) -> tuple[ClassAccuracy, ...]:
    """The baseline's accuracy on each class that has samples.

    Args:
        labels: True classes, shape ``(samples,)``.
        baseline: The baseline's classes, shape ``(samples,)``.

    Returns:
        In the order of the classes; nothing flips, and there is nothing to test.
    """
    return _rows(labels, baseline, baseline, tested=False)


def paired_classes(
    labels: Integers, baseline: Integers, candidate: Integers
) -> tuple[ClassAccuracy, ...]:
    """A candidate's accuracy on each class that has samples, and its flips there.

    Args:
        labels: True classes, shape ``(samples,)``.
        baseline: The baseline's classes, shape ``(samples,)``.
        candidate: The candidate's classes, shape ``(samples,)``.

    Returns:
        In the order of the classes. ``p_holm`` is that of the exact one-sided McNemar test: as
        many flips to wrong if flips in both directions were equally likely.
    """
    return _rows(labels, baseline, candidate, tested=True)


def _rows(
    labels: Integers, baseline: Integers, candidate: Integers, *, tested: bool
) -> tuple[ClassAccuracy, ...]:
    from scipy.special import bdtrc

    names, at = np.unique(labels, return_inverse=True)
    was_right, is_right = baseline == labels, candidate == labels

    def count(chosen: NDArray[np.bool_]) -> Integers:
        return np.bincount(at[chosen], minlength=len(names))

    samples, right = np.bincount(at), count(is_right)
    lost, won = count(was_right & ~is_right), count(~was_right & is_right)
    p_values = np.where(
        lost == 0, 1.0, bdtrc(np.maximum(lost - 1, 0), np.maximum(lost + won, 1), 0.5)
    )
    p_holm = adjust(p_values.tolist()) if tested else (None,) * len(names)
    return tuple(
        ClassAccuracy(
            label=int(names[i]),
            samples=int(samples[i]),
            value=float(right[i] / samples[i]),
            right_to_wrong=int(lost[i]),
            wrong_to_right=int(won[i]),
            p_holm=p_holm[i],
        )
        for i in range(len(names))
    )

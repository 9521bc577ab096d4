"""Balanced accuracy, macro-F1 and top-5 accuracy beside accuracy; shown, never the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.accuracy.bootstrap import Counts, Floats, Integers, bootstrap_interval
from core.accuracy.bounds import drop_lower, drop_upper
from core.records import Estimate, Metric, MetricName

Bools = NDArray[np.bool_]

TOP = 5
"""How many of a model's answers count for top-5 accuracy."""

_ELSEWHERE = -1
"""An answer that counts for no class."""


@dataclass(frozen=True, slots=True)
class _ClassMean:
    """A score that is the mean over classes of one count of samples over another.

    Both are sparse matrices, shape ``(classes, cells)``, that add up the samples in each cell.
    Classes without any do not count.
    """

    part: Any
    whole: Any

    def __call__(self, counts: Counts) -> Floats:
        """From counts, shape ``(k, cells)``, to scores, shape ``(k,)``."""
        whole = self.whole @ counts.T
        occurs = whole > 0
        shares = (self.part @ counts.T) / np.where(occurs, whole, 1)
        return np.asarray(shares.sum(axis=0) / np.maximum(occurs.sum(axis=0), 1))


@dataclass(frozen=True, slots=True)
class _Cells:
    """The different samples that there are, and the flips that there may be; each ``(cells,)``.

    None seen does not mean that there are none, and a class of few samples shows the fewest and
    weighs the most: it gets half a flip in each direction. Fay and Feuer (1997, Statistics in
    Medicine 16:791-801) bound weighted sums of counts by one more of the largest weight.
    """

    label: Integers
    before: Integers
    after: Integers
    counts: Integers
    unseen: Floats


def baseline_metrics(
    labels: Integers, baseline: Integers, ranks: ArrayLike | None = None
) -> tuple[Metric, ...]:
    """The baseline's own metrics, without a drop.

    Args:
        labels: True classes, shape ``(samples,)``.
        baseline: The baseline's classes, shape ``(samples,)``.
        ranks: Of the true classes among its scores, 0 the highest; None: there is no top-5.
    """
    own = paired_metrics(
        labels, baseline, baseline, confidence=0.95, baseline_ranks=ranks, ranks=ranks
    )
    return tuple(Metric(metric=each.metric, value=each.value, drop_points=None) for each in own)


def paired_metrics(
    labels: Integers,
    baseline: Integers,
    candidate: Integers,
    *,
    confidence: float,
    baseline_ranks: ArrayLike | None = None,
    ranks: ArrayLike | None = None,
) -> tuple[Metric, ...]:
    """A candidate's metrics, and how much each drops.

    Balanced accuracy is the mean recall of the classes that have samples, macro-F1 the mean F1
    of those that occur as label or as answer. Their drops are bounded by the paired bootstrap,
    which knows only changes that it has seen: where no sample shows one, they have no drop.
    Top-5 accuracy is a share of samples as accuracy is, and its drop always has its bounds.

    Args:
        labels: True classes, shape ``(samples,)``.
        baseline: The baseline's classes, shape ``(samples,)``.
        candidate: The candidate's classes, shape ``(samples,)``.
        confidence: Of each end of a drop, one-sided, such as 0.95.
        baseline_ranks: Of the true classes among the baseline's scores, 0 the highest.
        ranks: The same among the candidate's scores; None for either: there is no top-5.
    """
    names, positions = np.unique([labels, baseline, candidate], return_inverse=True)
    label, before, after = positions.reshape(3, -1)
    metrics = [
        _balanced_accuracy(label, before, after, len(names), confidence),
        _macro_f1(label, before, after, len(names), confidence),
    ]
    if baseline_ranks is not None and ranks is not None:
        was_in, is_in = np.asarray(baseline_ranks) < TOP, np.asarray(ranks) < TOP
        metrics.append(_top5_accuracy(was_in, is_in, confidence))
    return tuple(metrics)


def _balanced_accuracy(
    labels: Integers, baseline: Integers, candidate: Integers, classes: int, confidence: float
) -> Metric:
    # Which wrong answer it is does not matter here, and fewer cells are faster.
    before, after = (np.where(a == labels, a, _ELSEWHERE) for a in (baseline, candidate))
    cells = _find_cells(labels, before, after)

    def recall(answer: Integers) -> _ClassMean:
        right = _by_class(cells.label, classes, cells.label == answer)
        return _ClassMean(right, _by_class(cells.label, classes))

    return _bootstrapped(
        "balanced_accuracy", recall(cells.before), recall(cells.after), cells, confidence
    )


def _macro_f1(
    labels: Integers, baseline: Integers, candidate: Integers, classes: int, confidence: float
) -> Metric:
    cells = _find_cells(labels, baseline, candidate)

    def f1(answer: Integers) -> _ClassMean:
        right = _by_class(cells.label, classes, cells.label == answer)
        return _ClassMean(2 * right, _by_class(cells.label, classes) + _by_class(answer, classes))

    return _bootstrapped("macro_f1", f1(cells.before), f1(cells.after), cells, confidence)


def _top5_accuracy(was_in: Bools, is_in: Bools, confidence: float) -> Metric:
    lost, won, samples = int((was_in & ~is_in).sum()), int((~was_in & is_in).sum()), len(is_in)
    return Metric(
        metric="top5_accuracy",
        value=float(is_in.mean()),
        drop_points=Estimate(
            value=100 * (lost - won) / samples,
            low=100 * drop_lower(lost, won, samples, confidence),
            high=100 * drop_upper(lost, won, samples, confidence),
        ),
    )


def _bootstrapped(
    name: MetricName, before: _ClassMean, after: _ClassMean, cells: _Cells, confidence: float
) -> Metric:
    value = float(after(cells.counts[None])[0])
    if (cells.before == cells.after)[cells.counts > 0].all():
        return Metric(metric=name, value=value, drop_points=None)
    drop = float(before(cells.counts[None])[0]) - value
    low, high = bootstrap_interval(
        lambda counts: before(counts) - after(counts), cells.counts, cells.unseen, confidence
    )
    return Metric(
        metric=name,
        value=value,
        drop_points=Estimate(
            value=100 * drop, low=100 * min(low, drop), high=100 * max(high, drop)
        ),
    )


def _find_cells(labels: Integers, before: Integers, after: Integers) -> _Cells:
    seen, counts = np.unique(np.stack([labels, before, after]), axis=1, return_counts=True)
    classes, samples = np.unique(labels, return_counts=True)
    rarest = classes[samples.argmin()]
    flips = [[rarest, rarest], [rarest, _ELSEWHERE], [_ELSEWHERE, rarest]]
    label, was, is_now = np.hstack([seen, flips])
    return _Cells(
        label=label,
        before=was,
        after=is_now,
        counts=np.append(counts, [0, 0]),
        unseen=np.append(np.zeros(len(counts)), [0.5, 0.5]),
    )


def _by_class(names: Integers, classes: int, chosen: ArrayLike = True) -> Any:
    """The sparse matrix that adds up the chosen cells of each class."""
    from scipy.sparse import csr_array

    values = np.logical_and(chosen, names != _ELSEWHERE).astype(np.int64)
    positions = np.maximum(names, 0), np.arange(len(names))
    return csr_array((values, positions), shape=(classes, len(names)))

"""Paired bootstrap, for what has no interval of its own.

A sample counts only through what it is, its true class and both models' answers: drawing
samples with replacement is drawing how often each such cell occurs from a multinomial
distribution, which takes a fraction of the time.

References:
    Efron B (1987). Better bootstrap confidence intervals. Journal of the American Statistical
    Association 82:171-185.
    Efron B, Tibshirani RJ (1993). An introduction to the bootstrap, chapters 13 and 14.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

_MOST_RESAMPLES = 9_999
_LEAST_RESAMPLES = 999
_DRAWS = 4_000_000
"""Cells times resamples: about half a second."""
_BCA_UP_TO = 1_000
"""Cells: the jackknife's time grows with their square."""
_CHUNK = 500_000
"""Counts held at a time: 4 MB."""
_SEED = 0

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Counts = Integers | Floats
Statistic = Callable[[Counts], Floats]
"""From counts, shape ``(k, cells)``, to values, shape ``(k,)``."""


def bootstrap_interval(
    statistic: Statistic, counts: Integers, unseen: Floats, confidence: float
) -> tuple[float, float]:
    """Interval of a statistic of the samples in each cell; the same each time.

    Resamples differ from what they are drawn from as the samples do from the truth. How far is
    read bias-corrected and accelerated (BCa) where that is defined and there are few enough
    cells for its jackknife, otherwise from percentile to percentile.

    Args:
        statistic: What to bound.
        counts: Samples in each cell, shape ``(cells,)``.
        unseen: What to draw from besides, shape ``(cells,)``, in parts of a sample: a bootstrap
            of the samples alone takes what they do not show for impossible.
        confidence: Of each end, one-sided, such as 0.95.

    Returns:
        Lower and upper end.
    """
    rng = np.random.default_rng(_SEED)
    samples, cells = int(counts.sum()), len(counts)
    rows = max(_CHUNK // cells, 1)
    resamples = min(max(_DRAWS // cells, _LEAST_RESAMPLES), _MOST_RESAMPLES)
    drawn_from = (counts + unseen) * samples / (counts + unseen).sum()
    differences = _values(
        statistic,
        (
            rng.multinomial(samples, drawn_from / samples, size=min(rows, resamples - start))
            for start in range(0, resamples, rows)
        ),
    ) - statistic(drawn_from[None])
    levels = np.array([1 - confidence, confidence])
    if cells <= _BCA_UP_TO:
        seen = np.flatnonzero(counts)
        left_out = _values(
            statistic,
            (
                counts - np.eye(cells, dtype=np.int64)[seen[start : start + rows]]
                for start in range(0, len(seen), rows)
            ),
        )
        corrected = _bca_levels(levels, differences, left_out, counts[seen])
        levels = corrected if np.isfinite(corrected).all() else levels
    low, high = statistic(counts[None]) + np.quantile(differences, levels)
    return float(low), float(high)


def _values(statistic: Statistic, chunks: Iterable[Counts]) -> Floats:
    return np.concatenate([statistic(chunk) for chunk in chunks])


def _bca_levels(levels: Floats, differences: Floats, left_out: Floats, counts: Integers) -> Floats:
    """The percentiles to read instead of ``levels``; not finite where BCa is undefined.

    Args:
        levels: One-sided, shape ``(2,)``.
        differences: Of the resamples from what they were drawn from.
        left_out: The statistic without one sample of each cell, shape ``(cells,)``.
        counts: Samples in each cell: each stands for as many leave-one-out values.
    """
    from scipy.special import ndtr, ndtri

    below = (np.mean(differences < 0) + np.mean(differences <= 0)) / 2
    bias = ndtri(below)
    influence = np.average(left_out, weights=counts) - left_out
    with np.errstate(invalid="ignore", divide="ignore"):
        skew = (counts @ influence**3) / (6 * (counts @ influence**2) ** 1.5)
        shifted = bias + ndtri(levels)
        return np.asarray(ndtr(bias + shifted / (1 - skew * shifted)))

"""One-sided bounds on the drop in accuracy between two models on the same samples.

Of ``n`` samples, ``b`` go from right to wrong and ``c`` from wrong to right; the drop is
``(b - c) / n``. The score interval of Tango (1998) is the standard answer, but a score test
holds its level only on average: with few flips it passes a model that is exactly at the
threshold in up to 6.8% of evaluations instead of 5% (no flip in 268 samples would "prove" one
point). The bounds here keep Tango's ordering of the outcomes and give each the smallest limit
whose error is at most ``1 - confidence`` whatever the true flip rates are (Buehler 1957;
Lloyd and Moldovan 2008). Without flips this is the exact ``1 - (1 - confidence) ** (1 / n)``:
2.95 points for 100 samples, 299 samples for 1 point. With many it is Tango's bound.

References:
    Tango T (1998). Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design. Statistics in Medicine 17:891-908.
    Buehler RJ (1957). Confidence intervals for the product of two binomial parameters.
    Journal of the American Statistical Association 52:482-493.
    Lloyd CJ, Moldovan MV (2008). A more powerful exact test of noninferiority from binary
    matched-pairs data. Statistics in Medicine 27:3540-3549.
"""

from __future__ import annotations

from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

# scipy costs most of a second to import, and a child process that only predicts, which imports
# this package too, does not need it: hence the imports inside the functions.

LARGEST_COMMON_FLIP_RATE = 0.25
"""Bounds hold for every pair of flip rates of which the smaller is at most this.

Above it half of all answers change, and the limit would follow a lattice effect of models
that have nothing in common: 3.4 instead of 2.95 points for 100 samples without a flip.
"""

_ROOT_TOLERANCE = 1e-9
_LIMIT_TOLERANCE = 1e-7
_TIE_TOLERANCE = 1e-7

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def tango_statistic(
    right_to_wrong: ArrayLike, wrong_to_right: ArrayLike, samples: int, drop: float
) -> Floats:
    """Tango's score statistic for the hypothesis that the true drop is ``drop``.

    Args:
        right_to_wrong: Counts ``b``; any shape.
        wrong_to_right: Counts ``c``; broadcast against ``b``.
        samples: Samples ``n`` that both models answered.
        drop: The hypothesis as a share, between -1 and 1.

    Returns:
        Standard normal under the hypothesis, negative where the observed drop is smaller.
    """
    b = np.asarray(right_to_wrong, dtype=np.float64)
    c = np.asarray(wrong_to_right, dtype=np.float64)
    # The maximum-likelihood wrong-to-right rate among those with this drop: the larger root
    # of a q^2 + k q + m = 0.
    a = 2.0 * samples
    k = (2 * samples - b + c) * drop - b - c
    m = -c * drop * (1 - drop)
    rate = np.maximum((np.sqrt(np.maximum(k * k - 4 * a * m, 0.0)) - k) / (2 * a), 0.0)
    variance = samples * np.maximum(2 * rate + drop * (1 - drop), 0.0)
    # Without variance the hypothesis allows no other outcome: the sign says on which side.
    return np.asarray((b - c - samples * drop) / np.sqrt(np.maximum(variance, 1e-30)))


def tango_upper(right_to_wrong: int, wrong_to_right: int, samples: int, confidence: float) -> float:
    """Upper end of Tango's score interval: one-sided at ``confidence``, as a share.

    The two-sided interval at ``1 - 2 * (1 - confidence)`` runs from minus this with the
    counts exchanged to this.
    """
    from scipy.optimize import brentq

    if right_to_wrong == samples:
        return 1.0
    z = NormalDist().inv_cdf(confidence)
    observed = (right_to_wrong - wrong_to_right) / samples
    edge = 1e-12

    def excess(drop: float) -> float:
        return float(tango_statistic(right_to_wrong, wrong_to_right, samples, drop)) + z

    return float(brentq(excess, max(observed, -1 + edge), 1 - edge, xtol=1e-13))


@lru_cache(maxsize=4096)
def drop_upper(right_to_wrong: int, wrong_to_right: int, samples: int, confidence: float) -> float:
    """Upper bound of the drop that is wrong in at most ``1 - confidence`` of evaluations.

    Args:
        right_to_wrong: Samples that only the baseline answers rightly.
        wrong_to_right: Samples that only the candidate answers rightly.
        samples: Samples that both models answered; at least 1.
        confidence: One-sided, such as 0.95.

    Returns:
        A share between -1 and 1; times 100 it is in points.
    """
    from scipy.optimize import brentq

    if right_to_wrong == samples:
        return 1.0
    tango = tango_upper(right_to_wrong, wrong_to_right, samples, confidence)
    outcomes = at_most_as_bad(tango, samples, confidence)
    outcomes[wrong_to_right] = max(outcomes[wrong_to_right], right_to_wrong)

    def excess(drop: float) -> float:
        return largest_probability(outcomes, samples, drop) - (1 - confidence)

    step = 0.02 * abs(tango) + 0.5 / samples
    low = high = tango
    while low > -1 and excess(low) <= 0:
        low, high = max(low - step, -1.0), low
    while high < 1 and excess(high) > 0:
        low, high = high, min(high + step, 1.0)
    if high >= 1:
        return 1.0
    return min(float(brentq(excess, low, high, xtol=_ROOT_TOLERANCE)) + _ROOT_TOLERANCE, 1.0)


def drop_lower(right_to_wrong: int, wrong_to_right: int, samples: int, confidence: float) -> float:
    """Lower bound of the drop: minus the upper bound of the gain; see :func:`drop_upper`."""
    return -drop_upper(wrong_to_right, right_to_wrong, samples, confidence)


def at_most_as_bad(limit: float, samples: int, confidence: float) -> Integers:
    """The outcomes whose Tango bound is at most ``limit``.

    Returns:
        For each count of wrong-to-right flips from 0 to ``samples`` the largest count of
        right-to-wrong flips that belongs to them, -1 where none does; int64.
    """
    c = np.arange(samples + 1)
    inside = np.full(samples + 1, -1, dtype=np.int64)
    outside = samples - c + 1
    z = NormalDist().inv_cdf(confidence)
    while (outside - inside > 1).any():
        middle = (inside + outside) // 2
        belongs = tango_statistic(np.maximum(middle, 0), c, samples, limit) <= _TIE_TOLERANCE - z
        open_ = outside - inside > 1
        inside = np.where(open_ & belongs, middle, inside)
        outside = np.where(open_ & ~belongs, middle, outside)
    return inside


def passing_outcomes(threshold: float, samples: int, confidence: float) -> Integers:
    """The outcomes whose :func:`drop_upper` is at most ``threshold`` (a share), all at once.

    Returns:
        As :func:`at_most_as_bad`.
    """

    def holds(limit: float) -> bool:
        outcomes = at_most_as_bad(limit, samples, confidence)
        return largest_probability(outcomes, samples, threshold) <= 1 - confidence

    step = 0.02 * abs(threshold) + 0.1 / samples
    low = high = threshold
    while high < 1 and holds(high):
        low, high = high, min(high + step, 1.0)
    while low > -1 and not holds(low):
        low, high = max(low - step, -1.0), low
    while high - low > _LIMIT_TOLERANCE:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return at_most_as_bad(low, samples, confidence)


def largest_probability(outcomes: Integers, samples: int, drop: float) -> float:
    """Probability of ``outcomes`` at this true drop, at the flip rates most in their favour."""
    rates = _common_rates(samples, drop)
    return float(
        probability(outcomes, samples, rates + max(drop, 0.0), rates + max(-drop, 0.0)).max()
    )


def probability(
    outcomes: Integers, samples: int, right_to_wrong: ArrayLike, wrong_to_right: ArrayLike
) -> Floats:
    """Probability of ``outcomes`` at given true flip rates.

    Args:
        outcomes: As :func:`at_most_as_bad` gives them.
        samples: Samples that both models answered.
        right_to_wrong: Rates, shape ``(k,)``.
        wrong_to_right: Rates, shape ``(k,)``.

    Returns:
        Shape ``(k,)``; exact to about 1e-7 (counts beyond 5.5 standard deviations are left out).
    """
    from scipy.special import bdtr, gammaln, xlog1py, xlogy

    lost = np.atleast_1d(np.asarray(right_to_wrong, dtype=np.float64))
    won = np.atleast_1d(np.asarray(wrong_to_right, dtype=np.float64))
    spread = 5.5 * np.sqrt(samples * won * (1 - won))
    first = np.maximum(samples * won - spread - 1, 0).astype(np.int64)
    last = np.minimum(samples * won + spread + 12, samples).astype(np.int64)
    # All windows one after another, so that each special function is called once.
    lengths = last - first + 1
    starts = np.cumsum(lengths) - lengths
    c = np.arange(lengths.sum()) + np.repeat(first - starts, lengths)
    won_each = np.repeat(won, lengths)
    lost_each = np.repeat(np.minimum(lost / np.maximum(1 - won, 1e-300), 1.0), lengths)
    weight = np.exp(
        gammaln(samples + 1)
        - gammaln(c + 1)
        - gammaln(samples - c + 1)
        + xlogy(c, won_each)
        + xlog1py(samples - c, -won_each)
    )
    b = outcomes[c]
    below = np.where(b < 0, 0.0, bdtr(np.clip(b, 0, samples - c), samples - c, lost_each))
    return np.asarray(np.add.reduceat(weight * below, starts))


def _common_rates(samples: int, drop: float) -> Floats:
    # Steps of equal standard error, finer where single flips still show: between them the
    # probability rises by less than 0.0001.
    end = np.sqrt(samples * min(LARGEST_COMMON_FLIP_RATE, (1 - abs(drop)) / 2))
    fine = np.arange(0.0, min(4.0, end), 0.125)
    coarse = np.linspace(4.0, end, 36) if end > 4.0 else np.array([end])
    return np.asarray(np.concatenate([fine, coarse]) ** 2 / samples)

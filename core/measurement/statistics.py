"""Quantiles and ratios of latencies, with intervals that are as wide as they have to be.

Samples come as arrays of milliseconds of shape ``(groups, rounds, runs)``: groups are separate
processes, and in a round every model runs within moments of every other.

Three things vary, and an interval that knows only the first is too narrow:

* single runs;
* rounds, as the machine's speed wanders over seconds; and
* processes, as the layout of memory differs between them, for as long as they live. The same
  model loaded twice differs by 0.4% (standard deviation, a 20 us model), and no number of
  rounds averages that out (T. Kalibera, R. Jones: Rigorous Benchmarking in Reasonable Time,
  ISMM 2013).

Hence a bootstrap that draws processes first and then rounds in them (A. C. Davison, D. V.
Hinkley: Bootstrap Methods and their Application, 1997, section 3.8), widened where a plain
textbook interval is wider still: order statistics for quantiles, Student's t over the processes
for ratios, as a handful of processes is too few for the bootstrap alone.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from core.records import Estimate, Ratio

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
_TAILS = (_TAIL, 1 - _TAIL)
_CHUNK = 2_000_000  # values resampled at a time, to bound memory at some 16 MB

Samples = NDArray[np.float64]
Draws = NDArray[np.intp]


def draw_rounds(groups: int, rounds: int, seed: int, resamples: int = 2000) -> Draws:
    """Draws groups with replacement, and rounds with replacement in each.

    The same draws serve all models, which keeps each round's models together: that is what
    makes the bootstrap a paired one.

    Returns:
        Positions in samples whose groups and rounds are one axis, shape
        ``(resamples, groups * rounds)``.
    """
    random = np.random.default_rng(seed)
    drawn_groups = random.integers(groups, size=(resamples, groups, 1))
    drawn_rounds = random.integers(rounds, size=(resamples, groups, rounds))
    return (drawn_groups * rounds + drawn_rounds).reshape(resamples, groups * rounds)


def order_statistic_interval(samples: Samples, probability: float) -> tuple[float, float]:
    """Returns the distribution-free interval of a quantile: two of the sorted samples.

    The number of samples below the quantile is binomial, which gives their ranks (G. J. Hahn,
    W. Q. Meeker: Statistical Intervals, 1991, section 5.2). It assumes independent samples.
    """
    from scipy import stats  # here, as it takes a second, and no process that measures needs it

    ordered = np.sort(samples, axis=None)
    ranks = stats.binom.ppf(_TAILS, ordered.size, probability)
    low = max(int(ranks[0]), 1)
    high = min(int(ranks[1]) + 1, ordered.size)
    return float(ordered[low - 1]), float(ordered[high - 1])


def resampled_quantile(samples: Samples, probability: float, draws: Draws) -> Samples:
    """Returns the quantile of each resample, shape ``(resamples,)``."""
    rounds = samples.reshape(-1, samples.shape[2])
    step = max(1, _CHUNK // samples.size)
    return np.concatenate(
        [
            np.quantile(rounds[part].reshape(len(part), -1), probability, axis=1)
            for part in np.split(draws, range(step, len(draws), step))
        ]
    )


def quantile(samples: Samples, probability: float, draws: Draws) -> Estimate:
    """Estimates a quantile, with the wider of bootstrap and order statistics at either end."""
    low, high = np.quantile(resampled_quantile(samples, probability, draws), _TAILS)
    ranked_low, ranked_high = order_statistic_interval(samples, probability)
    return Estimate(
        value=float(np.quantile(samples, probability)),
        low=min(float(low), ranked_low),
        high=max(float(high), ranked_high),
    )


def speedup(baseline: Samples, candidate: Samples, draws: Draws) -> Ratio:
    """Estimates how many times faster the candidate is: the baseline's p50 over its own.

    The p50s are taken within each round, and their ratio is the median over the rounds. Where
    the machine's speed is steady, that is the ratio of the p50s of all runs. Where it jumps
    between two levels, as beside other work, each of those p50s falls on the one or the other
    by chance; pairs within a round do not care. (Measured beside other work, a 50 ms model
    against itself in 4 processes of 25 rounds: standard deviation 3.8% for the ratio of overall
    p50s, 0.08% for this one.)
    """
    ratios = np.log(np.median(baseline, axis=2)) - np.log(np.median(candidate, axis=2))
    value = float(np.median(ratios))
    low, high = np.quantile(np.median(ratios.ravel()[draws], axis=1), _TAILS)
    reach = _reach_of_mean(np.median(ratios, axis=1))
    return Ratio(
        ratio=math.exp(value),
        low=math.exp(min(float(low), value - reach)),
        high=math.exp(max(float(high), value + reach)),
    )


def quantile_ratio(
    baseline: Samples, candidate: Samples, probability: float, draws: Draws
) -> Ratio:
    """Estimates the baseline's quantile over the candidate's, both of all runs.

    For the tail, which single rounds are too short to show.
    """
    ratios = resampled_quantile(baseline, probability, draws) / resampled_quantile(
        candidate, probability, draws
    )
    low, high = np.quantile(ratios, _TAILS)
    value = np.quantile(baseline, probability) / np.quantile(candidate, probability)
    return Ratio(ratio=float(value), low=float(low), high=float(high))


def _reach_of_mean(values: Samples) -> float:
    """Returns half the width of Student's t interval for the mean of a few values.

    0 for a single one: where there is one process, how processes differ is not in the interval.
    """
    from scipy import stats

    if len(values) == 1:
        return 0.0
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    return float(stats.t.ppf(_TAILS[1], len(values) - 1) * error)

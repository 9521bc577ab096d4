"""What the samples of one measurement say: of each model, and of the measurement itself."""

from __future__ import annotations

import numpy as np

from core.measurement import statistics
from core.measurement.statistics import Draws, Samples
from core.protocol import AA_BAND, AA_MARGIN
from core.records import AACheck, Latency, Ratio

MIN_RUNS_FOR_P99 = 500
"""With fewer, the upper end of p99's interval is beyond the largest sample, or nearly so."""


def summarise(baseline: Samples, samples: Samples, draws: Draws) -> Latency:
    """Turns the samples of a model into its latency.

    Args:
        baseline: Milliseconds, shape ``(groups, rounds, runs)``; the same array as ``samples``
            for the baseline itself.
        samples: The model's, with as many groups and rounds.
        draws: Resampled rounds.
    """
    enough = samples.size >= MIN_RUNS_FOR_P99
    itself = samples is baseline
    one = Ratio(ratio=1.0, low=1.0, high=1.0)
    p99_ratio = None
    if enough and baseline.size >= MIN_RUNS_FOR_P99:
        p99_ratio = one if itself else statistics.quantile_ratio(baseline, samples, 0.99, draws)
    return Latency(
        runs=samples.size,
        p50_ms=statistics.quantile(samples, 0.50, draws),
        p90_ms=statistics.quantile(samples, 0.90, draws),
        p99_ms=statistics.quantile(samples, 0.99, draws) if enough else None,
        speedup=one if itself else statistics.speedup(baseline, samples, draws),
        p99_ratio=p99_ratio,
        quantiles_ms=tuple(float(value) for value in np.percentile(samples, range(101))),
    )


def check_itself(baseline: Samples, again: Samples, draws: Draws) -> AACheck:
    """Compares the baseline with itself: passed if the interval lies within 5% and contains 1.

    An interval that misses 1 passes too if the ratio is within 1% of 1. By its definition, one
    good machine in twenty would fail otherwise, and the steadiest ones most easily, while a
    smallest useful gain of 10% cannot be mistaken for 1%.
    """
    ratio = statistics.speedup(baseline, again, draws)
    within = ratio.low >= 1 - AA_BAND and ratio.high <= 1 + AA_BAND
    contains = ratio.low <= 1 <= ratio.high or abs(ratio.ratio - 1) <= AA_MARGIN
    return AACheck(ratio=ratio.ratio, low=ratio.low, high=ratio.high, passed=within and contains)

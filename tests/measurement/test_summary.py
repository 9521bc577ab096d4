import numpy as np
import pytest

from core.measurement import statistics
from core.measurement.summary import check_itself, summarise

GROUPS, ROUNDS = 5, 20


def samples(level, runs, seed, spread=0.01):
    random = np.random.default_rng(seed)
    return level * np.exp(random.normal(0, spread, (GROUPS, ROUNDS, runs)))


DRAWS = statistics.draw_rounds(GROUPS, ROUNDS, seed=0)


def test_a_summary_of_known_samples():
    baseline, candidate = samples(20.0, 10, 1), samples(10.0, 10, 2)
    latency = summarise(baseline, candidate, DRAWS)
    assert latency.runs == 1000
    assert latency.p50_ms.value == pytest.approx(10.0, rel=0.01)
    assert latency.p50_ms.low <= 10.0 <= latency.p50_ms.high
    assert latency.p50_ms.value < latency.p90_ms.value < latency.p99_ms.value
    assert latency.speedup.ratio == pytest.approx(2.0, rel=0.01)
    assert latency.p99_ratio.low <= 2.0 <= latency.p99_ratio.high
    assert len(latency.quantiles_ms) == 101
    assert latency.quantiles_ms[0] == candidate.min()
    assert latency.quantiles_ms[100] == candidate.max()


def test_below_500_runs_there_is_no_p99():
    baseline, few, enough = samples(20.0, 10, 1), samples(9.0, 4, 2), samples(9.0, 5, 2)
    assert summarise(baseline, few, DRAWS).p99_ms is None
    assert summarise(baseline, few, DRAWS).p99_ratio is None
    assert summarise(baseline, enough, DRAWS).p99_ms is not None
    assert summarise(samples(20.0, 4, 1), enough, DRAWS).p99_ratio is None


def test_the_baseline_is_as_fast_as_itself():
    baseline = samples(20.0, 10, 1)
    speedup = summarise(baseline, baseline, DRAWS).speedup
    assert (speedup.ratio, speedup.low, speedup.high) == (1.0, 1.0, 1.0)


def test_the_same_seed_gives_the_same_intervals():
    baseline, candidate = samples(20.0, 10, 1), samples(10.0, 10, 2)
    again = statistics.draw_rounds(GROUPS, ROUNDS, seed=0)
    assert summarise(baseline, candidate, DRAWS) == summarise(baseline, candidate, again)


@pytest.mark.parametrize(
    ("bias", "spread", "passed"),
    [
        (1.0, 0.01, True),
        (1.008, 0.001, True),  # surely not 1, and surely too little to matter
        (1.02, 0.001, False),
        (1.0, 1.5, False),  # too busy to tell
    ],
)
def test_what_passes_as_the_same(bias, spread, passed):
    check = check_itself(samples(bias, 10, 3, spread), samples(1.0, 10, 4, spread), DRAWS)
    assert check.passed is passed
    assert check.low <= check.ratio <= check.high

"""Whether the gate keeps its word, on simulated labels and answers; run by ``make bench``.

Each evaluation draws labels, the baseline's answers and the candidate's from known rates, so
that it is known which candidates should not pass. Shares are in percent.
"""

from itertools import product

import numpy as np
import pytest

from core.accuracy.metrics import paired_metrics
from core.accuracy.planner import gate_power, samples_for_power
from tests.accuracy.procedure import CONFIRM, SEARCH, search_then_confirm, shared_gate
from tests.accuracy.simulate import (
    CONFIDENCE,
    EVEN,
    RARE,
    UNEVEN,
    Truth,
    at_most,
    bounded_by,
    draw_flips,
    passes,
    simulate,
    true_drops,
)

EVALUATIONS = 10_000
SAMPLES = (100, 300, 600, 1_000, 2_000, 5_000)
ACCURACIES = (0.55, 0.75, 0.9, 0.995)
FLIP_RATES = (0.005, 0.01, 0.02, 0.05, 0.15)
THRESHOLDS = (0.5, 1.0, 2.0, 5.0)


def percent(shares):
    return "".join(f"{100 * share:8.2f}" for share in shares)


def settings(drops):
    """Every combination that there can be: flips at least the drop, answers left to flip."""
    for flip_rate, drop, accuracy in product(FLIP_RATES, drops, ACCURACIES):
        truth = Truth.of(accuracy, flip_rate, drop / 100)
        if truth.possible:
            yield drop, flip_rate, truth


@pytest.mark.parametrize("samples", SAMPLES)
def test_at_a_true_drop_equal_to_the_threshold(samples):
    """Passes in at most 5% of evaluations, and each end covers the drop in at least 94%."""
    rng = np.random.default_rng(samples)
    shares, uppers, lowers = [], [], []
    print(f"\n{samples} samples: passed, by threshold, flip rate and accuracy {ACCURACIES}")
    rows = {}
    for threshold, flip_rate, truth in settings(THRESHOLDS):
        lost, won = draw_flips(rng, truth, samples, EVALUATIONS)
        shares.append(passes(threshold, lost, won, samples).mean())
        uppers.append(1 - bounded_by(threshold - 1e-6, lost, won, samples).mean())
        lowers.append(1 - bounded_by(-threshold - 1e-6, won, lost, samples).mean())
        rows.setdefault((threshold, flip_rate), []).append(shares[-1])
    for (threshold, flip_rate), passed in rows.items():
        print(f"{threshold:6.1f} points {100 * flip_rate:5.1f}% flips {percent(passed)}")
    print(f"most passed {percent([max(shares)])}, of {len(shares)} settings")
    print(f"least coverage: upper end {percent([min(uppers)])}, lower {percent([min(lowers)])}")
    assert max(shares) <= at_most(0.05, EVALUATIONS)
    assert min(uppers + lowers) >= 0.94


@pytest.mark.parametrize("samples", [100, 500, 2_000])
def test_coverage_where_nothing_drops_or_something_is_gained(samples):
    rng = np.random.default_rng(samples + 1)
    uppers, lowers = [], []
    for drop, _, truth in settings((0.0, -0.5, -1.0)):
        lost, won = draw_flips(rng, truth, samples, EVALUATIONS)
        uppers.append(1 - bounded_by(drop - 1e-6, lost, won, samples).mean())
        lowers.append(1 - bounded_by(-drop - 1e-6, won, lost, samples).mean())
    print(f"\n{samples} samples, least coverage: {percent([min(uppers), min(lowers)])}")
    assert min(uppers + lowers) >= 0.94


def test_planned_power_is_simulated_power():
    rng = np.random.default_rng(2)
    print("\n threshold  flips   drop   power  samples  planned  simulated")
    worst = 0.0
    for threshold, flip_rate, drop, power in product(
        (0.5, 1.0, 2.0), (0.0, 0.005, 0.02, 0.1), (0.0, 0.2), (0.8, 0.9)
    ):
        samples = samples_for_power(
            threshold, CONFIDENCE, power=power, flip_rate=flip_rate, drop_points=drop
        )
        truth = Truth.of(0.9, max(flip_rate, drop / 100), drop / 100)
        if samples is None or samples > 8_000 or not truth.possible:
            continue
        counts = draw_flips(rng, truth, samples, EVALUATIONS)
        simulated = passes(threshold, *counts, samples).mean()
        planned = gate_power(samples, threshold, CONFIDENCE, flip_rate, drop)
        print(
            f"{threshold:10.1f}{100 * flip_rate:6.1f}%{drop:7.1f}{power:8.1f}{samples:9}"
            f"{planned:9.3f}{simulated:11.3f}"
        )
        worst = max(worst, abs(planned - simulated))
        assert simulated >= power - 0.03
    print(f"largest difference {percent([worst])}")
    assert worst <= 0.03


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("far", [0, 6, 10])
def test_search_then_confirm_with_twelve_candidates(far, alike):
    truths = [Truth.of(0.9, 0.02, 0.01)] * (12 - far) + [Truth.of(0.9, 0.06, 0.04)] * far
    rng = np.random.default_rng(far)
    chosen, passed, lucky = search_then_confirm(rng, truths, EVALUATIONS, alike)
    print(
        f"\n{SEARCH} + {CONFIRM} samples, {far} of 12 far beyond, {alike:.0%} alike: "
        f"chosen {percent([(chosen >= 0).mean()])}, passed {percent([passed.mean()])}; "
        f"any would pass on search {percent([lucky.mean()])}"
    )
    assert passed.mean() <= at_most(0.05, EVALUATIONS)


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("good", [0, 1])
def test_shared_gate_of_three_candidates(good, alike):
    """Holm's: any wrong pass in at most 5%, also where a good one has passed."""
    truths = [Truth.of(0.9, 0.002, 0.0)] * good + [Truth.of(0.9, 0.014, 0.01)] * (3 - good)
    gates = shared_gate(np.random.default_rng(3), truths, 500, EVALUATIONS, alike)
    wrong, right = gates[:, good:].any(axis=1).mean(), gates[:, :good].any(axis=1).mean()
    print(f"\n{alike:.0%} alike: wrong passes {percent([wrong])}, good one {percent([right])}")
    assert wrong <= at_most(0.05, EVALUATIONS)


@pytest.mark.parametrize("shares", [EVEN, UNEVEN, RARE], ids=["even", "uneven", "rare"])
def test_coverage_of_bootstrapped_metrics(shares):
    rounds = 300
    print(f"\n{'flips':>8}{'drop':>8}  below    above   both   by metric, 500 samples")
    for flip_rate, drop in ((0.02, 0.01), (0.05, 0.01), (0.1, 0.02)):
        truth = Truth.of(0.85, flip_rate, drop)
        true = true_drops(truth, shares)
        columns = simulate(np.random.default_rng(4), [truth], 500, rounds, shares=shares)
        labels, baseline, (candidate,) = columns
        hits = {name: np.zeros(2) for name in true}
        for row in range(rounds):
            answers = (each[row].astype(np.int64) for each in (labels, baseline, candidate))
            for metric in paired_metrics(*answers, confidence=CONFIDENCE):
                found, value = metric.drop_points, true[metric.metric]
                hits[metric.metric] += (
                    True if found is None else (found.low <= value, found.high >= value)
                )
        for name, (low, high) in hits.items():
            both = (low + high) / rounds - 1
            figures = percent([low / rounds, high / rounds, both])
            print(f"{flip_rate:8.1%}{drop:8.1%}{figures}   {name}", flush=True)
            assert both >= 0.9 - 3 * np.sqrt(0.09 / rounds)

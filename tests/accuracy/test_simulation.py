"""The gate, its bounds and its plans on simulated evaluations; the large run is a benchmark."""

import numpy as np
import pytest

from core.accuracy import Predictions, gate_together, paired_accuracy
from core.accuracy.bounds import drop_lower, drop_upper
from core.accuracy.metrics import paired_metrics
from core.accuracy.planner import gate_power, samples_for_power
from tests.accuracy.procedure import search_then_confirm, shared_gate
from tests.accuracy.simulate import (
    CONFIDENCE,
    RARE,
    Truth,
    at_most,
    bounded_by,
    draw_flips,
    passes,
    simulate,
    true_drops,
)

EVALUATIONS = 10_000
THRESHOLD = Truth.of(0.9, 0.02, 0.01)
"""A candidate that drops exactly what the policy allows."""


@pytest.mark.parametrize(
    ("samples", "accuracy", "flip_rate", "threshold"),
    [
        (100, 0.55, 0.05, 5.0),
        (100, 0.90, 0.15, 5.0),
        (300, 0.75, 0.02, 1.0),
        (300, 0.995, 0.01, 1.0),
        (600, 0.90, 0.005, 0.5),
        (1000, 0.55, 0.15, 1.0),
        (1000, 0.995, 0.02, 1.0),
        (5000, 0.75, 0.05, 0.5),
    ],
)
def test_a_candidate_at_the_threshold_passes_in_5_percent(samples, accuracy, flip_rate, threshold):
    rng = np.random.default_rng(samples)
    evaluations = EVALUATIONS if samples < 5000 else 4_000
    truth = Truth.of(accuracy, flip_rate, threshold / 100)
    lost, won = draw_flips(rng, truth, samples, evaluations)
    assert passes(threshold, lost, won, samples).mean() <= at_most(0.05, evaluations)


@pytest.mark.parametrize(("samples", "flip_rate", "threshold"), [(300, 0.02, 1.0), (100, 0.1, 5.0)])
def test_the_simulated_gate_is_the_gate(samples, flip_rate, threshold):
    rng = np.random.default_rng(1)
    truth = Truth.of(0.8, flip_rate, 0.005)
    labels, baseline, (candidate,) = simulate(rng, [truth], samples, 20)
    seen = set()
    for row in range(20):
        columns = labels[row], baseline[row], candidate[row]
        found = paired_accuracy(
            *columns, split="confirm", threshold_points=threshold, confidence=CONFIDENCE
        )
        lost, won = np.array([found.right_to_wrong]), np.array([found.wrong_to_right])
        assert passes(threshold, lost, won, samples)[0] == (found.gate == "pass")
        seen.add(found.gate)
    assert len(seen) > 1


@pytest.mark.parametrize(
    ("samples", "flip_rate", "drop"),
    [(100, 0.02, 0.0), (300, 0.05, -0.01), (1000, 0.005, 0.005), (1000, 0.15, 0.01)],
)
def test_each_end_covers_the_true_drop(samples, flip_rate, drop):
    rng = np.random.default_rng(3)
    lost, won = draw_flips(rng, Truth.of(0.8, flip_rate, drop), samples, EVALUATIONS)
    # An end misses where it is beyond the true drop; the lower one mirrors the upper.
    below = bounded_by(100 * drop - 1e-6, lost, won, samples)
    above = bounded_by(-100 * drop - 1e-6, won, lost, samples)
    for b, c in {(int(lost[i]), int(won[i])) for i in range(6)}:
        one = np.array([b]), np.array([c])
        upper, lower = (end(b, c, samples, CONFIDENCE) for end in (drop_upper, drop_lower))
        assert bounded_by(100 * drop - 1e-6, *one, samples)[0] == (upper <= drop - 1e-8)
        assert bounded_by(-100 * drop - 1e-6, *one[::-1], samples)[0] == (lower >= drop + 1e-8)
    assert 1 - below.mean() >= 0.94
    assert 1 - above.mean() >= 0.94


@pytest.mark.parametrize("power", [0.8, 0.9])
@pytest.mark.parametrize(("flip_rate", "drop"), [(0.005, 0.0), (0.02, 0.0), (0.02, 0.2)])
def test_the_plan_has_the_power_it_promises(power, flip_rate, drop):
    samples = samples_for_power(1.0, CONFIDENCE, power=power, flip_rate=flip_rate, drop_points=drop)
    rng = np.random.default_rng(4)
    counts = draw_flips(rng, Truth.of(0.9, flip_rate, drop / 100), samples, 5_000)
    simulated = passes(1.0, *counts, samples).mean()
    assert gate_power(samples, 1.0, CONFIDENCE, flip_rate, drop) == pytest.approx(
        simulated, abs=0.03
    )
    assert simulated >= power - 0.03


@pytest.mark.parametrize("far", [0, 9])
def test_a_choice_among_twelve_does_not_help_at_the_confirmation(far):
    """No winner's curse: chosen on search by the real rule, gated on confirm."""
    truths = [THRESHOLD] * (12 - far) + [Truth.of(0.9, 0.05, 0.05)] * far
    rng = np.random.default_rng(5)
    chosen, passed, lucky = search_then_confirm(rng, truths, 3_000)
    assert (chosen >= 0).mean() > 0.5
    assert passed.mean() <= at_most(0.05, 3_000)
    if not far:
        # What the confirmation is for: on the samples of the choice many a one would pass.
        assert lucky.mean() > 0.06


@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_three_candidates_on_the_same_samples_pass_wrongly_in_5_percent(alike):
    rng = np.random.default_rng(6)
    gates = shared_gate(rng, [Truth.of(0.9, 0.011, 0.01)] * 3, 500, EVALUATIONS, alike)
    assert gates.any(axis=1).mean() <= at_most(0.05, EVALUATIONS)


def test_a_good_one_among_them_passes_and_helps_no_other():
    rng = np.random.default_rng(7)
    truths = [Truth.of(0.9, 0.001, 0.0), *[Truth.of(0.9, 0.011, 0.01)] * 2]
    gates = shared_gate(rng, truths, 500, EVALUATIONS)
    assert gates[:, 1:].any(axis=1).mean() <= at_most(0.05, EVALUATIONS)
    assert gates[:, 0].mean() > 0.5


def test_the_simulated_shared_gate_is_the_gate():
    rng = np.random.default_rng(8)
    truths = [Truth.of(0.9, 0.002, 0.0), Truth.of(0.9, 0.012, 0.01), Truth.of(0.9, 0.06, 0.05)]
    labels, baseline, candidates = simulate(rng, truths, 500, 5, alike=0.5)
    gates = shared_gate(np.random.default_rng(8), truths, 500, 5)
    for row in range(5):
        answers = [
            Predictions(tuple(each[row].tolist()), True, 10) for each in (baseline, *candidates)
        ]
        found = gate_together(
            labels[row],
            answers[0],
            {str(number): each for number, each in enumerate(answers[1:])},
            threshold_points=1.0,
            confidence=CONFIDENCE,
        )
        assert [accuracy.gate == "pass" for accuracy in found.values()] == gates[row].tolist()


def test_bootstrapped_metrics_cover_where_a_class_is_rare():
    truth, rounds = Truth.of(0.85, 0.05, 0.01), 150
    true = true_drops(truth, RARE)
    labels, baseline, (candidate,) = simulate(
        np.random.default_rng(9), [truth], 500, rounds, shares=RARE
    )
    covered = dict.fromkeys(true, 0)
    for row in range(rounds):
        columns = (column[row].astype(np.int64) for column in (labels, baseline, candidate))
        for metric in paired_metrics(*columns, confidence=CONFIDENCE):
            drop = metric.drop_points
            covered[metric.metric] += drop is None or drop.low <= true[metric.metric] <= drop.high
    assert min(covered.values()) / rounds >= 0.9 - 3 * np.sqrt(0.09 / rounds)

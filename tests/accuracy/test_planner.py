import numpy as np
import pytest

from core.accuracy import observed_plan, paired_accuracy, plan_samples, samples_needed
from core.accuracy.bounds import drop_upper
from core.accuracy.planner import (
    gate_power,
    least_samples,
    samples_for_power,
    smallest_provable_drop,
)
from core.records import Candidate, Policy, Recipe, Splits


@pytest.mark.parametrize(
    ("points", "confidence", "exact"), [(1.0, 0.95, 299), (0.5, 0.95, 598), (1.0, 0.99, None)]
)
def test_least_samples_agree_with_the_gate(points, confidence, exact):
    samples = least_samples(points, confidence)
    assert samples is not None
    assert samples == (exact or samples)
    assert 100 * drop_upper(0, 0, samples, confidence) <= points
    assert 100 * drop_upper(0, 0, samples - 1, confidence) > points


def test_no_number_of_unchanged_answers_proves_that_nothing_drops():
    assert least_samples(0.0, 0.95) is None


def test_smallest_provable_drop_is_that_of_the_design():
    assert round(smallest_provable_drop(100, 0.95), 2) == 2.95
    assert round(smallest_provable_drop(120, 0.95), 1) == 2.5


@pytest.mark.parametrize(("flip_rate", "drop"), [(0.01, 0.0), (0.02, 0.2)])
def test_power_matches_simulated_gates(flip_rate, drop):
    n, threshold = 600, 1.0
    rng = np.random.default_rng(2)
    lost, won = (flip_rate + drop / 100) / 2, (flip_rate - drop / 100) / 2
    draws = rng.multinomial(n, [lost, won, 1 - lost - won], size=400)
    passed = np.mean([100 * drop_upper(int(b), int(c), n, 0.95) <= threshold for b, c, _ in draws])
    assert gate_power(n, threshold, 0.95, flip_rate, drop) == pytest.approx(passed, abs=0.07)


@pytest.mark.parametrize("power", [0.8, 0.9])
@pytest.mark.parametrize("flip_rate", [0.0, 0.005, 0.02])
def test_samples_for_power_reach_it_and_not_much_earlier(power, flip_rate):
    samples = samples_for_power(1.0, 0.95, power=power, flip_rate=flip_rate)
    assert samples is not None
    assert gate_power(samples, 1.0, 0.95, flip_rate) >= power
    assert samples == 299 or gate_power(round(0.95 * samples), 1.0, 0.95, flip_rate) < power


def test_large_plans_are_near_the_exact_count():
    samples = samples_for_power(1.0, 0.95, power=0.8, flip_rate=0.1)
    assert samples is not None
    assert gate_power(samples, 1.0, 0.95, 0.1) == pytest.approx(0.8, abs=0.01)


def test_a_drop_at_the_threshold_is_never_proven():
    assert samples_for_power(1.0, 0.95, power=0.8, flip_rate=0.02, drop_points=1.0) is None


def test_plan_counts_only_confirm_samples():
    plan = plan_samples(Splits(calibration=24, search=32, confirm=64), Policy())
    assert (plan.samples, plan.confirm_samples) == (120, 64)
    assert plan.provable_points == pytest.approx(4.57, abs=0.01)
    assert plan.least_confirm_samples == 299
    assert not plan.can_prove
    assert not plan.is_likely
    assert plan.likely_confirm_samples is not None
    assert plan.very_likely_confirm_samples is not None
    assert plan.likely_confirm_samples < plan.very_likely_confirm_samples
    assert plan.likely_samples == pytest.approx(plan.likely_confirm_samples * 120 / 64, rel=0.01)
    very_likely = plan.very_likely_confirm_samples * 120 / 64
    assert plan.very_likely_samples == pytest.approx(very_likely, rel=0.01)
    assert plan.flips_seen_on == 0


def test_plan_of_enough_data():
    plan = plan_samples(Splits(calibration=200, search=900, confirm=1800), Policy())
    assert plan.can_prove
    assert plan.is_likely


def test_plan_of_a_policy_that_allows_no_drop():
    plan = plan_samples(Splits(calibration=2, search=2, confirm=4), Policy(max_drop_points=0.0))
    assert (plan.least_confirm_samples, plan.likely_samples) == (None, None)
    assert not plan.is_likely


def candidate(name, lost, won, samples):
    labels = np.zeros(samples)
    baseline, answers = np.zeros(samples), np.zeros(samples)
    answers[:lost] = 1
    baseline[lost : lost + won] = 1
    accuracy = paired_accuracy(
        labels, baseline, answers, split="confirm", threshold_points=1.0, confidence=0.95
    )
    recipe = Recipe(id=name, method="int8_static")
    return Candidate(id=name, recipe=recipe, status="measured", accuracy=accuracy)


def test_plan_from_the_flips_observed():
    splits = Splits(calibration=200, search=400, confirm=800)
    few, many = (
        observed_plan(splits, Policy(), candidate("c", *flips, 400).accuracy)
        for flips in ((1, 1), (14, 6))
    )
    assert (few.flips_seen_on, few.flip_rate) == (400, pytest.approx(2.5 / 401))
    assert many.flip_rate == pytest.approx(20.5 / 401)
    assert few.likely_confirm_samples < many.likely_confirm_samples
    assert gate_power(many.likely_confirm_samples, 1.0, 0.95, many.flip_rate) >= 0.8


def test_a_plan_from_no_flip_at_all_is_not_the_least():
    splits = Splits(calibration=200, search=50, confirm=800)
    plan = observed_plan(splits, Policy(), candidate("c", 0, 0, 50).accuracy)
    assert plan.flip_rate == pytest.approx(0.5 / 51)
    assert plan.likely_confirm_samples > plan.least_confirm_samples


def test_samples_needed_only_for_undecided_gates_that_more_samples_help():
    rows = [
        candidate("proven", 0, 0, 400),
        candidate("failed", 40, 0, 400),
        candidate("near", 3, 2, 400),
        candidate("too_many", 6, 1, 400),
    ]
    needed = samples_needed(rows, Policy())
    assert set(needed) == {"near"}
    assert gate_power(needed["near"], 1.0, 0.95, 5.5 / 401, 0.25) >= 0.8
    assert needed["near"] > 400

import numpy as np
import pytest
from scipy.stats import binomtest

from core.accuracy import baseline_accuracy, paired_accuracy
from core.accuracy.paired import gate_of, mcnemar_exact
from core.records import Estimate


def compare(labels, baseline, candidate, threshold=1.0):
    return paired_accuracy(
        labels, baseline, candidate, split="search", threshold_points=threshold, confidence=0.95
    )


def test_counts_values_and_agreement():
    found = compare([0, 0, 1, 1, 2], [0, 0, 1, 0, 0], [0, 1, 1, 1, 1])
    assert (found.right_to_wrong, found.wrong_to_right) == (1, 1)
    assert found.value == pytest.approx(3 / 5)
    assert found.agreement == pytest.approx(2 / 5)
    assert found.drop_points.value == 0
    assert found.samples == 5
    assert found.split == "search"
    assert found.metric == "accuracy"


def test_two_wrong_answers_that_differ_are_no_flip_but_no_agreement():
    found = compare([0, 0], [1, 0], [2, 0])
    assert (found.right_to_wrong, found.wrong_to_right) == (0, 0)
    assert found.agreement == 0.5


def test_zero_flips_on_299_samples_pass_one_point_and_on_298_do_not():
    assert compare(np.zeros(299), np.zeros(299), np.zeros(299)).gate == "pass"
    assert compare(np.zeros(298), np.zeros(298), np.zeros(298)).gate == "undecided"


def test_a_large_drop_fails():
    labels = np.zeros(300)
    candidate = np.where(np.arange(300) < 30, 1, 0)
    found = compare(labels, labels, candidate)
    assert found.gate == "fail"
    assert found.drop_points.value == pytest.approx(10)
    assert 1 < found.drop_points.low < 10 < found.drop_points.high


@pytest.mark.parametrize(
    ("low", "high", "gate"),
    [(-1, 1.0, "pass"), (-1, 1.01, "undecided"), (1.0, 2, "undecided"), (1.01, 2, "fail")],
)
def test_gate_at_its_edges(low, high, gate):
    assert gate_of(Estimate(value=(low + high) / 2, low=low, high=high), 1.0) == gate


def test_gate_rarely_passes_a_candidate_at_the_threshold():
    """Simulated from labels to gate: flips drawn at a true drop of exactly two points."""
    rng = np.random.default_rng(1)
    n, rounds = 250, 400
    labels = np.zeros(n, dtype=np.int64)
    passed = 0
    for _ in range(rounds):
        kind = rng.choice(3, size=n, p=[0.03, 0.01, 0.96])
        baseline = np.where(kind == 1, 1, 0)
        candidate = np.where(kind == 0, 1, 0)
        passed += compare(labels, baseline, candidate, threshold=2.0).gate == "pass"
    assert passed / rounds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 7), (3, 12), (12, 3), (40, 41)])
def test_mcnemar_is_the_exact_binomial_test(b, c):
    expected = 1.0 if b + c == 0 else binomtest(b, b + c).pvalue
    assert mcnemar_exact(b, c) == pytest.approx(expected)


def test_baseline_against_itself():
    found = baseline_accuracy([0, 1, 1], [0, 1, 0], split="confirm")
    assert found.value == pytest.approx(2 / 3)
    assert found.drop_points == Estimate(value=0.0, low=0.0, high=0.0)
    assert (found.gate, found.agreement, found.mcnemar_p) == ("pass", 1.0, None)


@pytest.mark.parametrize("answers", [[0, 1], []])
def test_lengths_must_match(answers):
    with pytest.raises(ValueError, match="same number"):
        compare(answers, [0] * 3, [0] * 3)


def test_a_lucky_gain_on_too_few_samples_proves_nothing() -> None:
    labels = [0] * 197
    baseline = [1] + [0] * 196
    found = paired_accuracy(
        labels, baseline, labels, split="confirm", threshold_points=1.0, confidence=0.95
    )

    assert found.drop_points.high < 1.0
    assert found.gate == "undecided"

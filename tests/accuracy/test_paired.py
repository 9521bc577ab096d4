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


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 0), (0, 7), (3, 12), (12, 3), (40, 41)])
def test_mcnemar_is_the_exact_binomial_test(b, c):
    expected = 1.0 if b + c == 0 else binomtest(b, b + c).pvalue
    assert mcnemar_exact(b, c) == pytest.approx(expected)


def test_baseline_against_itself():
    found = baseline_accuracy([0, 1, 1], [0, 1, 0], split="confirm")
    assert found.value == pytest.approx(2 / 3)
    assert found.drop_points == Estimate(value=0.0, low=0.0, high=0.0)
    assert (found.gate, found.agreement, found.mcnemar_p) == ("pass", 1.0, None)
    assert found.error_ratio is None
    assert [metric.metric for metric in found.metrics] == ["balanced_accuracy", "macro_f1"]
    assert [(row.label, row.value) for row in found.classes] == [(0, 1.0), (1, 0.5)]


def test_what_is_shown_beside_the_gate():
    labels = np.arange(120) % 12
    baseline, candidate = labels.copy(), labels.copy()
    baseline[:10] = (labels[:10] + 1) % 12
    candidate[5:25] = (labels[5:25] + 1) % 12
    found = paired_accuracy(
        labels,
        baseline,
        candidate,
        split="search+confirm",
        threshold_points=1.0,
        confidence=0.975,
        baseline_ranks=np.where(baseline == labels, 0, 1),
        ranks=np.where(candidate == labels, 0, 6),
    )
    assert (found.split, found.confidence) == ("search+confirm", 0.975)
    assert found.error_ratio == pytest.approx(20 / 10)
    assert [metric.metric for metric in found.metrics] == [
        *("balanced_accuracy", "macro_f1", "top5_accuracy")
    ]
    assert found.metrics[2].value == pytest.approx(100 / 120)
    assert sum(row.right_to_wrong for row in found.classes) == found.right_to_wrong == 15
    assert sum(row.wrong_to_right for row in found.classes) == found.wrong_to_right == 5


def test_no_error_ratio_against_a_baseline_without_errors():
    assert compare([0, 1], [0, 1], [0, 0]).error_ratio is None


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

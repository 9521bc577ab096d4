import numpy as np
import pytest
from scipy.stats import binomtest

from core.accuracy.classes import baseline_classes, paired_classes


def answers(*counts):
    """Per class: samples right in both, lost, won, wrong in both."""
    labels, before, after = [], [], []
    for label, (right, lost, won, wrong) in enumerate(counts):
        size = right + lost + won + wrong
        labels += [label] * size
        before += [label] * (right + lost) + [-1] * (won + wrong)
        after += [label] * right + [-1] * lost + [label] * won + [-1] * wrong
    return np.array(labels), np.array(before), np.array(after)


def test_counts_by_class():
    rows = paired_classes(*answers((5, 3, 1, 1), (8, 0, 2, 0)))
    assert [(row.label, row.samples, row.value) for row in rows] == [(0, 10, 0.6), (1, 10, 1.0)]
    assert [(row.right_to_wrong, row.wrong_to_right) for row in rows] == [(3, 1), (0, 2)]


def test_the_worst_class_is_tested_one_sided_and_corrected_for_their_number():
    rows = paired_classes(*answers((50, 9, 1, 0), (50, 3, 3, 0), (50, 0, 6, 0)))
    alone = [
        binomtest(lost, flips, alternative="greater").pvalue
        for lost, flips in ((9, 10), (3, 6), (0, 6))
    ]
    assert rows[0].p_holm == pytest.approx(3 * alone[0])
    assert rows[1].p_holm == pytest.approx(min(1, 2 * alone[1]))
    assert rows[2].p_holm == pytest.approx(1.0)


def test_only_classes_with_samples_count():
    labels, before, after = answers((0, 0, 0, 0), (50, 9, 1, 0), (0, 0, 0, 0), (50, 3, 3, 0))
    rows = paired_classes(labels, before, after)
    assert [row.label for row in rows] == [1, 3]
    assert rows[0].p_holm == pytest.approx(2 * binomtest(9, 10, alternative="greater").pvalue)


def test_the_baseline_has_nothing_to_test():
    labels, before, _ = answers((5, 3, 1, 1), (8, 0, 2, 0))
    rows = baseline_classes(labels, before)
    assert [(row.samples, row.value, row.p_holm) for row in rows] == [
        (10, 0.8, None),
        (10, 0.8, None),
    ]
    assert all(row.right_to_wrong == row.wrong_to_right == 0 for row in rows)

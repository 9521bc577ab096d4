import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from core.accuracy.bounds import drop_lower, drop_upper
from core.accuracy.metrics import baseline_metrics, paired_metrics


def measure(labels, baseline, candidate, **more):
    arrays = (np.asarray(column, dtype=np.int64) for column in (labels, baseline, candidate))
    found = paired_metrics(*arrays, confidence=0.95, **more)
    return {metric.metric: metric for metric in found}


def random_answers(samples, classes, seed=0, right=0.85, kept=0.93):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    guesses = rng.integers(0, classes, (2, samples))
    baseline = np.where(rng.random(samples) < right, labels, guesses[0])
    return labels, baseline, np.where(rng.random(samples) < kept, baseline, guesses[1])


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10**6))
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.filterwarnings("ignore:A single label was found")
def test_values_and_drops_are_sklearns(samples, classes, seed):
    labels, before, after = random_answers(samples, classes, seed, right=0.6, kept=0.6)
    found = measure(labels, before, after)
    for name, score in (
        ("balanced_accuracy", balanced_accuracy_score),
        ("macro_f1", lambda y, a: f1_score(y, a, average="macro")),
    ):
        assert found[name].value == pytest.approx(score(labels, after))
        drop = found[name].drop_points
        if drop is not None:
            assert drop.value == pytest.approx(
                100 * (score(labels, before) - score(labels, after)), abs=1e-9
            )
            assert drop.low <= drop.value <= drop.high


def test_an_answer_that_is_no_label_counts_in_f1():
    found = measure([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 2])
    assert found["macro_f1"].value == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found["balanced_accuracy"].value == pytest.approx(0.75)


def test_no_drop_where_no_answer_changed():
    labels, before, _ = random_answers(100, 4)
    assert all(metric.drop_points is None for metric in measure(labels, before, before).values())


def test_another_wrong_answer_changes_f1_only():
    found = measure([0, 0, 1, 2], [0, 1, 1, 2], [0, 2, 1, 2])
    assert found["balanced_accuracy"].drop_points is None
    assert found["macro_f1"].drop_points is not None


def test_one_class_of_many_samples_is_bounded_as_accuracy_is():
    labels = np.zeros(2000, dtype=np.int64)
    after = (np.arange(2000) < 120).astype(int)
    before = (np.arange(2000) >= 1940).astype(int)
    drop = measure(labels, before, after)["balanced_accuracy"].drop_points
    assert drop.low == pytest.approx(100 * drop_lower(120, 60, 2000, 0.95), abs=0.15)
    assert drop.high == pytest.approx(100 * drop_upper(120, 60, 2000, 0.95), abs=0.15)


def test_top5_is_a_share_of_samples():
    labels, before, after = random_answers(200, 10)
    ranks_before, ranks = np.zeros(200, dtype=int), np.zeros(200, dtype=int)
    ranks_before[:8], ranks_before[8:12] = 4, 5
    ranks[:8], ranks[8:10] = 5, 4
    found = measure(labels, before, after, baseline_ranks=ranks_before, ranks=ranks)
    top5 = found["top5_accuracy"]
    assert top5.value == pytest.approx(192 / 200)
    assert top5.drop_points.value == pytest.approx(100 * (8 - 4) / 200)
    assert top5.drop_points.high == pytest.approx(100 * drop_upper(8, 4, 200, 0.95))
    assert top5.drop_points.low == pytest.approx(100 * drop_lower(8, 4, 200, 0.95))


def test_no_top5_where_either_model_has_no_ranks():
    labels, before, after = random_answers(50, 10)
    assert "top5_accuracy" not in measure(labels, before, after, ranks=np.zeros(50))


def test_the_baseline_has_values_only():
    labels, before, _ = random_answers(100, 7)
    found = baseline_metrics(labels, before, np.zeros(100))
    assert [metric.metric for metric in found] == ["balanced_accuracy", "macro_f1", "top5_accuracy"]
    assert all(metric.drop_points is None for metric in found)
    assert found[0].value == pytest.approx(balanced_accuracy_score(labels, before))


def test_many_classes_take_seconds():
    started = time.process_time()
    measure(*random_answers(20_000, 1_000, right=0.75))
    assert time.process_time() - started < 10

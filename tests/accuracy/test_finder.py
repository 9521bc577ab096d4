import numpy as np
import pytest

from core.accuracy import Predictions, score_presets

LABELS = np.arange(100) % 10


def answers(right, finite=True):
    classes = np.where(np.arange(100) < right, LABELS, (LABELS + 1) % 10)
    return Predictions(tuple(int(c) for c in classes), finite, 10)


def test_the_right_preset_stands_out():
    score = score_presets({"a": answers(12), "b": answers(95), "c": answers(40)}, LABELS)
    assert (score.best, score.clearly) == ("b", True)
    assert score.accuracies == {"a": 0.12, "b": 0.95, "c": 0.40}


def test_a_near_tie_is_not_clear():
    score = score_presets({"a": answers(93), "b": answers(95)}, LABELS)
    assert (score.best, score.clearly) == ("b", False)


def test_the_first_of_equals_is_best():
    assert score_presets({"a": answers(90), "b": answers(90)}, LABELS).best == "a"


def test_scores_that_are_not_finite_lose():
    score = score_presets({"a": answers(100, finite=False), "b": answers(60)}, LABELS)
    assert (score.best, score.clearly) == ("b", True)
    assert score.accuracies["a"] == 0


def test_needs_a_preset():
    with pytest.raises(ValueError, match="empty"):
        score_presets({}, LABELS)

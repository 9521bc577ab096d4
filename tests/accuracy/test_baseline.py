import numpy as np
import pytest

from core.accuracy import Predictions, check_baseline
from core.accuracy.baseline import chance_accuracy


def check(answers, labels, finite=True, expected=None):
    classes = int(max(np.max(answers), np.max(labels))) + 1
    predictions = Predictions(tuple(int(a) for a in answers), finite, classes)
    return check_baseline(predictions, labels, classes, expected_accuracy=expected)


def codes(findings):
    return [(finding.severity, finding.code) for finding in findings]


@pytest.fixture
def labels():
    return np.random.default_rng(3).integers(0, 10, size=400)


def mostly(right, labels, seed=4):
    """The right class with probability ``right``, any class otherwise."""
    rng = np.random.default_rng(seed)
    other = rng.integers(0, labels.max() + 1, size=len(labels))
    return np.where(rng.random(len(labels)) < right, labels, other)


@pytest.mark.parametrize("right", [0.2, 0.5, 0.9, 1.0])
def test_a_model_that_knows_something_is_plausible(right, labels):
    assert check(mostly(right, labels), labels) == ()


def test_guessing_is_not(labels):
    findings = check(mostly(0.0, labels), labels)
    assert codes(findings) == [("error", "chance_level")]
    assert "preprocessing finder" in findings[0].sentence


def test_guessing_by_class_frequency_is_not_either():
    """Right on 82% of the samples, as chance is where nine in ten are of one class."""
    rng = np.random.default_rng(5)
    answers, labels = rng.random((2, 1000)) < 0.1
    assert codes(check(answers.astype(int), labels.astype(int))) == [("error", "chance_level")]


def test_a_detector_of_a_rare_class_is_plausible_but_noted():
    """Fewer right answers than always saying "no", yet far from chance: recall was bought."""
    labels = np.r_[np.ones(30, int), np.zeros(970, int)]
    answers = np.r_[np.ones(28, int), np.zeros(2, int), np.ones(60, int), np.zeros(910, int)]
    assert codes(check(answers, labels)) == [("warning", "below_majority")]


def test_one_class_always(labels):
    findings = check(np.full(400, 3), labels)
    assert codes(findings) == [("error", "constant_prediction")]
    assert "always answers class 3" in findings[0].sentence


def test_nan(labels):
    assert codes(check(labels, labels, finite=False)) == [("error", "not_finite")]


def test_labels_one_off(labels):
    findings = check(mostly(0.95, labels), labels + 1)
    assert codes(findings) == [("error", "class_order")]
    assert "each label is 1 above" in findings[0].sentence


def test_alphabetic_class_order():
    """Folders named 0 .. 11, read as 0, 1, 10, 11, 2 ...: only two classes keep their place."""
    order = np.array(sorted(range(12), key=str))
    labels = np.random.default_rng(6).integers(0, 12, size=600)
    findings = check(order[mostly(0.9, labels)], labels)
    assert codes(findings) == [("error", "class_order")]
    assert "best match of classes" in findings[0].sentence


def test_chance_never_looks_like_a_class_order():
    """Many classes, few samples: the best order of noise must not be believed."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        answers, labels = rng.integers(0, 50, size=(2, 100))
        assert "class_order" not in [f.code for f in check(answers, labels)]


def right_on(share, labels):
    """Right on exactly this share of the samples, elsewhere one class off."""
    off = (labels + 1 + np.arange(len(labels)) % (labels.max() - 1)) % (labels.max() + 1)
    return np.where(np.arange(len(labels)) < round(share * len(labels)), labels, off)


@pytest.mark.parametrize(
    ("share", "expected", "code"),
    [
        (0.80, None, []),
        (0.80, 0.83, []),  # within 3 points
        (0.80, 0.845, []),  # 400 samples of a model of 84.5% may show 80%
        (0.80, 0.86, [("error", "below_expected")]),
        (0.80, 0.72, [("warning", "above_expected")]),
        (0.80, 0.75, []),
        (1.00, 0.90, [("warning", "above_expected")]),
        (0.90, 1.00, [("error", "below_expected")]),
    ],
)
def test_far_from_what_the_user_expects(labels, share, expected, code):
    assert codes(check(right_on(share, labels), labels, expected=expected)) == code


def test_a_small_gap_is_no_matter_however_many_samples_show_it():
    labels = np.random.default_rng(8).integers(0, 10, size=100_000)
    assert check(right_on(0.80, labels), labels, expected=0.82) == ()


def test_expected_accuracy_is_said_in_the_sentence(labels):
    (finding,) = check(right_on(0.70, labels), labels, expected=0.92)
    assert "right on 280 of 400 samples (70%), far below the 92% you expect" in finding.sentence


def test_chance_accuracy():
    assert chance_accuracy(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1])) == pytest.approx(0.5)

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.accuracy import Predictions, gate_together, shares_samples
from core.accuracy.bounds import drop_upper
from core.accuracy.holm import step_confidence
from core.accuracy.planner import least_samples
from core.accuracy.shared_gate import holm_steps
from core.records import Policy, Splits

SAMPLES = 500


def answers(lost=0, won=0):
    """Wrong on the first ``lost`` samples, right on the last ``won`` that the baseline misses."""
    classes = np.zeros(SAMPLES, dtype=int)
    classes[SAMPLES - 20 : SAMPLES - won] = 1
    classes[:lost] = 1
    return Predictions(tuple(classes.tolist()), True, 2)


def gate(candidates, **more):
    labels = np.zeros(SAMPLES, dtype=int)
    return gate_together(
        labels, answers(), candidates, threshold_points=1.0, confidence=0.95, **more
    )


@pytest.mark.parametrize(
    ("search", "confirm", "candidates", "shared"),
    [
        (100, 299, 2, False),  # confirm is enough by itself
        (100, 298, 2, True),  # 368 samples prove one point at 97.5%
        (60, 298, 2, False),
        (60, 298, 1, True),
        (200, 298, 0, False),
    ],
)
def test_only_where_confirm_alone_is_too_small_and_both_are_enough(
    search, confirm, candidates, shared
):
    splits = Splits(calibration=100, search=search, confirm=confirm)
    assert shares_samples(splits, Policy(), candidates) is shared


def test_never_where_nothing_can_be_proven():
    splits = Splits(calibration=100, search=5000, confirm=100)
    assert not shares_samples(splits, Policy(max_drop_points=0.0), 2)


def test_steps_are_holms():
    found = gate({"bad": answers(lost=30), "same": answers(), "better": answers(won=3)})
    assert list(found) == ["bad", "same", "better"]
    assert {row.split for row in found.values()} == {"search+confirm"}
    assert found["better"].confidence == pytest.approx(1 - 0.05 / 3)
    assert found["same"].confidence == pytest.approx(1 - 0.05 / 2)
    assert found["bad"].confidence == pytest.approx(0.95)
    assert [row.gate for row in found.values()] == ["fail", "pass", "pass"]


def test_nobody_passes_after_the_first_that_does_not():
    found = gate({"a": answers(lost=2), "b": answers(lost=2), "c": answers(lost=3)})
    assert {row.confidence for row in found.values()} == {1 - 0.05 / 3}
    assert {row.gate for row in found.values()} == {"undecided"}


def test_bounds_are_those_of_the_step():
    found = gate({"same": answers(), "lost": answers(lost=1)})
    for name, flips in (("same", (0, 0)), ("lost", (1, 0))):
        row = found[name]
        assert row.drop_points.high == 100 * drop_upper(*flips, SAMPLES, row.confidence)


def test_candidates_that_are_left_out_still_count():
    found = gate({"same": answers()}, made=6)
    assert found["same"].confidence == pytest.approx(1 - 0.05 / 6)


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4),
    st.sampled_from([700, 1000, 1500]),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_a_gate_is_what_its_own_bound_says_and_follows_the_better_ones(flips, samples, threshold):
    rows = {str(i): counts for i, counts in enumerate(flips)}
    steps = holm_steps(rows, samples, threshold, 0.95)
    lefts = range(1, len(rows) + 1)
    assume(all(samples >= least_samples(threshold, step_confidence(0.95, n)) for n in lefts))
    passed = [name for name in rows if steps[name].drop_points.high <= threshold]
    assert passed == [name for name in rows if steps[name].gate == "pass"]
    levels = [step_confidence(0.95, left) for left in range(len(rows), 0, -1)]
    assert sorted(steps[name].confidence for name in passed) == levels[: len(passed)][::-1]
    last = {steps[name].confidence for name in rows if name not in passed}
    assert last == set(levels[len(passed) : len(passed) + 1])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 12), st.integers(0, 12), st.sampled_from([60, 300]))
def test_bounds_rise_with_confidence(lost, won, samples):
    """Holm's proof rests on it, and bounds at a single confidence do not always do it."""
    rows = [
        holm_steps({"one": (lost, won)}, samples, 0.0, 0.95, made)["one"] for made in range(1, 13)
    ]
    assert (np.diff([row.drop_points.high for row in rows]) >= 0).all()
    assert (np.diff([row.drop_points.low for row in rows]) <= 0).all()

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.accuracy.holm import adjust, step_confidence

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_textbook_example():
    assert adjust([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))


@given(P_VALUES, st.floats(0.001, 0.2))
def test_adjusted_values_are_the_steps(p_values, level):
    """Rejected exactly where the procedure as Holm words it, step by step, rejects."""
    rejected = set()
    for step, position in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[position] * (len(p_values) - step) > level:
            break
        rejected.add(int(position))
    assert {i for i, p in enumerate(adjust(p_values)) if p <= level} == rejected


@given(P_VALUES)
def test_between_the_p_value_and_bonferroni(p_values):
    for p, adjusted in zip(p_values, adjust(p_values), strict=True):
        assert p <= adjusted <= min(1.0, len(p_values) * p)


def test_no_hypotheses():
    assert adjust([]) == ()


def test_the_first_step_is_bonferroni_and_the_last_alone():
    assert step_confidence(0.95, 5) == pytest.approx(0.99)
    assert step_confidence(0.95, 1) == pytest.approx(0.95)

"""Rounds to add: the square-root law applied, and the same rules as where it is measured."""

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.decision import rounds
from core.measurement.schedule import runs_wanted
from core.measurement.summary import check_itself
from core.records import AACheck, Ratio


def test_efforts_make_the_runs_that_are_planned_with():
    assert {effort: runs_wanted(effort) for effort in rounds.RUNS} == rounds.RUNS


@given(st.floats(1.101, 3), st.floats(0, 0.9), st.integers(20, 5000))
def test_the_interval_narrowed_by_these_runs_is_above_the_limit(ratio, below, runs):
    speedup = Ratio(ratio=ratio, low=1.1 - below, high=ratio + 1)
    needed = rounds.runs_needed(speedup, runs, 1.1)
    assert ratio - (ratio - speedup.low) * sqrt(runs / needed) > 1.1
    # And not by many more than it takes.
    fewer = needed * 0.98 - 2
    if fewer >= runs:
        assert ratio - (ratio - speedup.low) * sqrt(runs / fewer) <= 1.1


def narrowed(check, runs, needed):
    share = sqrt(runs / needed)
    return (
        check.ratio - (check.ratio - check.low) * share,
        check.ratio + (check.high - check.ratio) * share,
    )


def passes(ratio, low, high):
    return low >= 0.95 and high <= 1.05 and (low <= 1 <= high or abs(ratio - 1) <= 0.01)


@given(st.floats(0.9, 1.1), st.floats(0, 0.3), st.floats(0, 0.3), st.integers(20, 5000))
def test_an_aa_check_passes_with_the_runs_it_needs(ratio, below, above, runs):
    check = AACheck(ratio=ratio, low=ratio - below, high=ratio + above, passed=False)
    if passes(check.ratio, check.low, check.high):
        return
    needed = rounds.aa_runs_needed(check, runs)
    if needed is not None:
        assert needed > runs
        assert passes(ratio, *narrowed(check, runs, needed))
    elif 0.951 < ratio < 1.049:
        # Nothing narrower passes, either: tried over a wide range.
        tried = (runs * 1.01**step for step in range(2500))
        assert not any(passes(ratio, *narrowed(check, runs, more)) for more in tried)


def test_the_rules_of_the_aa_check_are_those_it_is_made_with():
    random = np.random.default_rng(3)
    for shift in np.linspace(-0.07, 0.07, 29):
        for spread in (0.001, 0.05, 0.4):
            once = np.exp(random.normal(0, spread, (5, 6, 10)))
            again = np.exp(random.normal(shift, spread, (5, 6, 10)))
            draws = random.integers(30, size=(200, 30))
            check = check_itself(once, again, draws)
            assert check.passed == passes(check.ratio, check.low, check.high)


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (300, "the quick effort, which makes 300 runs"),
        (301, "the standard effort, which makes 1,000 runs"),
        (5000, "the thorough effort, which makes 5,000 runs"),
        (5010, "on this one it takes about 5,010 runs, and the thorough effort makes 5,000."),
        (10**9, "on this one it takes more than 1,000,000 runs"),
    ],
)
def test_the_effort_that_makes_so_many_runs_is_named(runs, words):
    assert words in rounds.where(runs)

"""The bounds on the drop: published intervals, independent computation, exact error rates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import multinomial

from core.accuracy.bounds import (
    at_most_as_bad,
    drop_lower,
    drop_upper,
    passing_outcomes,
    probability,
    tango_statistic,
    tango_upper,
)


@pytest.mark.parametrize(
    ("b", "c", "n", "low", "high", "digits"),
    [
        # Tango (1998), section 6.2: the sleeping difficulties of Karacan et al. (1976).
        (9, 3, 32, -0.027, 0.390, 3),
        # Fagerland, Lydersen and Laake (2014): airway reactivity before and after stem cell
        # transplantation (Bentur et al. 2009), and complete response (Cavo et al. 2012).
        (1, 7, 21, -0.517, -0.026, 3),
        (6, 16, 161, -0.1240, -0.0054, 4),
    ],
)
def test_tango_intervals_are_the_published_ones(b, c, n, low, high, digits):
    assert round(-tango_upper(c, b, n, 0.975), digits) == low
    assert round(tango_upper(b, c, n, 0.975), digits) == high


@pytest.mark.parametrize(
    ("b", "c", "n", "drop"),
    [(9, 3, 32, 0.1), (0, 4, 200, 0.02), (5, 0, 300, 0.01), (12, 30, 900, -0.05), (0, 0, 50, 0.03)],
)
def test_statistic_matches_likelihood_maximised_numerically(b, c, n, drop):
    """The closed form against a search over the restricted trinomial likelihood."""

    def minus_log_likelihood(q: float) -> float:
        rates = (q + drop, q, 1 - 2 * q - drop)
        counts = (b, c, n - b - c)
        return -sum(k * math.log(max(p, 1e-300)) for k, p in zip(counts, rates, strict=True) if k)

    least = max(0.0, -drop)
    found = minimize_scalar(
        minus_log_likelihood,
        bounds=(least, (1 - drop) / 2),
        method="bounded",
        options={"xatol": 1e-12},
    )
    edge = least if minus_log_likelihood(least) <= found.fun else found.x
    expected = (b - c - n * drop) / math.sqrt(n * (2 * edge + drop * (1 - drop)))
    assert float(tango_statistic(b, c, n, drop)) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("n", [60, 100, 299, 1000])
def test_no_flips_give_the_exact_binomial_bound(n):
    assert drop_upper(0, 0, n, 0.95) == pytest.approx(1 - 0.05 ** (1 / n), abs=1e-7)


def test_with_many_flips_the_bound_is_tangos():
    tango = tango_upper(60, 50, 1000, 0.95)
    assert drop_upper(60, 50, 1000, 0.95) == pytest.approx(tango, rel=0.01)


def test_design_figures():
    assert round(100 * drop_upper(0, 0, 100, 0.95), 2) == 2.95
    assert drop_upper(0, 0, 299, 0.95) <= 0.01 < drop_upper(0, 0, 298, 0.95)


def test_tango_alone_would_pass_too_many():
    """Why the bounds are not Tango's own: at a true drop of one point 6.8% pass, not 5%."""
    outcomes = at_most_as_bad(0.01, 268, 0.95)
    assert probability(outcomes, 268, 0.01, 0.0)[0] == pytest.approx(0.99**268)
    assert 0.99**268 > 0.067


@pytest.mark.parametrize("n", [100, 133, 268, 300, 600, 1000])
@pytest.mark.parametrize("threshold", [0.005, 0.01, 0.02, 0.05])
def test_gate_passes_at_most_5_percent_at_the_threshold(n, threshold):
    """Exact enumeration at a true drop equal to the threshold, flip rates up to 15% and more."""
    won = np.concatenate([np.linspace(0, 0.01, 101), np.linspace(0.01, 0.2, 96)])
    passing = probability(passing_outcomes(threshold, n, 0.95), n, won + threshold, won)
    assert passing.max() <= 0.05 + 1e-4


def test_passing_outcomes_are_those_whose_bound_is_within_the_threshold():
    n, threshold = 300, 0.02
    outcomes = passing_outcomes(threshold, n, 0.95)
    for c in range(12):
        for b in range(12):
            bound = drop_upper(b, c, n, 0.95)
            assert (b <= outcomes[c]) == (bound <= threshold), (b, c, bound)


def test_probability_matches_the_multinomial():
    n, lost, won = 40, 0.07, 0.04
    outcomes = at_most_as_bad(0.1, n, 0.95)
    expected = sum(
        multinomial.pmf([b, c, n - b - c], n, [lost, won, 1 - lost - won])
        for c in range(n + 1)
        for b in range(int(outcomes[c]) + 1)
    )
    assert probability(outcomes, n, lost, won)[0] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("n", "lost", "won"), [(150, 0.03, 0.01), (500, 0.01, 0.002), (300, 0.02, 0.03)]
)
def test_each_end_covers_the_true_drop_in_95_percent(n, lost, won):
    rng = np.random.default_rng(0)
    draws = rng.multinomial(n, [lost, won, 1 - lost - won], size=300)
    ends = np.array([(drop_lower(b, c, n, 0.95), drop_upper(b, c, n, 0.95)) for b, c, _ in draws])
    allowed = 0.95 - 3 * math.sqrt(0.05 * 0.95 / len(draws))
    assert np.mean(ends[:, 1] >= lost - won) >= allowed
    assert np.mean(ends[:, 0] <= lost - won) >= allowed


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 400), st.data())
def test_more_lost_raises_and_more_won_lowers_the_bounds(n, data):
    b = data.draw(st.integers(0, n - 1))
    c = data.draw(st.integers(0, n - 1 - b))
    for bound in (drop_lower, drop_upper):
        assert bound(b + 1, c, n, 0.95) >= bound(b, c, n, 0.95) - 1e-8
        assert bound(b, c + 1, n, 0.95) <= bound(b, c, n, 0.95) + 1e-8
    assert drop_lower(b, c, n, 0.95) <= (b - c) / n <= drop_upper(b, c, n, 0.95)


@pytest.mark.parametrize(("b", "c"), [(5, 0), (0, 5), (5, 5), (10, 0), (0, 10), (0, 0)])
def test_ends_of_the_range(b, c):
    assert -1 <= drop_lower(b, c, 10, 0.95) <= drop_upper(b, c, 10, 0.95) <= 1

import numpy as np
import pytest
from scipy.stats import bootstrap

from core.accuracy.bootstrap import bootstrap_interval

COUNTS = np.array([60, 9, 4, 27])
NOTHING = np.zeros(4)


def drop(counts):
    return (counts[:, 1] - counts[:, 2]) / np.maximum(counts.sum(axis=1), 1)


def skewed(counts):
    """A ratio of two shares: far from symmetric on few samples."""
    return (counts[:, 1] + counts[:, 3]) / (counts[:, 2] + counts[:, 1] + 1)


@pytest.mark.parametrize("statistic", [drop, skewed])
@pytest.mark.parametrize("confidence", [0.95, 0.975])
def test_drawing_cells_is_drawing_samples(statistic, confidence):
    """Against scipy's BCa of the samples one by one, and its jackknife."""
    samples = np.repeat(np.arange(4), COUNTS)

    def of_samples(resampled, axis):
        counts = [(resampled == cell).sum(axis=axis) for cell in range(4)]
        return statistic(np.stack(counts, axis=-1).reshape(-1, 4)).reshape(counts[0].shape)

    expected = bootstrap(
        (samples,),
        of_samples,
        confidence_level=2 * confidence - 1,
        n_resamples=9999,
        batch=500,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = bootstrap_interval(statistic, COUNTS, NOTHING, confidence)
    # The resamples' steps and Monte-Carlo error; BCa differs from the percentiles by more.
    assert found == pytest.approx((expected.low, expected.high), abs=0.06 * np.ptp(expected))


def test_the_same_each_time():
    assert bootstrap_interval(drop, COUNTS, NOTHING, 0.95) == bootstrap_interval(
        drop, COUNTS, NOTHING, 0.95
    )


def test_what_is_unseen_widens_the_interval_and_moves_nothing():
    counts = np.array([600, 8, 8, 84])
    low, high = bootstrap_interval(drop, counts, NOTHING, 0.95)
    wider_low, wider_high = bootstrap_interval(drop, counts, np.array([0, 3.0, 3.0, 0]), 0.95)
    assert wider_low < low < 0 < high < wider_high
    assert (wider_low + wider_high) / 2 == pytest.approx((low + high) / 2, abs=0.002)


def test_percentiles_where_nothing_skews_or_varies():
    assert bootstrap_interval(drop, np.array([7, 0, 0, 0]), NOTHING, 0.95) == (0.0, 0.0)


def test_many_cells_go_without_the_jackknife():
    counts = np.ones(1500, dtype=np.int64)
    sign = np.where(np.arange(1500) < 100, 1, np.where(np.arange(1500) < 150, -1, 0))
    low, high = bootstrap_interval(lambda k: k @ sign / 1500, counts, np.zeros(1500), 0.95)
    error = 1.645 * np.sqrt(150 / 1500**2)
    assert (low, high) == pytest.approx((50 / 1500 - error, 50 / 1500 + error), abs=0.2 * error)

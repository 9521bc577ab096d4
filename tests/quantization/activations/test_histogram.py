import numpy as np
import pytest

from core.quantization.activations.histogram import BINS, Histogram


def add(histogram: Histogram, values: np.ndarray) -> None:
    histogram.add(values, float(values.min()), float(values.max()))


def test_counts_are_exact_however_far_the_values_reach() -> None:
    rng = np.random.default_rng(0)
    parts = [(rng.standard_normal(500) * scale).astype(np.float32) for scale in (1e-4, 3, 0.2, 700)]
    histogram = Histogram()
    for part in parts:
        add(histogram, part)
    every = np.concatenate(parts)
    counts, _ = np.histogram(every.astype(np.float64), histogram.edges)
    np.testing.assert_array_equal(histogram.counts, counts)
    assert histogram.reach / 2 <= np.abs(every).max() * 1.001 < histogram.reach


def test_the_order_of_the_values_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    parts = [(rng.standard_normal(300) * scale).astype(np.float32) for scale in (1, 50, 0.01)]
    there, back = Histogram(), Histogram()
    for part in parts:
        add(there, part)
    for part in reversed(parts):
        add(back, part)
    np.testing.assert_array_equal(there.counts, back.counts)


@pytest.mark.parametrize("scales", [(1, 50), (50, 1), (0.01, 0.01)])
def test_two_streams_add_up_to_one(scales: tuple[float, float]) -> None:
    rng = np.random.default_rng(3)
    whole, *streams = Histogram(), Histogram(), Histogram()
    for stream, scale in zip(streams, scales, strict=True):
        values = (rng.standard_normal(400) * scale).astype(np.float32)
        add(stream, values)
        add(whole, values)
    first, second = streams
    first.merge(second)
    first.merge(Histogram())
    assert first.reach == whole.reach
    np.testing.assert_array_equal(first.counts, whole.counts)


def test_zeros_and_the_largest_float_have_their_place() -> None:
    histogram = Histogram()
    add(histogram, np.zeros(7, np.float32))
    add(histogram, np.array([-1.0, 1.0], np.float32))
    add(histogram, np.array([9e29], np.float32))
    assert histogram.counts.sum() == 10
    assert histogram.counts[BINS // 2 - 1 : BINS // 2 + 1].sum() == 9


@pytest.mark.parametrize("tail", [3e-5, 5e-4])
def test_tails_of_large_arrays_are_counted_in_full(tail: float) -> None:
    rng = np.random.default_rng(2)
    parts = [rng.standard_t(4, 40_000).astype(np.float32) for _ in range(100)]
    parts[0] *= 3  # as one image that is unlike all others
    histogram = Histogram()
    for part in parts:
        add(histogram, part)
    every = np.concatenate(parts)
    low, high = np.quantile(every, [tail, 1 - tail])
    edges = histogram.edges
    for inside in (edges[1:] <= low, edges[:-1] >= high):
        found = every[(every >= edges[:-1][inside].min()) & (every < edges[1:][inside].max())]
        assert histogram.counts[inside].sum() == found.size


def test_between_the_tails_a_sample_stands_for_the_rest() -> None:
    """Also where the values repeat with the width of an image."""
    rows = np.tile(np.linspace(-1, 1, 64, dtype=np.float32), 600)
    histogram, once = Histogram(), Histogram()
    add(once, rows)
    for _ in range(100):
        add(histogram, rows)
    share = np.cumsum(histogram.counts) / histogram.counts.sum()
    middle = np.interp([-0.5, 0.0, 0.5], histogram.edges[1:], share)
    np.testing.assert_allclose(middle, [0.25, 0.5, 0.75], atol=0.01)
    assert histogram.counts.sum() == 100 * rows.size
    assert not (histogram.counts == 100 * once.counts).all()

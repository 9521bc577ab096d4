import numpy as np
import pytest
from onnxruntime.quantization.calibrate import HistogramCollector

from core.quantization.activations.histogram import Histogram
from core.quantization.activations.observe import Activation
from core.quantization.activations.ranges import (
    activation_range,
    entropy_range,
    mse_range,
    symmetric_histogram,
)

SHAPES = ["normal", "heavy", "relu", "silu"]


def draw(shape: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(30_000)
    values = {
        "normal": normal,
        "heavy": rng.standard_t(3, 30_000),
        "relu": np.maximum(normal - 0.5, 0),
        "silu": 3 * normal / (1 + np.exp(-3 * normal)),
    }[shape]
    return values.astype(np.float32)


def observed(values: np.ndarray) -> Activation:
    activation = Activation(histogram=Histogram())
    activation.add(values, may_be_masked=False)
    return activation


def squared_error(values: np.ndarray, low: float, high: float) -> float:
    """Of unsigned 8-bit quantization as onnxruntime does it."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    levels = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float((((levels - zero) * scale - values) ** 2).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_no_other_clip_points_have_much_less_squared_error(shape: str) -> None:
    values = draw(shape)
    found = activation_range(observed(values), "mse")
    lows = np.linspace(0, 1, 40)[1:] * values.min() if values.min() < 0 else [0.0]
    highs = np.linspace(0, 1, 40)[1:] * values.max()
    best = min(squared_error(values, low, high) for low in lows for high in highs)
    assert squared_error(values, *found) < 1.03 * best
    assert squared_error(values, *found) <= squared_error(values, values.min(), values.max())


@pytest.mark.parametrize("shape", SHAPES)
def test_entropy_is_onnxruntimes(shape: str) -> None:
    values = draw(shape)
    activation = observed(values)
    assert activation.histogram is not None
    ends = activation.lowest, activation.highest
    counts, edges = symmetric_histogram(activation.histogram, *ends, bins=512)
    collector = HistogramCollector("entropy", False, 512, 128, 99.99, "same")
    limits = (np.float32(edges[0]), np.float32(edges[-1]))
    histogram = (counts.astype(np.int64), edges.astype(np.float32), *limits)
    wanted = collector.get_entropy_threshold(histogram, 128)
    np.testing.assert_allclose(entropy_range(counts, edges, step=1), wanted, rtol=1e-5)


@pytest.mark.parametrize("method", ["percentile", "entropy", "mse"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_range_stays_within_the_values(method, shape) -> None:
    activation = observed(draw(shape))
    low, high = activation_range(activation, method)
    assert activation.lowest <= low < high <= activation.highest


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy", "mse"])
@pytest.mark.parametrize("value", [0.0, 2.5, -1e-6])
def test_a_constant_is_its_own_range(method, value) -> None:
    found = activation_range(observed(np.full(100, value, np.float32)), method)
    np.testing.assert_allclose(found, (value, value))


def test_nothing_seen_is_nothing() -> None:
    assert activation_range(Activation(histogram=Histogram()), "percentile") == (0.0, 0.0)


def test_percentile_cuts_the_same_share_on_both_sides() -> None:
    values = np.linspace(-4, 4, 100_001, dtype=np.float32)[:30_000]
    low, high = activation_range(observed(values), "percentile", 90.0)
    np.testing.assert_allclose((low, high), np.quantile(values, [0.05, 0.95]), atol=0.002)


def test_mse_of_values_on_one_side() -> None:
    for sign in (1, -1):
        low, high = activation_range(observed(sign * (2 + draw("relu"))), "mse")
        assert low < high
        assert low * high > 0
        assert mse_range(Histogram(1.0), -1.0, 1.0) == pytest.approx((-1 / 128, 1 / 128))

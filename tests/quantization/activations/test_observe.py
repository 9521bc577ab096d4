from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnxruntime.quantization.calibrate import CalibrationMethod, create_calibrator

from core.quantization.activations.masks import MARGIN
from core.quantization.activations.observe import Activation, observe
from core.quantization.activations.ranges import activation_range
from core.quantization.calibration import CalibrationSamples
from core.quantization.preprocess import preprocess
from tests.quantization.activations.test_taps import plainly
from tests.quantization.digits import Classifier, GraphBuilder

FIXTURES = Path(__file__).parents[2] / "fixtures"
Feeds = dict[str, np.ndarray]


class Samples(CalibrationSamples):
    """Calibration samples that a test makes."""

    def __init__(self, feeds: list[Feeds], name: str = "test") -> None:
        self._feeds, self._name, self._position = feeds, name, 0

    @property
    def identity(self) -> str:
        return self._name

    def get_next(self) -> Feeds | None:
        self._position += 1
        return next(iter(self._feeds[self._position - 1 :]), None)


class NeverRead(Samples):
    def get_next(self) -> Feeds | None:
        raise AssertionError("the samples were read again")


def images(count: int, *shape: int) -> list[Feeds]:
    rng = np.random.default_rng(0)
    return [{"images": rng.random((1, *shape), np.float32)} for _ in range(count)]


def token_feeds(count: int) -> Iterator[Feeds]:
    with np.load(FIXTURES / "tokens.npz") as data:
        for row in range(count):
            yield {name: data[name][row : row + 1] for name in ("input_ids", "attention_mask")}


def save(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "prepared.onnx"
    onnx.save(model, path)
    return path


def range_of(activation: Activation) -> tuple[float, float]:
    return activation.lowest, activation.highest


def calibrated(path: Path, feeds: list[Feeds], folder: Path) -> dict[str, tuple[float, float]]:
    """What onnxruntime's own calibrator says."""
    calibrator = create_calibrator(path, None, str(folder / "augmented.onnx"))
    calibrator.collect_data(Samples(feeds))
    return {
        name: (np.asarray(data.lowest).item(), np.asarray(data.highest).item())
        for name, data in calibrator.compute_data().items()
    }


@pytest.mark.parametrize("name", ["excited", "plain", "recurrent"])
@pytest.mark.parametrize("histograms", [False, True])
def test_ranges_are_those_of_onnxruntime(
    name: str, histograms: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    classifier: Classifier = request.getfixturevalue(name)
    model = preprocess(classifier.path)
    shape = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    path, feeds = save(model, tmp_path), images(12, *shape)
    found = observe(path, Samples(feeds), tmp_path / "seen", histograms=histograms)
    wanted = calibrated(path, feeds, tmp_path)
    quantizable = [tensor for tensor in wanted if tensor in found]
    assert len(quantizable) > 0.8 * len(wanted)
    for tensor in quantizable:
        low, high = wanted[tensor]
        step = max(high - low, 1e-6) / 255
        np.testing.assert_allclose(range_of(found[tensor]), (low, high), atol=0.01 * step)


def activations() -> onnx.ModelProto:
    """Every activation function whose results are derived, after one convolution each."""
    net = GraphBuilder()
    six, less = net.constant(np.float32(6)), net.constant(np.float32(-0.5))

    def layer() -> str:
        return net.add("Mul", net.conv("images", 1, 16), net.constant(np.float32(3)))

    gated = layer()
    results = [
        net.add("Relu", layer()),
        net.add("Clip", layer(), less, six),
        net.add("Clip", layer(), "", six),
        net.add("Tanh", layer()),
        net.add("HardSwish", layer()),
        net.silu(layer()),
        net.add("Mul", net.add("HardSigmoid", gated, alpha=0.25, beta=0.4), gated),
    ]
    flat = [net.add("Flatten", result, axis=1) for result in results]
    return net.model({"images": ["batch", 1, 16, 16]}, flat[-1], 16 * 256)


def test_what_follows_from_another_tensor_is_what_it_holds(tmp_path: Path) -> None:
    model = onnx.shape_inference.infer_shapes(activations())
    path, feeds = save(model, tmp_path), images(8, 1, 16, 16)
    found = observe(path, Samples(feeds), tmp_path / "seen", histograms=True)
    names = [node.output[0] for node in model.graph.node]
    assert set(names) <= set(found)
    runs = [plainly(model, names, feed) for feed in feeds]
    for name in names:
        every = np.concatenate([values[name].ravel() for values in runs])
        step = (every.max() - every.min()) / 255
        activation = found[name]
        np.testing.assert_allclose(
            range_of(activation), (every.min(), every.max()), atol=0.05 * step, err_msg=name
        )
        wanted = np.quantile(every, [0.02, 0.98])
        got = activation_range(activation, "percentile", 96.0)
        np.testing.assert_allclose(got, wanted, atol=step, err_msg=name)
        assert activation.histogram is not None
        assert activation.histogram.counts.sum() == every.size


def test_another_recipe_does_not_run_the_model_again(excited: Classifier, tmp_path: Path) -> None:
    path, feeds = save(preprocess(excited.path), tmp_path), images(3, 1, 16, 16)
    first = observe(path, Samples(feeds), tmp_path / "seen", histograms=True)
    again = observe(path, NeverRead([]), tmp_path / "seen", histograms=False)
    assert list(map(range_of, first.values())) == list(map(range_of, again.values()))
    for name, activation in first.items():
        other = again[name].histogram
        assert activation.histogram is not None
        assert other is not None
        np.testing.assert_array_equal(activation.histogram.counts, other.counts)


def test_other_samples_or_a_missing_histogram_do(excited: Classifier, tmp_path: Path) -> None:
    path = save(preprocess(excited.path), tmp_path)
    feeds = images(2, 1, 16, 16)
    observe(path, Samples(feeds), tmp_path / "seen", histograms=False)
    for samples, histograms in ((NeverRead([], "other"), False), (NeverRead([]), True)):
        with pytest.raises(AssertionError, match="read again"):
            observe(path, samples, tmp_path / "seen", histograms=histograms)


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy", "mse"])
def test_an_attention_mask_does_not_stretch_a_range(method: Any, tmp_path: Path) -> None:
    path = save(preprocess(FIXTURES / "transformer_digits.onnx"), tmp_path)
    feeds = list(token_feeds(30))
    wanted = calibrated(path, feeds, tmp_path)
    masked = [name for name, (low, _) in wanted.items() if low < -5_000]
    assert masked
    found = observe(path, Samples(feeds), tmp_path / "seen", histograms=True)
    for name, activation in found.items():
        low, high = activation_range(activation, method)
        assert low > -100
        assert high < 100
        if name in masked:
            assert activation.masked
            assert low <= activation.highest - MARGIN


def test_a_model_with_much_to_watch_is_watched_in_parts(
    excited: Classifier, tmp_path: Path
) -> None:
    path, feeds = save(preprocess(excited.path), tmp_path), images(5, 1, 16, 16)
    whole = observe(path, Samples(feeds), tmp_path / "whole", histograms=True)
    parts = observe(path, Samples(feeds), tmp_path / "parts", histograms=True, most_values=20_000)
    assert whole.keys() == parts.keys()
    for name, activation in whole.items():
        # What onnxruntime fuses depends on what is watched.
        np.testing.assert_allclose(range_of(activation), range_of(parts[name]), atol=1e-4)


def test_infinite_and_undefined_values_are_no_part_of_a_range() -> None:
    activation = Activation()
    values = [-np.inf, -2.0, 3.0, np.nan, np.inf, np.finfo(np.float32).max]
    activation.add(np.array(values, np.float32), may_be_masked=False)
    activation.add(np.array([np.nan], np.float32), may_be_masked=False)
    activation.add(np.array([], np.float32), may_be_masked=False)
    assert range_of(activation) == (-2.0, 3.0)


def test_large_values_stay_where_no_softmax_reads_them() -> None:
    activation = Activation()
    activation.add(np.array([-20_000.0, 1.0], np.float32), may_be_masked=False)
    assert range_of(activation) == (-20_000.0, 1.0)


def test_a_percentile_is_onnxruntimes_within_one_bin(plain: Classifier, tmp_path: Path) -> None:
    path, feeds = save(preprocess(plain.path), tmp_path), images(20, 1, 16, 16)
    options = {"symmetric": False, "percentile": 99.9, "num_bins": 2048}
    augmented = str(tmp_path / "augmented.onnx")
    calibrator = create_calibrator(
        path, None, augmented, CalibrationMethod.Percentile, extra_options=options
    )
    calibrator.collect_data(Samples(feeds))
    found = observe(path, Samples(feeds), tmp_path / "seen", histograms=True)
    for name, data in calibrator.compute_data().items():
        bin_width = max(-found[name].lowest, found[name].highest) / 1024
        got = activation_range(found[name], "percentile", 99.9)
        np.testing.assert_allclose(got, (data.lowest, data.highest), atol=1.001 * bin_width)

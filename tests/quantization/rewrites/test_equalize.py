from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest

from core.quantization.graph import Graph
from core.quantization.preprocess import preprocess
from core.quantization.rewrites.equalize import equalize
from core.quantization.rewrites.layer_weights import LAYERS, LayerWeights
from core.records import BadInput
from tests.quantization.digits import GraphBuilder, run

MODELS = Path(__file__).parents[3]
IMAGES = np.random.default_rng(0).standard_normal((4, 1, 16, 16)).astype(np.float32)
CHANNELS = 8


def layers(model: onnx.ModelProto) -> list[LayerWeights]:
    graph = Graph(model)
    found = [LayerWeights.of(graph, node) for node in graph.nodes if node.op_type in LAYERS]
    return [layer for layer in found if layer is not None]


def spread(ranges: np.ndarray) -> float:
    """The largest channel's range over the least one's."""
    return float(ranges.max() / ranges.min())


def precision(first: LayerWeights, second: LayerWeights) -> float:
    """What equalisation maximises: a channel's part of the range in both layers, on average."""
    parts = first.output_ranges(), second.input_ranges()
    return float(np.mean(np.prod([part / part.max() for part in parts], axis=0)))


def between(net: GraphBuilder, x: str) -> onnx.ModelProto:
    """A model that ends in a convolution of ``x`` and a classifier."""
    pooled = net.add("GlobalAveragePool", net.add("Sigmoid", net.conv(x, CHANNELS, CHANNELS)))
    logits = net.add(
        "Gemm", net.add("Flatten", pooled, axis=1), net.constant(net.normal(CHANNELS, 10))
    )
    return net.model({"images": ["batch", 1, 16, 16]}, logits, 10)


@pytest.mark.parametrize(
    ("path", "changed"), [("core/example/digits.onnx", 6), ("tests/fixtures/mlp_digits.onnx", 3)]
)
def test_a_trained_model_answers_as_before_with_evener_channels(path: str, changed: int) -> None:
    model = preprocess(MODELS / path)
    shape = [size.dim_value or 4 for size in model.graph.input[0].type.tensor_type.shape.dim]
    inputs = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    equalized = equalize(model)
    before, after = run(model, inputs), run(equalized, inputs)
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-5 * np.abs(before).max())
    assert len(layers(equalized)) == changed
    for old, new in zip(pairwise(layers(model)), pairwise(layers(equalized)), strict=True):
        assert precision(*new) > 1.05 * precision(*old)


def test_both_layers_of_a_pair_share_each_channels_range() -> None:
    model = preprocess(MODELS / "tests/fixtures/mlp_digits.onnx")
    first, second, third = layers(equalize(model))
    np.testing.assert_allclose(first.output_ranges(), second.input_ranges(), rtol=2e-3)
    np.testing.assert_allclose(second.output_ranges(), third.input_ranges(), rtol=2e-3)


def test_is_the_same_each_time_and_leaves_its_argument_alone() -> None:
    model = preprocess(MODELS / "core/example/digits.onnx")
    before = model.SerializeToString(deterministic=True)
    first, second = (equalize(model).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second
    assert model.SerializeToString(deterministic=True) == before != first


def depthwise(net: GraphBuilder, x: str) -> str:
    weights = net.normal(2 * CHANNELS, 1, 3, 3) * np.exp(net.normal(2 * CHANNELS, 1, 1, 1))
    y = net.add("Conv", x, net.constant(weights), group=CHANNELS, pads=[1] * 4)
    return net.conv(net.add("Relu", y), 2 * CHANNELS, CHANNELS)


def grouped(net: GraphBuilder, x: str) -> str:
    weights = net.normal(CHANNELS, CHANNELS // 2, 1, 1)
    return net.add("Conv", x, net.constant(weights), group=2)


def leaky(net: GraphBuilder, x: str) -> str:
    return net.add("LeakyRelu", x, alpha=0.2)


def learned_slope(net: GraphBuilder, x: str) -> str:
    return net.add("PRelu", x, net.constant(net.normal(CHANNELS, 1, 1)))


def pooled(net: GraphBuilder, x: str) -> str:
    return net.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)


@pytest.mark.parametrize("part", [depthwise, grouped, leaky, learned_slope, pooled])
def test_sees_through_what_keeps_channels_apart(part: Callable[[GraphBuilder, str], str]) -> None:
    net = GraphBuilder()
    model = between(net, part(net, net.conv("images", 1, CHANNELS)))
    equalized = equalize(model)
    np.testing.assert_allclose(run(equalized, IMAGES), run(model, IMAGES), rtol=1e-4, atol=1e-5)
    old, new = layers(model)[0], layers(equalized)[0]
    assert spread(new.output_ranges()) < spread(old.output_ranges())


@pytest.mark.parametrize("dead", [0, 1e-9])
def test_a_channel_that_is_constant_stays_as_it_is(dead: float) -> None:
    net = GraphBuilder()
    weights, bias = net.normal(CHANNELS, 1, 3, 3), net.normal(CHANNELS)
    weights[3] *= dead
    x = net.add("Conv", "images", net.constant(weights), net.constant(bias), pads=[1] * 4)
    model = between(net, net.add("Relu", x))
    equalized = equalize(model)
    np.testing.assert_allclose(run(equalized, IMAGES), run(model, IMAGES), rtol=1e-4, atol=1e-5)
    after = layers(equalized)[0].bias
    assert after is not None
    assert after[3] == bias[3]
    assert not np.any(np.delete(after, 3) == np.delete(bias, 3))


def relu6(net: GraphBuilder, x: str) -> str:
    low, high = (net.constant(np.array(v, np.float32)) for v in (0, 6))
    return net.add("Clip", x, low, high)


def silu(net: GraphBuilder, x: str) -> str:
    return net.silu(x)


def read_twice(net: GraphBuilder, x: str) -> str:
    return net.add("Add", x, net.add("Relu", x))


@pytest.mark.parametrize("part", [relu6, silu, read_twice])
def test_says_that_nothing_can_be_equalised(part: Callable[[GraphBuilder, str], str]) -> None:
    net = GraphBuilder()
    model = between(net, part(net, net.conv("images", 1, CHANNELS)))
    with pytest.raises(BadInput, match="nothing to equalise: no two convolutions"):
        equalize(model)


def test_weights_that_two_layers_share_stay_as_they_are() -> None:
    net = GraphBuilder()
    shared = net.constant(net.normal(CHANNELS, CHANNELS, 1, 1))
    x = net.add("Relu", net.add("Conv", net.silu(net.conv("images", 1, CHANNELS)), shared))
    model = between(net, net.silu(net.add("Conv", x, shared)))
    with pytest.raises(BadInput, match="nothing to equalise"):
        equalize(model)

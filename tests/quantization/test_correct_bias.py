from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from core.datasets import prepare
from core.intake import profile_model
from core.quantization.calibration import CalibrationSamples
from core.quantization.correct_bias import correct_bias
from core.quantization.graph import Graph
from core.quantization.int8_static import to_int8_static
from core.quantization.last_layers import last_layers
from core.quantization.preprocess import preprocess
from core.records import BadInput, PreparedData, Recipe
from core.sandbox import load_inputs
from tests.fixtures.broken import example_arrays
from tests.quantization.digits import Classifier, GraphBuilder, run

MODEL = Path(__file__).parents[1] / "fixtures" / "se_cnn_digits.onnx"
RECIPE = Recipe(
    id="static",
    method="int8_static",
    op_types=("Add", "Conv", "Gemm", "GlobalAveragePool", "Mul", "Reshape", "Sigmoid"),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("digits")
    inputs, labels = example_arrays()
    np.savez(folder / "all.npz", input=inputs, labels=labels)
    return prepare(folder / "all.npz", profile_model(MODEL), None, folder / "prepared", 0)


def samples(prepared: PreparedData, count: int = 60) -> CalibrationSamples:
    return CalibrationSamples(prepared, count, 1, 0, lambda _fraction, _words: None)


def quantize(
    model: onnx.ModelProto, recipe: Recipe, prepared: PreparedData, folder: Path
) -> onnx.ModelProto:
    onnx.save(model, folder / "model.onnx")
    return to_int8_static(folder / "model.onnx", recipe, samples(prepared), folder / "ranges")


def fused(model: onnx.ModelProto, folder: Path) -> Counter[str]:
    """What onnxruntime runs, by operator."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(folder / "fused.onnx")
    onnxruntime.InferenceSession(model.SerializeToString(), options)
    return Counter(node.op_type for node in onnx.load(folder / "fused.onnx").graph.node)


@pytest.mark.parametrize("left", [(), ("node_linear",)])
def test_the_mean_error_of_each_logit_shrinks_at_the_same_speed(
    prepared: PreparedData, tmp_path: Path, left: tuple[str, ...]
) -> None:
    model = preprocess(MODEL)
    recipe = replace(RECIPE, left_in_float=left)
    quantized = quantize(model, recipe, prepared, tmp_path)
    corrected = correct_bias(model, quantized, samples(prepared), recipe)
    onnx.checker.check_model(corrected)

    inputs = load_inputs(prepared, "search")["input"]  # other samples than it was corrected for
    expected, before, after = (run(one, inputs) for one in (model, quantized, corrected))
    old, new = np.abs((before - expected).mean(axis=0)), np.abs((after - expected).mean(axis=0))
    assert new.mean() < old.mean() / 3
    assert np.square(after - expected).mean() < np.square(before - expected).mean()

    was, now = fused(quantized, tmp_path), fused(corrected, tmp_path)
    assert was == now
    assert was["QLinearConv"] >= 12


def test_a_layer_without_a_bias_receives_one(plain: Classifier, tmp_path: Path) -> None:
    model = preprocess(plain.path)
    last = next(node for node in model.graph.node if node.op_type == "Gemm")
    del last.input[2:]
    recipe = replace(RECIPE, op_types=("Conv", "Gemm", "Relu", "MaxPool", "AveragePool"))
    quantized = quantize(model, recipe, plain.prepared, tmp_path)
    corrected = correct_bias(model, quantized, samples(plain.prepared, 100), recipe)
    inputs = load_inputs(plain.prepared, "calibration")["images"]
    expected, before, after = (run(one, inputs) for one in (model, quantized, corrected))
    old, new = np.abs((before - expected).mean(axis=0)), np.abs((after - expected).mean(axis=0))
    assert new.max() < old.max() / 20
    assert fused(quantized, tmp_path) == fused(corrected, tmp_path)


def test_gives_the_same_bytes_each_time(prepared: PreparedData, tmp_path: Path) -> None:
    model = preprocess(MODEL)
    quantized = quantize(model, RECIPE, prepared, tmp_path)
    before = quantized.SerializeToString(deterministic=True)
    first, second = (
        correct_bias(model, quantized, samples(prepared), RECIPE).SerializeToString(
            deterministic=True
        )
        for _ in range(2)
    )
    assert first == second != before
    assert quantized.SerializeToString(deterministic=True) == before


def test_says_that_there_is_no_bias(plain: Classifier, tmp_path: Path) -> None:
    model = preprocess(plain.path)
    last = next(node for node in model.graph.node if node.op_type == "Gemm")
    last.op_type = "MatMul"
    weights = Graph(model).constants[last.input[1]]
    turned = onnx.numpy_helper.to_array(weights).T.copy()
    weights.CopyFrom(onnx.numpy_helper.from_array(turned, weights.name))
    del last.input[2:], last.attribute[:]
    recipe = replace(RECIPE, op_types=("Conv",))
    quantized = quantize(model, recipe, plain.prepared, tmp_path)
    with pytest.raises(BadInput, match="static has no bias to correct: no convolution"):
        correct_bias(model, quantized, samples(plain.prepared), recipe)


def test_finds_the_layer_of_each_output_and_none_that_feeds_another() -> None:
    net = GraphBuilder()
    x = net.add("Relu", net.conv("images", 1, 8))
    y = net.add("Add", x, net.conv(x, 8, 8))  # the first convolution reaches the output too
    net.add("Sigmoid", y)
    model = net.model({"images": ["batch", 1, 16, 16]}, net.nodes[-1].output[0], 8)
    assert [node.name for node in last_layers(Graph(model))] == ["conv_2"]


def test_the_bias_of_a_matrix_product_is_the_vector_added_to_it() -> None:
    net = GraphBuilder()
    product = net.add("MatMul", "x", net.constant(net.normal(8, 10)))
    logits = net.add("Add", net.constant(net.normal(10)), product)
    model = net.model({"x": ["batch", 8]}, net.add("Softmax", logits), 10)
    assert [node.op_type for node in last_layers(Graph(model))] == ["Add"]

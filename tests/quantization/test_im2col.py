from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from core.quantization.graph import Graph
from core.quantization.im2col import to_im2col
from core.records import ModelProfile
from core.sandbox import load_inputs
from tests.quantization.digits import Classifier, run
from tests.quantization.test_make import make, plan


@pytest.fixture
def quantized(
    excited: Classifier, profile: Callable[..., ModelProfile], tmp_path: Path
) -> onnx.ModelProto:
    make(excited, plan(excited, profile())["int8_static"], tmp_path / "candidate.onnx")
    return onnx.load(tmp_path / "candidate.onnx")


def copy_of(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def convolutions(model: onnx.ModelProto) -> list[str]:
    return [node.name for node in model.graph.node if node.op_type == "Conv"]


def weights_of(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    """The quantized weights of a convolution."""
    graph = Graph(model)
    node = next(node for node in graph.nodes if node.name == name)
    return graph.constants[graph.producers[node.input[1]].input[0]]


def test_the_same_answers_to_the_bit_from_weights_with_a_zero_point(
    quantized: onnx.ModelProto, excited: Classifier, tmp_path: Path
) -> None:
    shifted = copy_of(quantized)
    names = convolutions(shifted)
    assert to_im2col(shifted, names) == tuple(names)
    inputs = load_inputs(excited.prepared, "search")["images"]
    assert np.array_equal(run(quantized, inputs), run(shifted, inputs))

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    onnxruntime.InferenceSession(shifted.SerializeToString(), options)
    fused = Graph(onnx.load(tmp_path / "fused.onnx"))
    kernels = [node for node in fused.nodes if node.op_type == "QLinearConv"]
    assert len(kernels) == len(names)
    for node in kernels:
        zero_points = fused.value(node.input[5])
        assert zero_points is not None
        assert set(zero_points.reshape(-1).tolist()) == {-1}


def test_only_the_layers_asked_for_are_changed(quantized: onnx.ModelProto) -> None:
    before = copy_of(quantized)
    first, second, *_ = convolutions(quantized)
    assert to_im2col(quantized, [second, "no such layer"]) == (second,)
    assert weights_of(quantized, first) == weights_of(before, first)
    old, new = (numpy_helper.to_array(weights_of(m, second)) for m in (before, quantized))
    assert np.array_equal(old.astype(int) - 1, new)
    assert to_im2col(quantized, [second]) == ()  # it has a zero point already


def test_weights_that_do_not_fit_or_are_shared_stay_as_they_are(
    quantized: onnx.ModelProto,
) -> None:
    first, second, *_ = convolutions(quantized)
    weights = weights_of(quantized, first)
    values = numpy_helper.to_array(weights).copy()
    values.flat[0] = -128
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    twin = next(node for node in quantized.graph.node if node.name == second)
    quantized.graph.node.add().CopyFrom(twin)
    quantized.graph.node[-1].name, quantized.graph.node[-1].output[0] = "twin", "twin"
    assert to_im2col(quantized, [first, second]) == ()

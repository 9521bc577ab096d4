from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16

from core.intake import profile_model
from core.records import ModelProfile
from tests.intake import networks
from tests.intake.net import Net, save


class Noise(CalibrationDataReader):
    def __init__(self) -> None:
        images = np.random.default_rng(0).random((2, 1, 3, 64, 64), np.float32)
        self.left = iter([{"images": image} for image in images])

    def get_next(self) -> dict[str, np.ndarray]:
        return next(self.left, {})


def codes(profile: ModelProfile) -> set[str]:
    return {finding.code for finding in profile.findings}


def is_already_int8(profile: ModelProfile) -> bool:
    return (
        profile.precision == "int8"
        and "already_int8" in codes(profile)
        and profile.predicted_size_bytes == {}
    )


@pytest.mark.parametrize("form", [QuantFormat.QDQ, QuantFormat.QOperator])
def test_statically_quantized_is_int8_and_still_a_cnn(form: QuantFormat, tmp_path: Path) -> None:
    path = save(networks.mobilenet(), tmp_path)
    quantize_static(path, tmp_path / "q.onnx", Noise(), quant_format=form, per_channel=True)
    profile = profile_model(tmp_path / "q.onnx")
    assert is_already_int8(profile)
    assert profile.family == "cnn"
    if form == QuantFormat.QDQ:
        assert profile.macs == profile_model(path).macs


@pytest.mark.parametrize(
    ("name", "family"), [("lstm_text", "rnn"), ("vision_transformer", "transformer")]
)
def test_dynamically_quantized_is_int8(name: str, family: str, tmp_path: Path) -> None:
    path = save(getattr(networks, name)(), tmp_path)
    quantize_dynamic(path, tmp_path / "q.onnx")
    profile = profile_model(tmp_path / "q.onnx")
    assert is_already_int8(profile)
    assert profile.family == family


def test_quantization_aware_training_is_int8(tmp_path: Path) -> None:
    """Its weights are floats that pass a quantizer."""
    path = save(networks.mobilenet(), tmp_path)
    options = {"AddQDQPairToWeight": True}
    quantize_static(path, tmp_path / "q.onnx", Noise(), extra_options=options)
    assert is_already_int8(profile_model(tmp_path / "q.onnx"))


def test_half_precision(tmp_path: Path) -> None:
    onnx.save(convert_float_to_float16(networks.mobilenet(), True), tmp_path / "half.onnx")
    profile = profile_model(tmp_path / "half.onnx")
    assert profile.precision == "float16"
    assert "already_float16" in codes(profile)
    assert profile.predicted_size_bytes == {}


def test_one_quantized_layer_is_partly(tmp_path: Path) -> None:
    net = Net()
    x = net.linear(net.linear(net.linear("x", 8, 64), 64, 64), 64, 3)
    path = save(net.model({"x": ["batch", 8]}, {x: ["batch", 3]}), tmp_path)
    products = [node.name for node in net.nodes if node.op_type == "MatMul"]
    for layer, precision in zip(products, ("float32", "int8", "float32"), strict=True):
        others = [name for name in products if name != layer]
        quantize_dynamic(path, tmp_path / "q.onnx", nodes_to_exclude=others)
        profile = profile_model(tmp_path / "q.onnx")
        assert profile.precision == precision
        assert ("partly_int8" in codes(profile)) == (precision == "float32")


def test_an_integer_input_does_not_make_a_model_int8(tmp_path: Path) -> None:
    net = Net()
    scale, zero = net.constant(1 / 255), net.constant(0, np.uint8)
    x = net.op("DequantizeLinear", "x", scale, zero)
    model = net.model({"x": ["batch", 8]}, {net.gemm(x, 8, 3): ["batch", 3]})
    model.graph.input[0].type.tensor_type.elem_type = 2
    profile = profile_model(save(model, tmp_path))
    assert profile.precision == "float32"
    assert not codes(profile) & {"already_int8", "partly_int8"}


def test_double_precision_is_left_alone(tmp_path: Path) -> None:
    net = Net()
    x = net.op("MatMul", "x", net.weight(8, 4, dtype=np.float64))
    model = net.model({"x": ["batch", 8]}, {x: ["batch", 4]})
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = 11
    path = save(model, tmp_path)
    profile = profile_model(path)
    assert codes(profile) == {"float64"}
    assert profile.predicted_size_bytes["float16"] == path.stat().st_size

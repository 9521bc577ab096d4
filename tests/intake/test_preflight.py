from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.intake import preflight, profile_model
from core.records import BadInput, Finding
from tests.intake import networks
from tests.intake.net import FLOAT, Net, perceptron, save, save_with_data


def findings(model: onnx.ModelProto, folder: Path) -> dict[str, Finding]:
    found = profile_model(save(model, folder)).findings
    documented = dict(re.findall(r"^(`.*`) +(error|warning|info) ", preflight.__doc__ or "", re.M))
    for one in found:
        severity = [kind for codes, kind in documented.items() if f"``{one.code}``" in codes]
        assert severity == [one.severity], "every code is in the table, with its severity"
        assert one.sentence.endswith(".")
        assert "\n" not in one.sentence
    return {one.code: one for one in found}


def test_a_plain_model_has_none(tmp_path: Path) -> None:
    assert findings(perceptron(), tmp_path) == {}


def with_weight(value: float, dtype: type = np.float32, typed: bool = False) -> onnx.ModelProto:
    model = perceptron()
    weight = model.graph.initializer[0]
    values = numpy_helper.to_array(weight).astype(dtype)
    values[3, 5] = value
    if typed:
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        weight.CopyFrom(helper.make_tensor(weight.name, kind, values.shape, values.flatten()))
    else:
        weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    return model


@pytest.mark.parametrize("typed", [False, True])
def test_nan_weights(typed: bool, tmp_path: Path) -> None:
    found = findings(with_weight(np.nan, typed=typed), tmp_path)
    assert "NaN (w0)" in found["nan_weights"].sentence


def test_nan_in_weights_beside_the_file(tmp_path: Path) -> None:
    profile = profile_model(save_with_data(with_weight(np.nan), tmp_path))
    assert "nan_weights" in {one.code for one in profile.findings}


def test_infinite_weights_but_not_masks(tmp_path: Path) -> None:
    assert "w0" in findings(with_weight(np.inf), tmp_path)["infinite_weights"].sentence
    net = Net()
    mask = net.constant([[0.0, -np.inf, 0.0]])
    model = net.model({"x": ["batch", 8]}, {net.op("Add", net.gemm("x", 8, 3), mask): None})
    assert "infinite_weights" not in findings(model, tmp_path)


def test_training_mode(tmp_path: Path) -> None:
    net = Net()
    one, zero = net.constant(np.ones(3)), net.constant(np.zeros(3))
    x = net.op("BatchNormalization", "x", one, zero, zero, one, outputs=3, training_mode=1)[0]
    scores = net.gemm(net.op("Flatten", net.op("GlobalAveragePool", x)), 3, 4)
    model = net.model({"x": ["batch", 3, 8, 8]}, {scores: ["batch", 4]})
    assert "model.eval()" in findings(model, tmp_path)["training_mode"].sentence

    for active in (False, True):
        net = Net()
        x = net.op("Dropout", "x", net.constant(0.5), net.constant(active, np.bool_))
        model = net.model({"x": ["batch", 8]}, {net.gemm(x, 8, 4): ["batch", 4]})
        assert ("training_mode" in findings(model, tmp_path)) == active


def test_batches(tmp_path: Path) -> None:
    def batch(size: int | str) -> dict[str, Finding]:
        net = Net()
        return findings(net.model({"x": [size, 8]}, {net.gemm("x", 8, 3): [size, 3]}), tmp_path)

    assert batch("batch") == {}
    assert "batches of 16" in batch(16)["fixed_batch"].sentence
    assert set(batch(1)) == {"batch_of_one"}


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    net = Net()
    both = net.op("Concat", "image", "age", axis=1)
    model = net.model(
        {"image": ["batch", 8], "age": ["batch", 1]},
        {both: ["batch", 9], net.gemm(both, 9, 3): ["batch", 3]},
    )
    found = findings(model, tmp_path)
    assert "2 inputs (image, age)" in found["several_inputs"].sentence
    assert "2 outputs" in found["several_outputs"].sentence


def test_open_sizes_are_named(tmp_path: Path) -> None:
    found = findings(networks.lstm_text(), tmp_path)
    assert "ids: length" in found["symbolic_sizes"].sentence


def test_outputs_that_are_no_class_scores(tmp_path: Path) -> None:
    net = Net()
    model = net.model({"x": ["batch", 3, 8, 8]}, {net.conv("x", 3, 2, 3): ["batch", 2, 8, 8]})
    assert "float batch x 2 x 8 x 8" in findings(model, tmp_path)["no_class_scores"].sentence
    net = Net()
    model = net.model({"x": ["batch", 8]}, {net.gemm("x", 8, 1): ["batch", 1]})
    assert "no_class_scores" in findings(model, tmp_path)


def test_text_and_sequences_cannot_be_fed(tmp_path: Path) -> None:
    net = Net()
    x = net.op("LabelEncoder", "x", domain="ai.onnx.ml", keys_strings=["a"], values_floats=[1.0])
    model = net.model({"x": ["batch", 8]}, {net.gemm(x, 8, 3): ["batch", 3]}, ["ai.onnx.ml"])
    model.opset_import[1].version = 2
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.STRING
    with pytest.raises(BadInput, match="'x' is string batch x 8: export"):
        findings(model, tmp_path)

    net = Net()
    x = net.op("SequenceAt", "x", net.constant(0, np.int64))
    model = net.model({}, {net.gemm(x, 8, 3): ["batch", 3]})
    tensor = helper.make_tensor_type_proto(FLOAT, ["batch", 8])
    model.graph.input.append(helper.make_value_info("x", helper.make_sequence_type_proto(tensor)))
    with pytest.raises(BadInput, match="'x' is sequence: export"):
        findings(model, tmp_path)


def test_no_inputs(tmp_path: Path) -> None:
    net = Net()
    scores = net.gemm(net.constant(np.ones((1, 8))), 8, 3)
    with pytest.raises(BadInput, match="takes no inputs"):
        findings(net.model({}, {scores: [1, 3]}), tmp_path)


def test_weights_listed_as_inputs_are_weights(tmp_path: Path) -> None:
    """As exporters wrote until 2019."""
    model = perceptron()
    model.graph.input.extend(
        helper.make_tensor_value_info(one.name, one.data_type, one.dims)
        for one in model.graph.initializer
    )
    profile = profile_model(save(model, tmp_path))
    assert [one.name for one in profile.inputs] == ["x"]
    assert profile.macs == 8 * 32 + 32 * 3


def test_trees_and_fused_files_say_why_not(tmp_path: Path) -> None:
    found = findings(networks.tree_ensemble(), tmp_path)
    assert "does not multiply" in found["tree_ensemble"].sentence
    fused = findings(networks.fused_transformer(), tmp_path)["fused_operators"].sentence
    assert "Attention, BiasGelu, SkipLayerNormalization" in fused


def test_nothing_to_make_smaller(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Mul", "x", net.constant(2.0))
    found = findings(net.model({"x": ["batch", 5]}, {x: ["batch", 5]}), tmp_path)
    assert "nothing_for_int8" not in found
    net = Net()
    model = net.model({"x": ["batch", 5]}, {net.op("Softmax", "x"): ["batch", 5]})
    assert {"nothing_for_float16", "nothing_for_int8"} <= set(findings(model, tmp_path))

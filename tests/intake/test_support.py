from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from core.intake import profile_model
from core.intake.functions import inline_functions
from core.records import BadInput
from tests.intake import networks
from tests.intake.net import Net, perceptron, save


def test_custom_operators_are_named(tmp_path: Path) -> None:
    model = perceptron()
    model.graph.node[1].domain = "my.ops"
    model.opset_import.append(helper.make_opsetid("my.ops", 1))
    with pytest.raises(BadInput, match=r"custom operators .*\(Relu of 'my.ops'\)"):
        profile_model(save(model, tmp_path))


def test_a_domain_that_is_only_declared_does_not_matter(tmp_path: Path) -> None:
    model = perceptron()
    model.opset_import.append(helper.make_opsetid("my.ops", 1))
    assert profile_model(save(model, tmp_path)).opset == 17


def test_files_for_one_machine_are_sent_back(tmp_path: Path) -> None:
    model = networks.mobilenet()
    model.graph.node[0].domain = "com.microsoft.nchwc"
    model.opset_import.append(helper.make_opsetid("com.microsoft.nchwc", 1))
    with pytest.raises(BadInput, match=r"already optimised .* give the original export"):
        profile_model(save(model, tmp_path))


def test_opset_of_the_future_names_both_numbers(tmp_path: Path) -> None:
    model = perceptron()
    model.opset_import[0].version = 99
    with pytest.raises(BadInput, match=r"opset 99 of ai\.onnx,") as raised:
        profile_model(save(model, tmp_path))
    newest = int(re.findall(r"up to opset (\d+)", str(raised.value))[0])
    model.opset_import[0].version = newest
    assert profile_model(save(model, tmp_path)).opset == newest
    model.opset_import[0].version = newest + 1
    with pytest.raises(BadInput, match=f"opset {newest + 1} .* up to opset {newest}"):
        profile_model(save(model, tmp_path))


def test_opset_of_tree_ensembles_is_checked_too(tmp_path: Path) -> None:
    model = networks.tree_ensemble()
    model.opset_import[1].version = 99
    with pytest.raises(BadInput, match=r"opset 99 of ai\.onnx\.ml"):
        profile_model(save(model, tmp_path))


def test_file_format_of_the_future(tmp_path: Path) -> None:
    model = perceptron()
    model.ir_version = 99
    with pytest.raises(BadInput, match=r"version 99, but onnxruntime .* reads up to version"):
        profile_model(save(model, tmp_path))


def test_giant_inputs_are_refused(tmp_path: Path) -> None:
    model = perceptron()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 10**12
    with pytest.raises(BadInput, match="4,000 GB for one run"):
        profile_model(save(model, tmp_path))


@pytest.mark.parametrize("change", ["op_type", "input", "shape", "type"])
def test_what_onnxruntime_refuses_is_one_sentence(change: str, tmp_path: Path) -> None:
    model = perceptron()
    if change == "op_type":
        model.graph.node[0].op_type = "Gemmm"
    elif change == "input":
        model.graph.node[0].input[0] = "nowhere"
    elif change == "shape":
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7
    else:
        model.graph.input[0].type.tensor_type.elem_type = TensorProto.BFLOAT16
    with pytest.raises(
        BadInput, match="cannot be loaded, so export it again: onnxruntime says"
    ) as raised:
        profile_model(save(model, tmp_path))
    assert "\n" not in str(raised.value)
    assert str(tmp_path) not in str(raised.value)


def function(name: str, *calls: str) -> onnx.FunctionProto:
    """A function that calls others one after another."""
    values = ["x", *(f"t{index}" for index in range(1, len(calls))), "y"]
    nodes = [
        helper.make_node(call, [values[i]], [values[i + 1]], domain="" if call == "Relu" else "my")
        for i, call in enumerate(calls)
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my", 1)]
    return helper.make_function("my", name, ["x"], ["y"], nodes, opsets)


def calling(name: str, *functions: onnx.FunctionProto) -> onnx.ModelProto:
    net = Net()
    net.functions = list(functions)
    x = net.op(name, "x", domain="my")
    return net.model({"x": ["batch", 8]}, {net.gemm(x, 8, 3): ["batch", 3]}, ["my"])


def test_functions_of_the_model_are_inlined(tmp_path: Path) -> None:
    model = calling("Outer", function("Outer", "Inner", "Relu"), function("Inner", "Relu"))
    assert [node.op_type for node in inline_functions(model).graph.node] == ["Relu", "Relu", "Gemm"]
    profile = profile_model(save(model, tmp_path))
    assert {share.op_type: share.nodes for share in profile.operators} == {"Relu": 2, "Gemm": 1}


def test_functions_that_call_themselves_are_refused(tmp_path: Path) -> None:
    model = calling("A", function("A", "Relu", "B"), function("B", "A"))
    with pytest.raises(BadInput, match="calls itself"):
        profile_model(save(model, tmp_path))


def test_functions_that_explode_are_refused(tmp_path: Path) -> None:
    layers = [function(f"F{i + 1}", f"F{i}", f"F{i}") for i in range(30)]
    model = calling("F30", function("F0", "Relu"), *layers)
    with pytest.raises(BadInput, match="expand to 1,073,741,825 operators"):
        profile_model(save(model, tmp_path))


def test_a_long_chain_of_functions_is_followed() -> None:
    """Longer than Python may nest calls."""
    chain = [function(f"F{i + 1}", f"F{i}") for i in range(2000)]
    with pytest.raises(BadInput, match="calls itself"):
        inline_functions(calling("F2000", function("F0", "F2000"), *chain))

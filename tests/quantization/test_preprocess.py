from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.quantization.graph import Graph
from core.quantization.preprocess import opset, preprocess
from core.records import BadInput
from tests.quantization.digits import Classifier, GraphBuilder, run

IMAGES = np.random.default_rng(1).random((5, 1, 16, 16), np.float32)


def saved(path: Path, net: GraphBuilder, logits: str, opset: int = 18) -> Path:
    onnx.save(net.model({"images": ["batch", 1, 16, 16]}, logits, 10, opset), path)
    return path


def small(net: GraphBuilder) -> str:
    x = net.add("Relu", net.conv("images", 1, 8))
    x = net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    return net.add("Gemm", x, net.constant(net.normal(8, 10)))


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_computes_the_same_and_keeps_the_interface(excited: Classifier) -> None:
    before = onnx.load(excited.path)
    after = preprocess(excited.path)
    assert list(after.graph.input) == list(before.graph.input)
    assert [v.name for v in after.graph.output] == [v.name for v in before.graph.output]
    assert after.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    np.testing.assert_allclose(run(after, IMAGES), run(before, IMAGES), rtol=1e-3, atol=1e-4)


def test_every_node_has_a_name_of_its_own_and_keeps_the_one_it_had(tmp_path: Path) -> None:
    net = GraphBuilder()
    logits = small(net)
    for node, name in zip(net.nodes, ["stem", "", "", "same", "same"], strict=False):
        node.name = name
    path = saved(tmp_path / "model.onnx", net, logits)
    names = [node.name for node in preprocess(path).graph.node]
    assert "stem" in names
    assert "same" in names
    assert all(names)
    assert len(set(names)) == len(names)
    assert names == [node.name for node in preprocess(path).graph.node]


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("old", [True, False])
def test_a_spatial_mean_becomes_a_pool(tmp_path: Path, keepdims: int, old: bool) -> None:
    net = GraphBuilder()
    x = net.conv("images", 1, 8)
    if old:
        x = net.add("ReduceMean", x, axes=[3, 2], keepdims=keepdims)
    else:
        x = net.add("ReduceMean", x, net.constant(np.array([-2, -1])), keepdims=keepdims)
    x = net.add("Flatten", x, axis=1)
    logits = net.add("Gemm", x, net.constant(net.normal(8, 10)))
    path = saved(tmp_path / "model.onnx", net, logits, 13 if old else 18)
    after = preprocess(path)
    assert "GlobalAveragePool" in operators(after)
    assert "ReduceMean" not in operators(after)
    np.testing.assert_allclose(run(after, IMAGES), run(path, IMAGES), rtol=1e-4, atol=1e-5)


def test_a_mean_over_other_axes_stays(tmp_path: Path) -> None:
    net = GraphBuilder()
    x = net.add("ReduceMean", net.conv("images", 1, 8), axes=[1, 2], keepdims=0)
    logits = net.add("MatMul", x, net.constant(net.normal(16, 10)))
    path = saved(tmp_path / "model.onnx", net, logits, 17)
    assert "ReduceMean" in operators(preprocess(path))


def test_raises_the_opset_and_folds_weights_that_were_inputs(tmp_path: Path) -> None:
    net = GraphBuilder()
    path = saved(tmp_path / "model.onnx", net, small(net), opset=11)
    model = onnx.load(path)
    model.ir_version = 3
    for tensor in model.graph.initializer:
        info = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(info)
    onnx.save(model, path)
    after = preprocess(path)
    assert opset(after) == 13
    assert [value.name for value in after.graph.input] == ["images"]
    np.testing.assert_allclose(run(after, IMAGES), run(path, IMAGES), rtol=1e-4, atol=1e-5)


def test_reads_weights_from_the_file_beside_it(tmp_path: Path) -> None:
    net = GraphBuilder()
    whole = saved(tmp_path / "whole.onnx", net, small(net))
    onnx.save(
        onnx.load(whole), tmp_path / "parts.onnx", save_as_external_data=True, size_threshold=0
    )
    assert len(list(tmp_path.iterdir())) > 2
    after = preprocess(tmp_path / "parts.onnx")
    np.testing.assert_allclose(run(after, IMAGES), run(whole, IMAGES), rtol=1e-4, atol=1e-5)


def test_an_operator_of_unknown_shape_does_not_stop_it(tmp_path: Path) -> None:
    net = GraphBuilder()
    # Symbolic shape inference gives up on this one.
    x = net.add("Inverse", net.conv("images", 1, 8), domain="com.microsoft")
    x = net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    logits = net.add("Gemm", x, net.constant(net.normal(8, 10)))
    model = net.model({"images": ["batch", 1, 16, 16]}, logits, 10)
    onnx.save(model, tmp_path / "model.onnx")
    after = preprocess(tmp_path / "model.onnx")
    assert operators(after) == ["Conv", "Inverse", "GlobalAveragePool", "Flatten", "Gemm"]
    assert Graph(after).rank(after.graph.node[0].output[0]) == 4


def test_folding_never_blows_the_file_up(tmp_path: Path) -> None:
    net = GraphBuilder()
    shape = net.constant(np.array([256, 2000]))
    value = numpy_helper.from_array(np.array([0.01], np.float32))
    wide = net.add("MatMul", net.add("Flatten", "images"), net.add("ConstantOfShape", shape))
    net.nodes[-2].attribute.append(helper.make_attribute("value", value))
    logits = net.add("Gemm", wide, net.constant(net.normal(2000, 10)))
    net.nodes.sort(key=lambda node: node.op_type != "ConstantOfShape")
    path = saved(tmp_path / "model.onnx", net, logits)
    after = preprocess(path)
    assert after.ByteSize() < 2 * path.stat().st_size
    np.testing.assert_allclose(run(after, IMAGES), run(path, IMAGES), rtol=1e-4, atol=1e-5)


def test_drops_the_exporters_notes_but_not_the_users_metadata(tmp_path: Path) -> None:
    net = GraphBuilder()
    path = saved(tmp_path / "model.onnx", net, small(net))
    model = onnx.load(path)
    helper.set_model_props(model, {"names": "cat, dog"})
    for node in model.graph.node:
        node.doc_string = "File /home/someone/model.py, line 7"
        node.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="/home/someone/model.py")
    onnx.save(model, path)
    after = preprocess(path)
    assert b"/home/someone" not in after.SerializeToString()
    assert {entry.key: entry.value for entry in after.metadata_props}["names"] == "cat, dog"


def test_refuses_what_no_single_file_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    tensor = TensorProto(
        name="w",
        data_type=TensorProto.FLOAT,
        dims=[600_000_000],
        data_location=TensorProto.EXTERNAL,
    )
    tensor.external_data.add(key="location", value="model.onnx.data")
    graph = helper.make_graph([], "large", [], [], [tensor])
    onnx.save(helper.make_model(graph), path)
    with (tmp_path / "model.onnx.data").open("wb") as data:
        data.truncate(2_400_000_000)  # sparse: takes no room
    with pytest.raises(BadInput, match=r"2\.4 GB; files above 2 GB"):
        preprocess(path)

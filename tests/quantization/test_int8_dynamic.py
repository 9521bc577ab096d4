from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from core.quantization.graph import Graph
from core.quantization.int8_dynamic import to_int8_dynamic
from core.quantization.preprocess import preprocess
from core.quantization.recipes import _DYNAMIC_LAYERS
from core.records import Recipe
from tests.quantization.digits import GraphBuilder, run

FIXTURES = Path(__file__).parents[1] / "fixtures"


def recipe(*left: str) -> Recipe:
    return Recipe(id="x", method="int8_dynamic", op_types=_DYNAMIC_LAYERS, left_in_float=left)


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    """Two ``Gemm`` nodes, ``first`` with its weights turned."""
    net = GraphBuilder()
    weights = net.constant(net.normal(64, 32, scale=0.1)), net.constant(net.normal(64, 10))
    x = net.add("Gemm", "x", weights[0], net.constant(net.normal(64)), transB=1)
    y = net.add("Gemm", x, weights[1], net.constant(net.normal(10)))
    net.nodes[0].name, net.nodes[1].name = "first", "second"
    onnx.save(net.model({"x": ["batch", 32]}, y, 10), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def quantized(model: onnx.ModelProto) -> set[str]:
    """Layers with integer weights, by the names they were quantized under."""
    found = {node.name for node in model.graph.node if node.op_type == "MatMulInteger"}
    return {name.partition("_MatMul")[0] for name in found}


def test_a_dense_layer_counts_as_a_matrix_product(dense: Path) -> None:
    model = to_int8_dynamic(dense, recipe())
    assert quantized(model) == {"first", "second"}
    inputs = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    before, after = run(dense, inputs), run(model, inputs)
    assert np.linalg.norm(after - before) < 0.03 * np.linalg.norm(before)


@pytest.mark.parametrize(("left", "rest"), [("first", "second"), ("second", "first")])
def test_a_dense_layer_can_be_left_in_float(dense: Path, left: str, rest: str) -> None:
    assert quantized(to_int8_dynamic(dense, recipe(left))) == {rest}


def test_every_output_channel_has_a_scale(dense: Path) -> None:
    graph = Graph(to_int8_dynamic(dense, recipe()))
    shapes = [graph.constants[name].dims for name in graph.constants if name.endswith("_scale")]
    assert sorted(map(tuple, shapes)) == [(10,), (64,)]


def test_layers_without_an_integer_kernel_stay(tmp_path: Path) -> None:
    net = GraphBuilder()
    weights = [net.constant(net.normal(1, 96, width, scale=0.2)) for width in (16, 32)]
    net.nodes.append(
        onnx.helper.make_node("GRU", ["x", *weights], ["", "state"], "gru", hidden_size=32)
    )
    last = net.add("Squeeze", "state", net.constant(np.array([0], np.int64)))
    output = net.add("MatMul", last, net.constant(net.normal(32, 10)))
    onnx.save(net.model({"x": [5, "batch", 16]}, output, 10), tmp_path / "m.onnx")
    before = Graph(onnx.load(tmp_path / "m.onnx"))
    after = Graph(to_int8_dynamic(tmp_path / "m.onnx", recipe()))
    for name in weights:
        np.testing.assert_array_equal(after.value(name), before.value(name))
    assert [node.op_type for node in after.nodes].count("MatMulInteger") == 1


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    onnx.save(preprocess(FIXTURES / "transformer_texts.onnx"), tmp_path / "m.onnx")
    once, again = (to_int8_dynamic(tmp_path / "m.onnx", recipe()) for _ in range(2))
    assert once.SerializeToString() == again.SerializeToString()

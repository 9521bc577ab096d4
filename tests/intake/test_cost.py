from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from core.intake import profile_model
from core.records import ModelProfile
from tests.intake import networks
from tests.intake.net import FLOAT, Net, save


def macs(model: onnx.ModelProto, folder: Path) -> dict[str, int]:
    profile = profile_model(save(model, folder))
    assert sum(share.macs for share in profile.operators) == profile.macs
    return {share.op_type: share.macs for share in profile.operators if share.macs}


def counted(net: Net, x: str, inputs: dict[str, Any], folder: Path) -> dict[str, int]:
    return macs(net.model(inputs, {x: None}), folder)


def test_convolution(tmp_path: Path) -> None:
    net = Net()
    x = net.op("Conv", "x", net.weight(16, 4, 3, 5), strides=[2, 1], group=2)
    height, width = (20 - 3) // 2 + 1, 30 - 5 + 1
    expected = {"Conv": height * width * 16 * 4 * 3 * 5}
    assert counted(net, x, {"x": ["batch", 8, 20, 30]}, tmp_path) == expected


def test_transposed_convolution(tmp_path: Path) -> None:
    net = Net()
    x = net.op("ConvTranspose", "x", net.weight(8, 4, 2, 2), strides=[2, 2])
    expected = {"ConvTranspose": 10 * 12 * 8 * 4 * 2 * 2}
    assert counted(net, x, {"x": ["batch", 8, 10, 12]}, tmp_path) == expected


def test_products(tmp_path: Path) -> None:
    net = Net()
    x = net.op("MatMul", "x", net.weight(2, 8, 6))
    x = net.op("Gemm", net.reshape(x, 2, 30), net.weight(30, 7))
    expected = {"MatMul": 2 * 5 * 8 * 6, "Gemm": 2 * 30 * 7}
    assert counted(net, x, {"x": [1, 2, 5, 8]}, tmp_path) == expected


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("bij,jk->bik", [[1, 5, 8], [8, 6]], 5 * 8 * 6),
        ("bhid,bhjd->bhij", [[1, 2, 5, 4], [1, 2, 7, 4]], 2 * 5 * 4 * 7),
        ("...ij,...jk->...ik", [[1, 3, 5, 8], [1, 3, 8, 6]], 3 * 5 * 8 * 6),
        ("bij->bji", [[1, 5, 8]], 0),
    ],
)
def test_einsum(equation: str, shapes: list[list[int]], expected: int, tmp_path: Path) -> None:
    net = Net()
    names = [f"x{index}" for index in range(len(shapes))]
    x = net.op("Einsum", *names, equation=equation)
    found = counted(net, x, dict(zip(names, shapes, strict=True)), tmp_path)
    assert found == ({"Einsum": expected} if expected else {})


def test_attention_operators(tmp_path: Path) -> None:
    heads, queries, keys, size = 2, 6, 9, 4
    net = Net(opset=23)
    x = net.op("Attention", "q", "k", "v")
    shapes = {
        "q": [1, heads, queries, size],
        "k": [1, heads, keys, size],
        "v": [1, heads, keys, size],
    }
    model = net.model(shapes, {x: None})
    model.ir_version = 11
    work = heads * queries * keys * size * 2
    assert macs(model, tmp_path) == {"Attention": work}

    net = Net()
    x = net.op("MultiHeadAttention", "q", "k", "v", num_heads=heads, domain="com.microsoft")
    joined = {name: [1, shape[2], heads * size] for name, shape in shapes.items()}
    model = net.model(joined, {x: None}, ["com.microsoft"])
    assert macs(model, tmp_path) == {"MultiHeadAttention": work}


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers(kind: str, gates: int, tmp_path: Path) -> None:
    net = Net()
    weights = net.weight(2, gates * 6, 5), net.weight(2, gates * 6, 6)
    steps = net.op("Transpose", "x", perm=[1, 0, 2])
    x = net.op(kind, steps, *weights, hidden_size=6, direction="bidirectional")
    found = counted(net, x, {"x": ["batch", 9, 5]}, tmp_path)
    assert found == {kind: 9 * 2 * gates * 6 * (5 + 6)}


def test_loops_count_each_time_they_run(tmp_path: Path) -> None:
    found = macs(networks.gru_in_loop(steps=12), tmp_path)
    assert found == {"GRU": 12 * 96 * (8 + 32), "Gemm": 32 * 4}


def test_of_an_if_only_the_heavier_branch_counts(tmp_path: Path) -> None:
    def branch(width: int) -> onnx.GraphProto:
        net = Net()
        hidden = net.op("MatMul", "x", net.weight(8, width, name=f"into{width}"))
        out = net.op("MatMul", hidden, net.weight(width, 4, name=f"out{width}"))
        return net.graph({}, {out: ["batch", 4]})

    net = Net()
    net.op("If", "flag", then_branch=branch(16), else_branch=branch(64))
    model = net.model({"x": ["batch", 8], "flag": [1]}, {"if0.0": ["batch", 4]})
    model.graph.input[1].type.tensor_type.elem_type = 9
    profile = profile_model(save(model, tmp_path))
    assert profile.macs == 8 * 64 + 64 * 4
    assert profile.parameters == (8 + 4) * (16 + 64)


def test_a_fixed_batch_is_shared_out(tmp_path: Path) -> None:
    net = Net()
    model = net.model({"x": [16, 8]}, {net.gemm("x", 8, 4): [16, 4]})
    assert profile_model(save(model, tmp_path)).macs == 8 * 4


def test_a_shared_tensor_counts_once_where_it_works(tmp_path: Path) -> None:
    """An embedding tied to the output layer, as in language models."""
    net = Net()
    table = net.weight(100, 8)
    x = net.op("Gather", table, "ids")
    x = net.op("MatMul", x, net.op("Transpose", table, perm=[1, 0]))
    profile = profile_model(
        save(net.model({"ids": ["batch", "length"]}, {x: ["batch", "length", 100]}), tmp_path)
    )
    held = {share.op_type: share.weight_bytes for share in profile.operators}
    assert held == {"MatMul": 3200, "Gather": 0, "Transpose": 0}
    assert profile.parameters == 800


def weights_of(profile: ModelProfile) -> int:
    return sum(share.weight_bytes for share in profile.operators)


def test_all_bytes_are_somewhere(tmp_path: Path) -> None:
    model = networks.mobilenet()
    stored = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    profile = profile_model(save(model, tmp_path))
    assert weights_of(profile) == stored == 4 * profile.parameters


def test_sparse_and_constant_weights_count(tmp_path: Path) -> None:
    values = helper.make_tensor("sparse", FLOAT, [3], [1.0, 2.0, 3.0])
    indices = helper.make_tensor("indices", 7, [3], [0, 5, 9])
    net = Net()
    constant = net.op("Constant", value=helper.make_tensor("v", FLOAT, [8, 6], np.ones(48)))
    x = net.op("MatMul", "x", constant)
    x = net.op("MatMul", x, "sparse")
    model = net.model({"x": ["batch", 8]}, {x: ["batch", 2]})
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [6, 2]))
    profile = profile_model(save(model, tmp_path))
    assert profile.parameters == 48 + 3
    assert profile.macs == 8 * 6 + 6 * 2

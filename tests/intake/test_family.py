from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

from core.intake import profile_model
from tests.intake import networks
from tests.intake.net import FLOAT, Net, save


@pytest.mark.parametrize(
    ("build", "family"),
    [
        (networks.mobilenet, "cnn"),
        (networks.convnext, "cnn"),
        (networks.attention_pooled_cnn, "cnn"),
        (networks.crnn, "cnn"),
        (networks.vision_transformer, "transformer"),
        (networks.fused_transformer, "transformer"),
        (networks.linear_attention, "transformer"),
        (networks.lstm_text, "rnn"),
        (networks.gru_in_loop, "rnn"),
        (networks.unrolled_lstm, "rnn"),
        (networks.multilayer_perceptron, "mlp"),
        (networks.mixer, "mlp"),
        (networks.tree_ensemble, "tree_ensemble"),
    ],
)
def test_family_follows_the_work(
    build: Callable[[], onnx.ModelProto], family: str, tmp_path: Path
) -> None:
    assert profile_model(save(build(), tmp_path)).family == family


def test_one_block_of_attention_leaves_the_linear_layers_to_the_convolutions(
    tmp_path: Path,
) -> None:
    model = networks.convnext(depth=8, attention_pooled=True)
    assert profile_model(save(model, tmp_path)).family == "cnn"


def test_interactions_apart_from_each_other_are_no_attention(tmp_path: Path) -> None:
    """As recommenders multiply embeddings: a linear layer stands between the products."""
    net = Net()
    x = "x"
    for _ in range(2):
        x = net.op("Relu", net.linear(x, 16, 16))
        x = net.linear(net.op("MatMul", x, net.op("Transpose", x, perm=[0, 2, 1])), 16, 16)
    model = net.model({"x": ["batch", 16, 16]}, {net.op("Relu", x): ["batch", 16, 16]})
    assert profile_model(save(model, tmp_path)).family == "mlp"


def test_a_tiny_lstm_beside_a_perceptron_decides_nothing(tmp_path: Path) -> None:
    """An LSTM that does a thousandth of a perceptron's work does not make it an RNN."""
    net = Net()
    wide = net.op("Relu", net.gemm(net.op("Flatten", "x"), 24, 2048))
    wide = net.op("Relu", net.gemm(wide, 2048, 2048))
    steps = net.op("Transpose", "x", perm=[1, 0, 2])
    states = net.op("LSTM", steps, net.weight(1, 4, 2), net.weight(1, 4, 1), hidden_size=1)
    last = net.op("ReduceMean", states, axes=[0, 1], keepdims=0)
    scores = net.gemm(net.op("Concat", wide, last, axis=1), 2049, 3)
    model = net.model({"x": ["batch", 12, 2]}, {scores: ["batch", 3]})
    assert profile_model(save(model, tmp_path)).family == "mlp"


def test_cell_written_by_hand_in_a_scan_is_an_rnn(tmp_path: Path) -> None:
    cell = Net()
    into = cell.op("MatMul", "step", "into")
    across = cell.op("MatMul", "state", "across")
    cell.op("Tanh", cell.op("Add", into, across))
    cell.nodes[-1].output[0] = "next"
    cell.op("Identity", "next")
    cell.nodes[-1].output[0] = "seen"
    body = cell.graph({"state": [1, 32], "step": [1, 16]}, {"next": [1, 32], "seen": [1, 32]})
    net = Net()
    net.weight(16, 32, name="into")
    net.weight(32, 32, name="across")
    start = net.constant([[0.0] * 32])
    _, states = net.op("Scan", start, "x", outputs=2, body=body, num_scan_inputs=1)
    flat = net.reshape(states, -1, 20 * 32)
    scores = net.gemm(flat, 20 * 32, 4)
    profile = profile_model(save(net.model({"x": [20, 1, 16]}, {scores: [1, 4]}), tmp_path))
    assert profile.family == "rnn"
    work = {share.op_type: share.macs for share in profile.operators}
    assert work["MatMul"] == 20 * (16 * 32 + 32 * 32)


def test_nothing_to_learn_is_other(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["y"])],
        "graph",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", 5])],
        [helper.make_tensor_value_info("y", FLOAT, ["batch", 5])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    assert profile_model(save(model, tmp_path)).family == "other"


def test_weights_that_pass_other_nodes_still_count(tmp_path: Path) -> None:
    """As torch's exporter writes them: transposed, reshaped, cast, from Constant nodes."""
    net = Net()
    stored = net.op("Identity", net.weight(16, 8))
    weight = net.op("Transpose", net.op("Cast", stored, to=FLOAT), perm=[1, 0])
    x = net.op("Relu", net.op("MatMul", "x", weight))
    values = helper.make_tensor("values", FLOAT, [64], [0.1] * 64)
    second = net.reshape(net.op("Constant", value=values), 16, 4)
    model = net.model({"x": ["batch", 8]}, {net.op("MatMul", x, second): ["batch", 4]})
    profile = profile_model(save(model, tmp_path))
    assert profile.family == "mlp"
    assert profile.parameters == 16 * 8 + 64
    products = next(share for share in profile.operators if share.op_type == "MatMul")
    assert products.weight_bytes == 4 * (16 * 8 + 64)
    assert profile.macs == 16 * 8 + 64

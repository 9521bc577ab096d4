"""Small networks of each family, built as exporters write the large ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from tests.intake.net import FLOAT, INT64, Net

IMAGE = ["batch", 3, 64, 64]


def mobilenet() -> onnx.ModelProto:
    """Inverted bottlenecks with squeeze-and-excite (its scale a softmax-like gate) and a head."""
    net = Net()
    x = _silu(net, net.conv("images", 3, 16, 3, 2))
    for inputs, outputs, stride in ((16, 24, 2), (24, 24, 1), (24, 48, 2)):
        hidden = inputs * 4
        x = _silu(net, net.conv(x, inputs, hidden, 1))
        x = _silu(net, net.conv(x, hidden, hidden, 3, stride, group=hidden))
        gate = net.op("GlobalAveragePool", x)
        gate = net.op("Relu", net.conv(gate, hidden, hidden // 4, 1))
        gate = net.op("Sigmoid", net.conv(gate, hidden // 4, hidden, 1))
        x = net.conv(net.op("Mul", x, gate), hidden, outputs, 1)
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.model({"images": IMAGE}, {_softmax(net, net.gemm(x, 48, 100)): ["batch", 100]})


def convnext(depth: int = 3, attention_pooled: bool = False) -> onnx.ModelProto:
    """Depthwise convolutions whose pointwise layers are matrix products that do most work."""
    net = Net()
    x = net.conv("images", 3, 32, 4, 4)
    for _ in range(depth):
        y = net.conv(x, 32, 32, 7, group=32)
        y = net.norm(net.op("Transpose", y, perm=[0, 2, 3, 1]), 32)
        y = net.linear(net.op("Relu", net.linear(y, 32, 128)), 128, 32)
        x = net.op("Add", x, net.op("Transpose", y, perm=[0, 3, 1, 2]))
    if attention_pooled:
        x = net.op("Transpose", net.reshape(x, 0, 32, 256), perm=[0, 2, 1])
        x = _attention(net, x, 32, 2, 256)
        x = net.reshape(net.op("Transpose", x, perm=[0, 2, 1]), 0, 32, 16, 16)
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.model({"images": IMAGE}, {net.gemm(x, 32, 10): ["batch", 10]})


def vision_transformer(width: int = 48, depth: int = 2, patch: int = 8) -> onnx.ModelProto:
    """Patches by a convolution, then attention as product, softmax, product."""
    net = Net()
    x = _patches(net, width, patch)
    tokens = (64 // patch) ** 2
    for _ in range(depth):
        x = net.op("Add", x, _attention(net, net.norm(x, width), width, 3, tokens))
        hidden = net.op("Relu", net.linear(net.norm(x, width), width, width * 4))
        x = net.op("Add", x, net.linear(hidden, width * 4, width))
    pooled = net.op("ReduceMean", x, axes=[1], keepdims=0)
    return net.model({"images": IMAGE}, {net.gemm(pooled, width, 10): ["batch", 10]})


def linear_attention(width: int = 48) -> onnx.ModelProto:
    """Attention without a softmax: keys meet values first."""
    net = Net()
    x = _patches(net, width, 8)
    for _ in range(2):
        q, k = (net.op("Relu", net.linear(x, width, width)) for _ in range(2))
        keys = net.op("Transpose", k, perm=[0, 2, 1])
        context = net.op("MatMul", keys, net.linear(x, width, width))
        mixed = net.op("MatMul", q, net.op("Div", context, net.constant(64.0)))
        x = net.op("Add", x, net.linear(mixed, width, width))
    pooled = net.op("ReduceMean", x, axes=[1], keepdims=0)
    return net.model({"images": IMAGE}, {net.gemm(pooled, width, 10): ["batch", 10]})


def mixer() -> onnx.ModelProto:
    """Patches by a convolution, and nothing but linear layers after it."""
    net = Net()
    x = _patches(net, 48, 8)
    for _ in range(3):
        across = net.op("Transpose", x, perm=[0, 2, 1])
        across = net.linear(net.op("Relu", net.linear(across, 64, 128)), 128, 64)
        x = net.op("Add", x, net.op("Transpose", across, perm=[0, 2, 1]))
        x = net.op("Add", x, net.linear(net.op("Relu", net.linear(x, 48, 96)), 96, 48))
    pooled = net.op("ReduceMean", x, axes=[1], keepdims=0)
    return net.model({"images": IMAGE}, {net.gemm(pooled, 48, 10): ["batch", 10]})


def attention_pooled_cnn() -> onnx.ModelProto:
    """A CNN whose head is one block of attention, as CLIP's ResNet has it."""
    net = Net()
    x = "images"
    for inputs, outputs in ((3, 32), (32, 48), (48, 48), (48, 48)):
        x = net.op("Relu", net.conv(x, inputs, outputs, 3, 2 if inputs == 3 else 1))
    x = net.op("AveragePool", x, kernel_shape=[4, 4], strides=[4, 4])
    x = net.op("Transpose", net.reshape(x, 0, 48, 64), perm=[0, 2, 1])
    x = _attention(net, x, 48, 3, 64)
    pooled = net.op("ReduceMean", x, axes=[1], keepdims=0)
    return net.model({"images": IMAGE}, {net.gemm(pooled, 48, 10): ["batch", 10]})


def lstm_text() -> onnx.ModelProto:
    """An embedding larger than the LSTM, and a head that does more work than it."""
    net = Net()
    x = net.op("Gather", net.weight(2000, 16), "ids")
    x = net.op("Transpose", x, perm=[1, 0, 2])
    y = net.op("LSTM", x, net.weight(1, 128, 16), net.weight(1, 128, 32), hidden_size=32)
    y = net.op("Transpose", net.op("Squeeze", y, net.constant([1], np.int64)), perm=[1, 0, 2])
    scores = net.op("ReduceMean", net.linear(y, 32, 1000), axes=[1], keepdims=0)
    return net.model({"ids": ["batch", "length"]}, {scores: ["batch", 1000]})


def gru_in_loop(steps: int = 12) -> onnx.ModelProto:
    """A GRU that runs inside a Loop; its weights are outside the loop's body."""
    net = Net()
    weights = net.weight(1, 96, 8), net.weight(1, 96, 32)
    body = Net()
    one = body.op("Unsqueeze", body.op("Gather", "x_steps", "i", axis=0), "zero")
    _, last = body.op("GRU", one, *weights, "", "", "state_in", outputs=2, hidden_size=32)
    body.op("Identity", "go_in")
    body.nodes[-1].output[0] = "go"
    inside = helper.make_graph(
        body.nodes,
        "body",
        [
            helper.make_tensor_value_info("i", INT64, []),
            helper.make_tensor_value_info("go_in", 9, []),
            helper.make_tensor_value_info("state_in", FLOAT, [1, "batch", 32]),
        ],
        [
            helper.make_tensor_value_info("go", 9, []),
            helper.make_tensor_value_info(last, FLOAT, [1, "batch", 32]),
        ],
    )
    net.constant([0], np.int64, "zero")
    net.op("Transpose", "x", perm=[1, 0, 2])
    net.nodes[-1].output[0] = "x_steps"
    trips, go = net.constant(steps, np.int64), net.constant(True, np.bool_)
    shape = net.op("Shape", "x_steps", start=1, end=2)
    state_shape = net.op(
        "Concat", net.constant([1], np.int64), shape, net.constant([32], np.int64), axis=0
    )
    start = net.op("ConstantOfShape", state_shape)
    state = net.op("Loop", trips, go, start, body=inside)
    scores = net.gemm(net.op("Squeeze", state, "zero"), 32, 4)
    return net.model({"x": ["batch", steps, 8]}, {scores: ["batch", 4]})


def unrolled_lstm(steps: int = 6) -> onnx.ModelProto:
    """An LSTM cell that the exporter repeated, layer by layer, for each step."""
    net = Net()
    into, across = net.weight(8, 64), net.weight(16, 64)
    hidden = cell = net.constant(np.zeros((1, 16)))
    for step in range(steps):
        x = net.op("Gather", "x", net.constant(step, np.int64), axis=1)
        gates = net.op("Add", net.op("MatMul", x, into), net.op("MatMul", hidden, across))
        i, f, g, o = net.op("Split", gates, outputs=4, axis=1)
        i, f, o = (net.op("Sigmoid", gate) for gate in (i, f, o))
        kept = net.op("Mul", f, cell)
        cell = net.op("Add", kept, net.op("Mul", i, net.op("Tanh", g)))
        hidden = net.op("Mul", o, net.op("Tanh", cell))
    return net.model({"x": ["batch", steps, 8]}, {net.gemm(hidden, 16, 4): ["batch", 4]})


def crnn() -> onnx.ModelProto:
    """Text recognition: convolutions do the work, an LSTM has most of the weights."""
    net = Net()
    x = net.op("Relu", net.conv("images", 3, 32, 3))
    x = net.op("Relu", net.conv(x, 32, 32, 3, 2))
    x = net.op("ReduceMean", x, axes=[2], keepdims=0)
    x = net.op("Transpose", x, perm=[2, 0, 1])
    y = net.op("LSTM", x, net.weight(1, 256, 32), net.weight(1, 256, 64), hidden_size=64)
    y = net.op("Squeeze", net.op("ReduceMean", y, axes=[0], keepdims=0), net.constant([0], "i8"))
    return net.model({"images": ["batch", 3, 64, 64]}, {net.gemm(y, 64, 36): ["batch", 36]})


def multilayer_perceptron() -> onnx.ModelProto:
    """Linear layers only, with a softmax at the end."""
    net = Net()
    x = net.op("Relu", net.gemm("x", 40, 128))
    x = net.op("Relu", net.gemm(x, 128, 128))
    return net.model({"x": ["batch", 40]}, {_softmax(net, net.gemm(x, 128, 5)): ["batch", 5]})


def tree_ensemble(trees: int = 20) -> onnx.ModelProto:
    """Decision stumps, as skl2onnx writes a random forest."""
    attributes: dict[str, list[Any]] = {
        "nodes_treeids": [tree for tree in range(trees) for _ in range(3)],
        "nodes_nodeids": [0, 1, 2] * trees,
        "nodes_featureids": [0, 0, 0] * trees,
        "nodes_values": [0.5, 0.0, 0.0] * trees,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * trees,
        "nodes_truenodeids": [1, 0, 0] * trees,
        "nodes_falsenodeids": [2, 0, 0] * trees,
        "class_treeids": [tree for tree in range(trees) for _ in range(2)],
        "class_nodeids": [1, 2] * trees,
        "class_ids": [0, 1] * trees,
        "class_weights": [1.0, 1.0] * trees,
    }
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "scores"],
        domain="ai.onnx.ml",
        classlabels_int64s=[0, 1],
        post_transform="NONE",
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "forest",
        [helper.make_tensor_value_info("x", FLOAT, ["batch", 4])],
        [
            helper.make_tensor_value_info("label", INT64, ["batch"]),
            helper.make_tensor_value_info("scores", FLOAT, ["batch", 2]),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    return model


def fused_transformer(depth: int = 2, width: int = 32) -> onnx.ModelProto:
    """A text encoder as onnxruntime's optimiser writes it."""
    net = Net()
    microsoft: dict[str, Any] = {"domain": "com.microsoft"}
    x = net.op("Gather", net.weight(500, width), "ids")
    for _ in range(depth):
        projection, bias = net.weight(width, 3 * width), net.weight(3 * width)
        y = net.op("Attention", x, projection, bias, num_heads=4, **microsoft)
        y = net.linear(y, width, width)
        scale = net.weight(width), net.weight(width)
        x = net.op("SkipLayerNormalization", y, x, *scale, epsilon=1e-5, **microsoft)
        y = net.op("MatMul", x, net.weight(width, 4 * width))
        y = net.op("BiasGelu", y, net.weight(4 * width), **microsoft)
        x = net.op("Add", x, net.linear(y, 4 * width, width))
    pooled = net.op("ReduceMean", x, axes=[1], keepdims=0)
    scores = net.gemm(pooled, width, 3)
    return net.model({"ids": ["batch", "length"]}, {scores: ["batch", 3]}, ["com.microsoft"])


def _patches(net: Net, width: int, patch: int) -> str:
    x = net.conv("images", 3, width, patch, patch)
    return net.op("Transpose", net.reshape(x, 0, width, -1), perm=[0, 2, 1])


def _attention(net: Net, x: str, width: int, heads: int, tokens: int) -> str:
    size = width // heads
    q, k, v = (
        net.op(
            "Transpose",
            net.reshape(net.linear(x, width, width), 0, tokens, heads, size),
            perm=[0, 2, 1, 3] if one != "k" else [0, 2, 3, 1],
        )
        for one in "qkv"
    )
    scores = net.op("Div", net.op("MatMul", q, k), net.constant(size**0.5))
    mixed = net.op("MatMul", _softmax(net, scores), v)
    mixed = net.reshape(net.op("Transpose", mixed, perm=[0, 2, 1, 3]), 0, tokens, width)
    return net.linear(mixed, width, width)


def _softmax(net: Net, x: str) -> str:
    return net.op("Softmax", x, axis=-1)


def _silu(net: Net, x: str) -> str:
    return net.op("Mul", x, net.op("Sigmoid", x))

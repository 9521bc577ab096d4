from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto

from core.quantization.int8_dynamic import to_int8_dynamic
from core.quantization.preprocess import preprocess
from core.quantization.recipes import _DYNAMIC_LAYERS
from core.quantization.rewrites.fuse import fuse
from core.records import BadInput, Recipe
from tests.quantization.digits import GraphBuilder

FIXTURES = Path(__file__).parents[2] / "fixtures"
HEADS, SIZE, WIDTH = 3, 8, 24
PADDING = {
    "none": slice(0, 0),
    "at the end": slice(9, None),
    "at the start": slice(0, 7),
    "in between": slice(3, 6),
}
"""onnxruntime's own optimizer is wrong about the last two."""


def operators(model: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in model.graph.node)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = {value.name for value in session.get_inputs()}
    answers: np.ndarray = session.run(None, {key: feeds[key] for key in names})[0]
    return answers


# One attention over a float input ``(batch, length, 24)``, as exporters spell it: what they do to
# query and key before the product, and to the scores between product and softmax.


def by_heads(net: GraphBuilder, x: str, *order: int) -> str:
    product = net.add("MatMul", x, net.constant(net.normal(WIDTH, WIDTH, scale=0.3)))
    linear = net.add("Add", product, net.constant(net.normal(WIDTH)))
    shape = net.constant(np.array([0, 0, HEADS, -1], np.int64))
    return net.add("Transpose", net.add("Reshape", linear, shape), perm=list(order))


def number(net: GraphBuilder, value: float) -> str:
    return net.constant(np.array(value, np.float32))


def additive(net: GraphBuilder) -> str:
    """0 where the mask is 1, -10000 where it is 0; ``(batch, 1, 1, length)``."""
    axes = net.constant(np.array([1, 2], np.int64))
    mask = net.add("Cast", net.add("Unsqueeze", "mask", axes), to=TensorProto.FLOAT)
    return net.add("Mul", net.add("Sub", number(net, 1.0), mask), number(net, -1e4))


def divided(net: GraphBuilder, query: str, key: str) -> str:
    scores = net.add("Div", net.add("MatMul", query, key), number(net, SIZE**0.5))
    return net.add("Add", scores, additive(net))


def other_way_round_and_scale(net: GraphBuilder, query: str, key: str) -> str:
    scores = net.add("Mul", number(net, 0.07), net.add("MatMul", query, key))
    return net.add("Add", additive(net), scores)


def scaled_before(net: GraphBuilder, query: str, key: str) -> str:
    half = number(net, SIZE**-0.25)
    scores = net.add("MatMul", net.add("Mul", query, half), net.add("Mul", key, half))
    return net.add("Add", scores, additive(net))


def filled(net: GraphBuilder, query: str, key: str) -> str:
    axes = net.constant(np.array([1, 2], np.int64))
    zero = net.constant(np.array(0, np.int64))
    padded = net.add("Equal", net.add("Unsqueeze", "mask", axes), zero)
    scores = net.add("MatMul", query, key)
    return net.add("Where", padded, number(net, -np.inf), scores)


def unmasked(net: GraphBuilder, query: str, key: str) -> str:
    return net.add("Div", net.add("MatMul", query, key), number(net, SIZE**0.5))


def causal(net: GraphBuilder, query: str, key: str) -> str:
    blocked = np.triu(np.full((12, 12), -1e4, np.float32), 1)
    return net.add("Add", net.add("MatMul", query, key), net.constant(blocked))


def relative(net: GraphBuilder, query: str, key: str) -> str:
    places = net.constant(net.normal(1, HEADS, 12, 12))
    return net.add("Add", net.add("MatMul", query, key), places)


def turned_in_two_steps(net: GraphBuilder, query: str, key: str) -> str:
    """As exporters of ``scaled_dot_product_attention`` do, with heads and batch in one."""
    flat = net.constant(np.array([-1, SIZE, 12], np.int64))
    back = net.constant(np.array([-1, HEADS, SIZE, 12], np.int64))
    turned = net.add("Reshape", net.add("Reshape", key, flat), back)
    return divided(net, query, turned)


Spelling = Callable[[GraphBuilder, str, str], str]


def attention(spelling: Spelling, *, shares: int = -1) -> onnx.ModelProto:
    net = GraphBuilder()
    query, key, value = (
        by_heads(net, "x", *order) for order in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
    )
    weights = net.add("Softmax", spelling(net, query, key), axis=shares)
    mixed = net.add("Transpose", net.add("MatMul", weights, value), perm=[0, 2, 1, 3])
    merged = net.add("Reshape", mixed, net.constant(np.array([0, 0, WIDTH], np.int64)))
    output = net.add("MatMul", merged, net.constant(net.normal(WIDTH, WIDTH)))
    graph = onnx.helper.make_graph(
        net.nodes,
        "attention",
        [
            onnx.helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 12, WIDTH]),
            onnx.helper.make_tensor_value_info("mask", TensorProto.INT64, ["batch", 12]),
        ],
        [onnx.helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", 12, WIDTH])],
        net.constants,
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    model.ir_version = 10
    inferred: onnx.ModelProto = onnx.shape_inference.infer_shapes(model)
    return inferred


@pytest.mark.parametrize(
    "spelling",
    [divided, other_way_round_and_scale, scaled_before, filled, unmasked, turned_in_two_steps],
)
def test_whatever_it_is_spelled_like_it_computes_the_same(spelling: Spelling) -> None:
    model = attention(spelling)
    fused = fuse(model)
    onnx.checker.check_model(fused)
    assert operators(fused)["Attention"] == 1
    assert operators(fused)["Softmax"] == 0
    x = np.random.default_rng(1).normal(size=(4, 12, WIDTH)).astype(np.float32)
    for padded in PADDING.values():
        mask = np.ones((4, 12), np.int64)
        mask[:, padded] = 0
        feeds = {"x": x, "mask": mask}
        np.testing.assert_allclose(run(fused, feeds), run(model, feeds), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("spelling", "shares"),
    [(causal, -1), (relative, -1), (divided, 2)],
    ids=["causal", "relative", "divided"],
)
def test_what_is_another_attention_stays_as_it_is(spelling: Spelling, shares: int) -> None:
    with pytest.raises(BadInput):
        fuse(attention(spelling, shares=shares))


def test_where_there_is_no_attention_one_sentence_says_so() -> None:
    with pytest.raises(BadInput, match=r"^There is no attention here .* stays as it is\.$"):
        fuse(preprocess(FIXTURES / "se_cnn_digits.onnx"))


@pytest.mark.parametrize(
    ("name", "data"), [("transformer_texts", "texts"), ("transformer_digits", "tokens")]
)
def test_real_models_keep_their_answers_and_their_interface(
    name: str, data: str, tmp_path: Path
) -> None:
    prepared = preprocess(FIXTURES / f"{name}.onnx")
    with np.load(FIXTURES / f"{data}.npz") as arrays:
        feeds = {key: arrays[key][:64] for key in ("input_ids", "attention_mask")}
    before = run(prepared, feeds)

    fused = fuse(prepared)

    assert fused.SerializeToString() == fuse(prepared).SerializeToString()
    assert operators(fused)["Attention"] == operators(prepared)["Softmax"] > 0
    assert operators(fused)["Softmax"] == operators(prepared)["Attention"] == 0
    assert len(fused.graph.node) < 0.6 * len(prepared.graph.node)
    assert list(fused.graph.input) == list(prepared.graph.input)
    assert list(fused.graph.output) == list(prepared.graph.output)
    assert {node.domain for node in fused.graph.node} == {"", "com.microsoft"}
    np.testing.assert_allclose(run(fused, feeds), before, atol=1e-4)

    onnx.save(fused, tmp_path / "fused.onnx")
    recipe = Recipe(id="x", method="int8_dynamic", op_types=_DYNAMIC_LAYERS, fuse=True)
    quantized = to_int8_dynamic(tmp_path / "fused.onnx", recipe)
    assert operators(quantized)["QAttention"] == operators(fused)["Attention"]
    assert (run(quantized, feeds).argmax(1) == before.argmax(1)).mean() > 0.95

from collections.abc import Callable

import numpy as np
import pytest
from onnx import shape_inference

from core.quantization.graph import Graph
from core.quantization.preprocess import name_nodes
from core.quantization.side_branches import SideBranch, find_side_branches
from tests.quantization.digits import GraphBuilder

CHANNELS = 8


def branches(net: GraphBuilder, x: str, *, flat: bool = False) -> tuple[SideBranch, ...]:
    """Finds the side branches of ``x`` with a classifier behind it."""
    pooled = x if flat else net.add("Flatten", net.add("GlobalAveragePool", x), axis=1)
    logits = net.add("Gemm", pooled, net.constant(net.normal(CHANNELS, 10)))
    model = net.model({"images": ["batch", 1, 16, 16]}, logits, 10)
    name_nodes(model)
    return find_side_branches(Graph(shape_inference.infer_shapes(model)))


def torch_se(net: GraphBuilder, x: str) -> str:
    return net.squeeze_excite(x, CHANNELS)


def gap_and_hard_sigmoid(net: GraphBuilder, x: str) -> str:
    y = net.add("Relu", net.conv(net.add("GlobalAveragePool", x), CHANNELS, 4, 1))
    return net.add("Mul", net.add("HardSigmoid", net.conv(y, 4, CHANNELS, 1)), x)


def gemm_and_spelled_out_gate(net: GraphBuilder, x: str) -> str:
    """Keras through an exporter that knows no HardSigmoid: ``clip(y + 3, 0, 6) / 6``."""
    axes = net.constant(np.array([-1, -2], np.int64))
    y = net.add("ReduceMean", x, axes, keepdims=0)
    y = net.add("Gemm", y, net.constant(net.normal(CHANNELS, CHANNELS)))
    three, zero, six = (net.constant(np.array(v, np.float32)) for v in (3, 0, 6))
    y = net.add("Div", net.add("Clip", net.add("Add", y, three), zero, six), six)
    y = net.add("Reshape", y, net.constant(np.array([-1, CHANNELS, 1, 1], np.int64)))
    return net.add("Mul", x, y)


def softmax_over_transposed(net: GraphBuilder, x: str) -> str:
    """The exporter wraps the product in a layout of its own."""
    y = net.add("Softmax", net.conv(net.add("GlobalAveragePool", x), CHANNELS, CHANNELS, 1), axis=1)
    y = net.add("Transpose", y, perm=[0, 2, 3, 1])
    y = net.add("Mul", net.add("Transpose", x, perm=[0, 2, 3, 1]), y)
    return net.add("Transpose", y, perm=[0, 3, 1, 2])


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "block", [torch_se, gap_and_hard_sigmoid, gemm_and_spelled_out_gate, softmax_over_transposed]
)
def test_finds_the_branch_whatever_its_spelling(
    block: Callable[[GraphBuilder, str], str], named: bool
) -> None:
    net = GraphBuilder(named=named)
    x = net.add("Relu", net.conv("images", 1, CHANNELS))
    first = len(net.nodes)
    (branch,) = branches(net, block(net, x))
    assert branch.scale not in branch.inner
    assert branch.pool not in branch.inner
    # Everything the block wrote but the pool, the product and moves around it.
    written = [node for node in net.nodes[first:-3] if node.op_type not in ("Transpose",)]
    assert len(branch.inner) >= len(written) - 2


def test_finds_each_branch_of_a_network_in_order() -> None:
    net = GraphBuilder()
    x = net.conv("images", 1, CHANNELS)
    for _ in range(3):
        x = net.add("Relu", net.conv(net.squeeze_excite(x, CHANNELS), CHANNELS, CHANNELS))
    found = branches(net, x)
    order = [node.name for node in net.nodes]
    assert len(found) == 3
    assert [order.index(branch.pool) for branch in found] == sorted(
        order.index(branch.pool) for branch in found
    )
    assert all(len(branch.inner) == 5 for branch in found)


def test_a_classifier_is_no_side_branch() -> None:
    net = GraphBuilder()
    assert branches(net, net.add("Relu", net.conv("images", 1, CHANNELS))) == ()


def test_a_branch_that_something_else_reads_too_is_left_alone() -> None:
    net = GraphBuilder()
    x = net.conv("images", 1, CHANNELS)
    gate = net.add("Sigmoid", net.conv(net.spatial_mean(x), CHANNELS, CHANNELS, 1))
    net.add("Mul", x, gate)
    assert branches(net, net.add("Flatten", gate, axis=1), flat=True) == ()


def test_a_product_with_another_tensor_is_no_side_branch() -> None:
    net = GraphBuilder()
    x, other = net.conv("images", 1, CHANNELS), net.conv("images", 1, CHANNELS)
    gate = net.add("Sigmoid", net.conv(net.spatial_mean(x), CHANNELS, CHANNELS, 1))
    assert branches(net, net.add("Mul", other, gate)) == ()

"""Finds attention-like side branches: squeeze-and-excite and its relatives.

Such a branch pools a tensor over its spatial axes, computes a weight per channel with a few small
layers, and multiplies the same tensor by it (Hu et al., "Squeeze-and-Excitation Networks", 2018).
It does next to none of the work, but every value that leaves the block goes through it, so its
rounding errors touch everything. Found by structure: exporters disagree on names, on how they
pool, and on how they spell the activations.
"""

from __future__ import annotations

from dataclasses import dataclass

from onnx import NodeProto

from core.quantization.graph import Graph
from core.quantization.preprocess import is_spatial_mean

_POOLS = frozenset({"GlobalAveragePool", "GlobalMaxPool"})
_LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
_SMALL = _LAYERS | {
    *("Add", "Sub", "Mul", "Div", "BatchNormalization", "LayerNormalization"),
    *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Gelu", "QuickGelu", "Tanh", "Softmax"),
    *("Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Erf"),
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Identity", "Cast"),
    *_POOLS,
}
_TRANSPARENT = frozenset({"Identity", "Transpose", "Cast", "Dropout"})
_MOST_NODES = 32


@dataclass(frozen=True, slots=True)
class SideBranch:
    """One side branch, by node names.

    Attributes:
        pool: Takes the mean over the spatial axes.
        inner: Everything between, in the graph's order.
        scale: The ``Mul`` that applies the weights to the tensor that was pooled.
    """

    pool: str
    inner: tuple[str, ...]
    scale: str


def find_side_branches(graph: Graph) -> tuple[SideBranch, ...]:
    """Lists the side branches of a graph whose nodes are named, in the graph's order."""
    found = (_branch_from(graph, node) for node in graph.nodes if _is_pool(graph, node))
    return tuple(branch for branch in found if branch is not None)


def _is_pool(graph: Graph, node: NodeProto) -> bool:
    return node.op_type in _POOLS or is_spatial_mean(graph, node)


def _branch_from(graph: Graph, pool: NodeProto) -> SideBranch | None:
    """Follows a pool to the one ``Mul`` where all its paths end; None if one leads elsewhere."""
    pooled = _origin(graph, pool.input[0])
    inner: dict[str, NodeProto] = {}
    scales: dict[str, NodeProto] = {}
    waiting = list(graph.readers(pool))
    while waiting:
        node = waiting.pop()
        if node.name in inner or node.name in scales:
            continue
        if node.op_type == "Mul" and any(_origin(graph, name) == pooled for name in node.input):
            scales[node.name] = node
            continue
        leaves_graph = any(name in graph.outputs for name in node.output)
        if node.op_type not in _SMALL or leaves_graph or len(inner) == _MOST_NODES:
            return None
        inner[node.name] = node
        waiting += graph.readers(node)
    has_layer = any(node.op_type in _LAYERS for node in inner.values())
    if len(scales) != 1 or not has_layer:
        return None
    ordered = tuple(node.name for node in graph.nodes if node.name in inner)
    return SideBranch(pool.name, ordered, next(iter(scales)))


def _origin(graph: Graph, tensor: str) -> str:
    while (node := graph.producers.get(tensor)) is not None and node.op_type in _TRANSPARENT:
        tensor = node.input[0]
    return tensor

"""Chooses what a selective recipe leaves in FP32: what costs accuracy and next to no time."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import NodeProto, TensorProto

from core.quantization.graph import WEIGHTED, Graph, size_bytes
from core.quantization.side_branches import find_side_branches

_LARGEST_CLASSIFIER = 0.10
"""Of all weight bytes; a larger last layer is worth its INT8 size."""
_STEM_FOLLOWERS = frozenset(
    {
        *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Gelu", "QuickGelu", "BatchNormalization"),
        *("Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Mul"),
        *("MaxPool", "AveragePool"),
    }
)


def sensitive_nodes(graph: Graph) -> tuple[str, ...]:
    """The stem, the insides of side branches and a small last layer, in the graph's order.

    The pool and the ``Mul`` at the ends of a side branch touch the large tensor: in FP32 that
    tensor would be converted back and forth, which costs more than the branch itself.
    """
    names = {name for branch in find_side_branches(graph) for name in branch.inner}
    names.update(_stem(graph))
    names.update(_classifier(graph))
    return tuple(node.name for node in graph.nodes if node.name in names)


def recurrent_nodes(graph: Graph) -> tuple[str, ...]:
    """LSTM nodes: the recurrent ones that dynamic quantization would touch."""
    return tuple(node.name for node in graph.nodes if node.op_type == "LSTM")


def weight_bytes(graph: Graph, names: Iterable[str] | None = None) -> int:
    """Bytes of FP32 weights of the named nodes, or of all nodes."""
    wanted = None if names is None else frozenset(names)
    return sum(
        size_bytes(tensor)
        for node, tensor in graph.weights({TensorProto.FLOAT})
        if wanted is None or node.name in wanted
    )


def _stem(graph: Graph) -> list[str]:
    """The first convolution, and what follows it up to the next layer.

    With its activation and pool it keeps onnxruntime's fused FP32 kernels; cut off before its
    pool, that pool would run on INT8 in the slow layout (100 times slower in a ResNet).
    """
    first = next((node for node in graph.nodes if node.op_type == "Conv"), None)
    if first is None:
        return []
    stem, made = [first.name], set(first.output)
    for node in graph.nodes:
        inputs = graph.computed_inputs(node)
        if node.op_type in _STEM_FOLLOWERS and inputs and made.issuperset(inputs):
            stem.append(node.name)
            made.update(node.output)
    return stem


def _classifier(graph: Graph) -> list[str]:
    last: NodeProto | None = next(
        (node for node in reversed(graph.nodes) if node.op_type in WEIGHTED), None
    )
    if last is None:
        return []
    small = weight_bytes(graph, [last.name]) <= _LARGEST_CLASSIFIER * weight_bytes(graph)
    return [last.name] if small else []

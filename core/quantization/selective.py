"""Chooses what a selective recipe leaves in FP32: what costs accuracy and next to no time."""

from __future__ import annotations

from collections.abc import Iterable

from onnx import NodeProto, TensorProto

from core.quantization.graph import WEIGHTED, Graph, attribute, size_bytes
from core.quantization.side_branches import find_side_branches

_LARGEST_CLASSIFIER = 0.10
"""Of all weight bytes; a larger last layer is worth its INT8 size."""
_ACTIVATIONS = frozenset(
    {
        *("Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Gelu", "QuickGelu", "BatchNormalization"),
        *("Sigmoid", "HardSigmoid", "HardSwish", "Swish", "Mul"),
    }
)


def outer_layers(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The first layer and a small last one, in words, with their node names.

    They cost next to nothing and decide much: on a trained EfficientNetV2-S the first layer
    alone lifts the fidelity of the logits from 12 to 23 dB at the same speed and size.
    """
    parts = {"the first layer": _stem(graph), "the last layer": _classifier(graph)}
    return {words: tuple(names) for words, names in parts.items() if names}


def side_branches(graph: Graph) -> dict[str, tuple[str, ...]]:
    """The insides of attention-like side branches, in words, with their node names.

    The pool and the ``Mul`` at their ends touch the large tensor: in FP32 that tensor would be
    converted back and forth, which costs more than the branch itself.
    """
    inner = [name for branch in find_side_branches(graph) for name in branch.inner]
    return {"the attention-like side branches": tuple(inner)} if inner else {}


def weight_bytes(graph: Graph, names: Iterable[str] | None = None) -> int:
    """Bytes of FP32 weights of the named nodes, or of all nodes."""
    wanted = None if names is None else frozenset(names)
    return sum(
        size_bytes(tensor)
        for node, tensor in graph.weights({TensorProto.FLOAT})
        if wanted is None or node.name in wanted
    )


def _stem(graph: Graph) -> list[str]:
    """The first convolution with its activation, whose fused FP32 kernels are fast.

    And a depthwise one right behind it, on the large image that INT8 is slower on: with both in
    FP32 EfficientNet-Lite0 is 13% faster, with the next one too no more.
    Not where a pool follows: onnxruntime moves the rounding in front of ``MaxPool``, which then
    runs on INT8 in the slow layout (a quarter of a quantized ResNet-18's time).
    """
    first = next((node for node in graph.nodes if node.op_type == "Conv"), None)
    if first is None:
        return []
    stem, made = [first.name], set(first.output)
    for node in graph.nodes:
        inputs = graph.computed_inputs(node)
        if not inputs or not made.issuperset(inputs):
            continue
        if node.op_type == "MaxPool":
            return []
        if node.op_type in _ACTIVATIONS or _is_depthwise(graph, node):
            stem.append(node.name)
            made.update(node.output)
    return stem


def _is_depthwise(graph: Graph, node: NodeProto) -> bool:
    weights = graph.value(node.input[1]) if node.op_type == "Conv" else None
    return weights is not None and attribute(node, "group") == len(weights) > 1


def _classifier(graph: Graph) -> list[str]:
    last: NodeProto | None = next(
        (node for node in reversed(graph.nodes) if node.op_type in WEIGHTED), None
    )
    if last is None:
        return []
    small = weight_bytes(graph, [last.name]) <= _LARGEST_CLASSIFIER * weight_bytes(graph)
    return [last.name] if small else []

"""Parts a graph into blocks: a layer with what onnxruntime runs along with it.

A block is what selective quantization leaves in FP32 as a whole. Taking out a layer without the
activation behind it would add two conversions and break onnxruntime's fused kernels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onnx import NodeProto, TensorProto

from core.quantization.graph import WEIGHTED, Graph, size_bytes
from core.quantization.side_branches import find_side_branches

_SIZES = frozenset({"Shape", "Size"})


@dataclass(frozen=True, slots=True)
class Block:
    """Nodes that are quantized, or left in FP32, together.

    Attributes:
        name: Of the layer's node.
        op_type: Of the layer's node.
        nodes: Names, in the graph's order.
        weight_bytes: Of its FP32 weights.
    """

    name: str
    op_type: str
    nodes: tuple[str, ...]
    weight_bytes: int


def blocks(graph: Graph) -> tuple[Block, ...]:
    """Parts a graph into blocks, in the graph's order.

    A block starts with a layer: a node that has weights, or multiplies two matrices. Every other
    node belongs to the latest block that it reads from, so no path leaves a block and comes back.
    The inside of an attention-like side branch is one block, and the ``Mul`` that applies it
    starts one too: the branch may stay in FP32 without the large tensor that it is applied to.
    Nodes before the first layer belong to no block, nor do those that compute sizes.

    Args:
        graph: Prepared FP32 model with named nodes in topological order.
    """
    branch_of: dict[str, int] = {}
    scales: set[str] = set()
    for position, found in enumerate(find_side_branches(graph)):
        branch_of.update(dict.fromkeys(found.inner, position))
        scales.add(found.scale)
    members: list[list[NodeProto]] = []
    block_of: dict[str, int] = {}
    opened: dict[int, int] = {}
    sizes: set[str] = set()
    for node in graph.nodes:
        read = graph.computed_inputs(node)
        if node.op_type in _SIZES or (read and sizes.issuperset(read)):
            sizes.update(node.output)
            continue
        branch = branch_of.get(node.name)
        if branch is not None:
            index = opened.setdefault(branch, len(members))
        elif node.op_type in WEIGHTED or node.name in scales:
            index = len(members)
        else:
            index = _latest(node, block_of)
        if index < 0:
            continue
        if index == len(members):
            members.append([])
        members[index].append(node)
        block_of.update(dict.fromkeys(node.output, index))
    return tuple(_block(graph, nodes) for nodes in members)


def _latest(node: NodeProto, block_of: Mapping[str, int]) -> int:
    return max((block_of.get(name, -1) for name in node.input), default=-1)


def _block(graph: Graph, nodes: list[NodeProto]) -> Block:
    layer = next((node for node in nodes if node.op_type in WEIGHTED), nodes[0])
    read = {name for node in nodes for name in node.input if name in graph.constants}
    weights = [graph.constants[name] for name in sorted(read)]
    return Block(
        name=layer.name,
        op_type=layer.op_type,
        nodes=tuple(node.name for node in nodes),
        weight_bytes=sum(
            size_bytes(weight)
            for weight in weights
            if weight.data_type == TensorProto.FLOAT and len(weight.dims) >= 2
        ),
    )

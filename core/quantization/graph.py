"""Reads an ONNX graph: who makes a tensor, who reads it, what is constant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from graphlib import TopologicalSorter

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import (
    AttributeProto,
    GraphProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    numpy_helper,
)

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "Attention"})
"""Operators that hold most of a model's weights and do most of its work."""


class Graph:
    """An index over the top level of a model's graph; it does not follow later edits."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.producers: dict[str, NodeProto] = {}
        self.consumers: dict[str, list[NodeProto]] = defaultdict(list)
        self.constants: dict[str, TensorProto] = {
            tensor.name: tensor for tensor in model.graph.initializer
        }
        for node in self.nodes:
            for name in node.output:
                self.producers[name] = node
            for name in dict.fromkeys(node.input):
                self.consumers[name].append(node)
        self.outputs = frozenset(value.name for value in model.graph.output)
        self._infos: dict[str, ValueInfoProto] = {
            value.name: value
            for values in (model.graph.input, model.graph.output, model.graph.value_info)
            for value in values
        }

    def rank(self, tensor: str) -> int | None:
        """Number of axes of a tensor; None where it is not known."""
        if tensor in self.constants:
            return len(self.constants[tensor].dims)
        info = self._infos.get(tensor)
        if info is None or not info.type.tensor_type.HasField("shape"):
            return None
        return len(info.type.tensor_type.shape.dim)

    def value(self, tensor: str) -> NDArray[np.generic] | None:
        """The values of a constant; None for a tensor that is computed."""
        constant = self.constants.get(tensor)
        return None if constant is None else numpy_helper.to_array(constant)

    def readers(self, node: NodeProto) -> Iterator[NodeProto]:
        """The nodes that read an output of ``node``."""
        for name in node.output:
            yield from self.consumers[name]

    def computed_inputs(self, node: NodeProto) -> list[str]:
        """A node's inputs without constants and absent optional ones."""
        return [name for name in node.input if name and name not in self.constants]

    def weights(self, element_types: Collection[int]) -> Iterator[tuple[NodeProto, TensorProto]]:
        """Matrices and larger constants of these element types, each with a node that reads it.

        Scales, zero points, biases and shapes have fewer than two axes and are left out.
        """
        for tensor in self.constants.values():
            readers = self.consumers[tensor.name]
            if readers and len(tensor.dims) >= 2 and tensor.data_type in element_types:
                yield readers[0], tensor


def sort_nodes(model: onnx.ModelProto) -> None:
    """Puts every node after those it reads from, as ONNX demands.

    Raises:
        ValueError: The graph has a cycle.
    """
    nodes = list(model.graph.node)
    made_by = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = {
        index: [made_by[name] for name in _reads(node) if name in made_by]
        for index, node in enumerate(nodes)
    }
    order = [nodes[index] for index in TopologicalSorter(needs).static_order()]
    del model.graph.node[:]
    model.graph.node.extend(order)


def drop_unread_constants(model: onnx.ModelProto) -> None:
    """Removes constants that an edit has left without a reader."""
    read = {name for node in model.graph.node for name in _reads(node)}
    read.update(value.name for value in model.graph.output)
    kept = [tensor for tensor in model.graph.initializer if tensor.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def every_node(graph: GraphProto) -> Iterator[NodeProto]:
    """All nodes of a graph, those in branches and loop bodies too."""
    for node in graph.node:
        yield node
        for body in _bodies(node):
            yield from every_node(body)


def _bodies(node: NodeProto) -> Iterator[GraphProto]:
    for entry in node.attribute:
        if entry.type == AttributeProto.GRAPH:
            yield entry.g
        yield from entry.graphs


def _reads(node: NodeProto) -> Iterator[str]:
    """What a node reads, with what its branches and loop bodies take from outside."""
    yield from node.input
    for body in _bodies(node):
        for inner in every_node(body):
            yield from inner.input


def attribute(node: NodeProto, name: str) -> object:
    """The value of a node's attribute; None where it has none of that name."""
    for found in node.attribute:
        if found.name == name:
            return onnx.helper.get_attribute_value(found)
    return None


def size_bytes(tensor: TensorProto) -> int:
    """Bytes of a constant's values."""
    width = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return int(np.prod(tensor.dims, dtype=np.int64)) * width


def float_weights(model: onnx.ModelProto) -> dict[str, int]:
    """Bytes of FP32 weights by the operator type that reads them, largest first."""
    shares: dict[str, int] = defaultdict(int)
    for node, tensor in Graph(model).weights({TensorProto.FLOAT}):
        shares[node.op_type] += size_bytes(tensor)
    return dict(sorted(shares.items(), key=lambda share: -share[1]))

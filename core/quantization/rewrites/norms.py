"""Layer normalisations with the matrix products that read their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from core.quantization.graph import Graph, attribute, every_node

_SCALE_INPUTS = {"LayerNormalization": (1, 2), "SkipLayerNormalization": (2, 3)}
"""Where operators take the scale and the bias."""
_PRODUCTS = frozenset({"MatMul", "Gemm", "Attention"})
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Norm:
    """A layer normalisation whose result is multiplied by constant weights.

    Attributes:
        output: Name of its result.
        products: ``MatMul``, ``Gemm`` and ``Attention`` nodes that read it.
        scaled_by: Nodes with the positions of their constant inputs that scale the result.
        alone: Whether nothing but the products reads it.
    """

    graph: Graph
    output: str
    products: tuple[NodeProto, ...]
    scaled_by: tuple[tuple[NodeProto, int], ...]
    alone: bool

    def weight_maxima(self) -> Array:
        """Largest magnitude of all products' weights for each channel, shape ``(channels,)``."""
        maxima = [np.abs(_by_channel(self.graph, node)).max(axis=1) for node in self.products]
        highest: Array = np.max(maxima, axis=0)
        return highest

    def multiply_weights(self, factors: Array) -> None:
        """Multiplies each channel's weights, factors of shape ``(channels,)``."""
        for node in self.products:
            values = _by_channel(self.graph, node) * factors[:, None]
            values = values.T if _transposed(node) else values
            node.input[1] = _new_constant(self.graph, f"{node.name}_smoothed_weights", values)

    def divide_output(self, factors: Array) -> None:
        """Divides what the products read, factors of shape ``(channels,)``."""
        if self.alone:
            for node, position in self.scaled_by:
                values = _floats(self.graph, node.input[position]) / factors
                name = f"{self.output}_smoothed_{node.op_type}_{position}"
                node.input[position] = _new_constant(self.graph, name, values)
            return
        name = f"{self.output}_smoothed"
        scale = _new_constant(self.graph, f"{self.output}_smoothing", 1 / factors)
        multiply = helper.make_node("Mul", [self.output, scale], [name], name=name)
        self.graph.model.graph.node.append(multiply)
        for node in self.products:
            node.input[0] = name


def find_norms(graph: Graph) -> Iterator[Norm]:
    """Lists layer normalisations, in one piece or as exporters spell them, that products read."""
    # Those inside branches and loop bodies count too.
    reads = Counter(name for node in every_node(graph.model.graph) for name in set(node.input))
    for node in graph.nodes:
        scaled_by = _scaled_by(graph, reads, node)
        if not scaled_by:
            continue
        shapes = {_shape(graph, owner.input[position]) for owner, position in scaled_by}
        width = next(iter(shapes))[-1] if len(shapes) == 1 else 0
        if shapes != {(width,)}:
            continue
        output = node.output[0]
        products = tuple(
            reader for reader in graph.consumers[output] if _reads(graph, reader, output, width)
        )
        if products:
            alone = reads[output] == len(products) and output not in graph.outputs
            yield Norm(graph, output, products, scaled_by, alone)


def _scaled_by(
    graph: Graph, reads: Counter[str], node: NodeProto
) -> tuple[tuple[NodeProto, int], ...]:
    """The constants that scale a normalisation's result; none where a node is not its last."""
    if node.op_type in _SCALE_INPUTS:
        return tuple(
            (node, position)
            for position in _SCALE_INPUTS[node.op_type]
            if len(node.input) > position and node.input[position]
        )
    if node.op_type == "Mul":
        return _scale_of_quotient(graph, node)
    if node.op_type != "Add" or len(graph.computed_inputs(node)) != 1:
        return ()
    (scaled,) = graph.computed_inputs(node)
    multiply = graph.producers.get(scaled)
    if multiply is None or multiply.op_type != "Mul" or reads[scaled] > 1:
        return ()
    scale = () if scaled in graph.outputs else _scale_of_quotient(graph, multiply)
    return (*scale, (node, list(node.input).index(scaled) ^ 1)) if scale else ()


def _scale_of_quotient(graph: Graph, multiply: NodeProto) -> tuple[tuple[NodeProto, int], ...]:
    """Where a ``Mul`` takes the constant that it scales the result of a ``Div`` by."""
    computed = graph.computed_inputs(multiply)
    producer = graph.producers.get(computed[0]) if len(computed) == 1 else None
    if producer is None or producer.op_type != "Div":
        return ()
    return ((multiply, list(multiply.input).index(computed[0]) ^ 1),)


def _reads(graph: Graph, node: NodeProto, tensor: str, width: int) -> bool:
    """Whether a node multiplies a tensor of this many channels by constant weights."""
    if node.op_type not in _PRODUCTS or node.input[0] != tensor or attribute(node, "transA"):
        return False
    weights = graph.constants.get(node.input[1])
    if weights is None or weights.data_type != TensorProto.FLOAT or len(weights.dims) != 2:
        return False
    return tensor not in node.input[1:] and weights.dims[1 if _transposed(node) else 0] == width


def _transposed(node: NodeProto) -> bool:
    return node.op_type == "Gemm" and bool(attribute(node, "transB"))


def _by_channel(graph: Graph, node: NodeProto) -> Array:
    """A product's weights, shape ``(channels, results)``."""
    values = _floats(graph, node.input[1])
    return values.T if _transposed(node) else values


def _floats(graph: Graph, tensor: str) -> Array:
    return numpy_helper.to_array(graph.constants[tensor]).astype(np.float32, copy=False)


def _shape(graph: Graph, tensor: str) -> tuple[int, ...]:
    """The shape of an FP32 constant; ``(0,)`` of anything else."""
    constant = graph.constants.get(tensor)
    if constant is None or constant.data_type != TensorProto.FLOAT or not constant.dims:
        return (0,)
    return tuple(constant.dims)


def _new_constant(graph: Graph, name: str, values: NDArray[np.floating[Any]]) -> str:
    contiguous = np.ascontiguousarray(values, np.float32)
    graph.model.graph.initializer.append(numpy_helper.from_array(contiguous, name))
    return name

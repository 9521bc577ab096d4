"""Finds where attention may be in a graph: three projections, scores, their softmax, a mixture.

By structure alone, since exporters differ in how they scale, mask and reshape; whether a place *is*
attention, :mod:`core.quantization.rewrites.fuse` tells by what it computes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto

from core.quantization.graph import Graph

_ELEMENTWISE = frozenset({"Add", "Sub", "Mul", "Div", "Where"})


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear layer: names of what it reads and writes, and its constants."""

    source: str
    result: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Place:
    """What may be an attention, from its three projections to where its heads are merged."""

    projections: tuple[Projection, Projection, Projection]
    scores: str
    value: str
    merging: NodeProto

    @property
    def tensors(self) -> tuple[str, ...]:
        """Whose values tell what it is."""
        results = (projection.result for projection in self.projections)
        return (*results, self.scores, self.value, self.merging.output[0])


def attention_places(graph: Graph) -> Iterator[Place]:
    """Lists the places that may be attention, in the graph's order."""
    for softmax in graph.nodes:
        if softmax.op_type != "Softmax":
            continue
        scoring = _product_before(graph, softmax.input[0])
        mixing = _product_after(graph, softmax)
        if scoring is None or mixing is None:
            continue
        merging = list(graph.readers(mixing))
        if len(merging) != 1 or merging[0].op_type != "Transpose":
            continue
        if any(node.op_type != "Reshape" for node in graph.readers(merging[0])):
            continue
        inputs = (*scoring.input, mixing.input[1])
        query, key, value = (_projection(graph, name) for name in inputs)
        if query is None or key is None or value is None:
            continue
        if query.source == key.source == value.source and graph.rank(query.source) == 3:
            yield Place((query, key, value), softmax.input[0], mixing.input[1], merging[0])


def _product_before(graph: Graph, tensor: str) -> NodeProto | None:
    """The one matrix product that becomes the scores when it is scaled and masked."""
    waiting, found = [tensor], {}
    while waiting:
        name = waiting.pop()
        node = graph.producers.get(name)
        if node is not None and node.op_type == "MatMul":
            found[name] = node
        elif node is not None and node.op_type in _ELEMENTWISE:
            waiting += node.input
    return next(iter(found.values())) if len(found) == 1 else None


def _product_after(graph: Graph, softmax: NodeProto) -> NodeProto | None:
    """The matrix product that mixes the values; a guard against NaN may come before it."""
    shares = {softmax.output[0]}
    readers = list(graph.readers(softmax))
    for node in readers:
        if node.op_type == "Where":
            shares.update(node.output)
            readers += graph.readers(node)
    products = [node for node in readers if node.op_type == "MatMul" and node.input[0] in shares]
    return products[0] if len(products) == 1 else None


def _projection(graph: Graph, tensor: str) -> Projection | None:
    """Follows one of attention's three inputs back, past scales and changes of shape."""
    while (node := graph.producers.get(tensor)) is not None:
        if node.op_type in ("Add", "MatMul"):
            return _linear(graph, node)
        if node.op_type in ("Reshape", "Transpose"):
            tensor = node.input[0]
        elif node.op_type in ("Mul", "Div"):
            large = [name for name in node.input if (graph.rank(name) or 0) >= 3]
            if len(large) != 1:
                return None
            tensor = large[0]
        else:
            return None
    return None


def _linear(graph: Graph, node: NodeProto) -> Projection | None:
    result, bias = node.output[0], None
    if node.op_type == "Add":
        biases = [graph.value(name) for name in node.input if name in graph.constants]
        product = graph.producers.get(graph.computed_inputs(node)[0])
        if len(biases) != 1 or product is None or product.op_type != "MatMul":
            return None
        node, bias = product, biases[0]
    weight = graph.value(node.input[1])
    if weight is None or weight.dtype != np.float32 or weight.ndim != 2:
        return None
    width = weight.shape[1]
    if bias is None:
        bias = np.zeros(width, np.float32)
    if bias.shape != (width,):
        return None
    return Projection(node.input[0], result, weight.astype(np.float32), bias.astype(np.float32))

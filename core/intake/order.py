"""Nodes in the order in which they can run.

ONNX demands this order, onnxruntime does not, and its own float16 converter leaves the casts of
a model's inputs at the end of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import onnx

from core.records import BadInput


def sort_nodes(graph: onnx.GraphProto) -> None:
    """Puts the nodes of a graph, and of the graphs inside it, into an order that can run.

    Nodes that are in order already stay as they are.

    Raises:
        BadInput: Some nodes wait for one another.
    """
    for node in graph.node:
        for inner in _inner_graphs(node):
            sort_nodes(inner)
    producer = {name: index for index, node in enumerate(graph.node) for name in node.output}
    needs = {
        index: [producer[name] for name in _read_by(node) if name in producer]
        for index, node in enumerate(graph.node)
    }
    if all(need < index for index, found in needs.items() for need in found):
        return
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise BadInput(
            "Some of the model's operators wait for one another's results: export the model again."
        ) from error
    nodes = [graph.node[index] for index in order]
    del graph.node[:]
    graph.node.extend(nodes)


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """What a node reads, also from within its graphs."""
    yield from node.input
    for inner in _inner_graphs(node):
        for nested in inner.node:
            yield from _read_by(nested)
        yield from (output.name for output in inner.output)


def _inner_graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            yield from attribute.graphs

"""Tells the bodies of Loop, Scan and If what is known outside of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from core.intake.tensors import all_nodes, subgraphs_of

Types = dict[str, onnx.TypeProto]
Values = dict[str, NDArray[np.generic]]


def inform_bodies(node: onnx.NodeProto, types: Types, values: Values) -> Types:
    """Writes known integers and the types of carried states into a node's subgraphs.

    onnx's inference hands neither on: a body sees no value from outside, and a state could
    change its shape. Here it is taken to keep it, as states of recurrent networks do.

    Args:
        node: Changed in place, if it has subgraphs.
        types: What is known of the values outside.
        values: Of those, the ones whose values are known.

    Returns:
        The types of the outputs that the states become.
    """
    found: Types = {}
    for body in subgraphs_of(node):
        read = {name for inner in all_nodes(body.node) for name in inner.input}
        body.initializer.extend(
            numpy_helper.from_array(values[name], name)
            for name in sorted(read & values.keys())
            if np.issubdtype(values[name].dtype, np.integer)
        )
        initial = _states(node)
        first = 2 if node.op_type == "Loop" else 0  # after the iteration and the condition
        for value, name in zip(body.input[first:], initial, strict=False):
            if name in types:
                value.type.CopyFrom(types[name])
        found |= {
            output: types[name]
            for output, name in zip(node.output, initial, strict=False)
            if name in types
        }
    return found


def take_types(source: onnx.GraphProto, target: onnx.GraphProto) -> None:
    """Copies what was inferred to a graph with the same outputs, bodies included."""
    for mine, theirs in (
        (target.value_info, source.value_info),
        (target.output, source.output),
    ):
        kept = list(theirs)
        del mine[:]
        mine.extend(kept)
    inferred = {node.output[0]: node for node in source.node if node.output}
    for node in target.node:
        twin = inferred.get(node.output[0]) if node.output else None
        for body, known in zip(
            subgraphs_of(node), subgraphs_of(twin) if twin else (), strict=False
        ):
            inputs: Mapping[str, onnx.ValueInfoProto] = {one.name: one for one in known.input}
            for value in body.input:
                value.CopyFrom(inputs[value.name])
            take_types(known, body)


def _states(node: onnx.NodeProto) -> Sequence[str]:
    inputs = list(node.input)
    if node.op_type == "Loop":
        return inputs[2:]
    scanned = next((one.i for one in node.attribute if one.name == "num_scan_inputs"), len(inputs))
    return inputs[: len(inputs) - scanned]

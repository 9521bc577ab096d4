"""Follows shapes node by node where onnx's inference gives up, once sizes are fixed.

torch's and TensorFlow's exporters write the shape of a Reshape as a small integer program
(Shape, Gather, Mod, Where, ...). onnx's shape inference follows only part of it; this runs it,
and knows the shapes of com.microsoft's operators too.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, checker, defs, helper, numpy_helper, shape_inference
from onnx.reference import ReferenceEvaluator

from core.intake import contrib
from core.intake.bodies import Types, Values, inform_bodies
from core.intake.tensors import subgraphs_of

_MOST_ELEMENTS = 1024
# What inference and evaluation raise on a graph that they cannot follow: they are written with
# asserts, indexing and unpacking rather than checks. The graph stays as it is then.
FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    checker.ValidationError,
    defs.SchemaError,
    shape_inference.InferenceError,
)


def fold_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which small values that only depend on sizes are initializers.

    Shapes of com.microsoft's operators and of carried states are noted in ``value_info``.

    Args:
        model: With fixed input sizes; emptied weights must be inputs.
    """
    folded = onnx.ModelProto()
    folded.CopyFrom(model)
    graph = folded.graph
    opsets = list(model.opset_import)
    types: Types = {value.name: value.type for value in graph.input}
    values: Values = {}
    for tensor in graph.initializer:
        _note(tensor.name, tensor, types, values)
    kept = []
    for node in graph.node:
        states = inform_bodies(node, types, values)
        found = _value(node, types, values, opsets)
        if found is None:
            kept.append(node)
            types.update(states)
            noted = set(node.output) if node.domain == contrib.DOMAIN else set(states)
            graph.value_info.extend(
                onnx.ValueInfoProto(name=name, type=types[name])
                for name in sorted(noted & types.keys())
            )
            continue
        tensor = numpy_helper.from_array(found, node.output[0])
        _note(tensor.name, tensor, types, values)
        graph.initializer.append(tensor)
    del graph.node[:]
    graph.node.extend(kept)
    return folded


def _value(
    node: onnx.NodeProto, types: Types, values: Values, opsets: list[onnx.OperatorSetIdProto]
) -> NDArray[np.generic] | None:
    """The value of a node's one output if it can be told; notes its outputs' types."""
    for attribute in node.attribute:
        if node.op_type == "Constant" and attribute.HasField("t"):
            _note(node.output[0], attribute.t, types, values)
            return None
    try:
        inferred = _infer(node, types, values, opsets)
        types.update(inferred)
        # Its size is inferred before it is computed: a file could ask for a terabyte of ones.
        output = inferred[node.output[0]]
        sizes = _sizes(output)
        if len(node.output) != 1 or sizes is None or math.prod(sizes) > _MOST_ELEMENTS:
            return None
        feeds = {name: values[name] for name in node.input if name in values}
        if node.op_type == "Shape" and (given := _sizes(types[node.input[0]])) is not None:
            # Of this size, but without the memory of its values.
            feeds = {node.input[0]: np.broadcast_to(np.False_, given)}
        if not feeds or any(subgraphs_of(node)) or any(n and n not in feeds for n in node.input):
            return None
        versions = {entry.domain: entry.version for entry in opsets}
        (result,) = ReferenceEvaluator(node, opsets=versions).run(None, feeds)
    except FAILURES:
        return None
    array = np.asarray(result)
    return array if array.dtype.kind in "biuf" else None


def _infer(
    node: onnx.NodeProto, types: Types, values: Values, opsets: list[onnx.OperatorSetIdProto]
) -> Types:
    node = contrib.without_activation(node) or node
    if node.domain == contrib.DOMAIN:
        shapes = [_sizes(types[name]) if name in types else None for name in node.input]
        shape = contrib.output_shape(node, shapes)
        dtype = types[node.input[0]].tensor_type.elem_type
        if node.op_type == "EmbedLayerNormalization":
            dtype = types[node.input[2]].tensor_type.elem_type
        kind = helper.make_tensor_type_proto(dtype, shape)
        return {} if shape is None else {node.output[0]: kind}
    versions = {entry.domain: entry.version for entry in opsets}
    schema = defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    # Bodies of Loop and If read values from outside: those need all types.
    outside = any(subgraphs_of(node))
    names = types if outside else {name for name in node.input if name}
    return shape_inference.infer_node_outputs(
        schema,
        node,
        {name: types[name] for name in names},
        {name: numpy_helper.from_array(values[name], name) for name in names if name in values},
        opset_imports=opsets,
    )


def _note(name: str, tensor: TensorProto, types: Types, values: Values) -> None:
    types[name] = helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
    if math.prod(tensor.dims) <= _MOST_ELEMENTS and tensor.data_type != TensorProto.STRING:
        values[name] = numpy_helper.to_array(tensor)


def _sizes(kind: onnx.TypeProto) -> tuple[int, ...] | None:
    if not kind.tensor_type.HasField("shape"):
        return None
    dims = kind.tensor_type.shape.dim
    if not all(dim.HasField("dim_value") for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)

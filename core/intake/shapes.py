"""Shapes of every value for one sample, inferred with sensible sizes for symbolic dimensions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import onnx
from onnx import TensorProto, helper, shape_inference

from core.intake.bodies import take_types
from core.intake.folding import FAILURES, fold_sizes
from core.intake.tensors import TYPED_FIELDS

_IMAGE_RANK = 4
_MOST_CHANNELS = 4
# (height and width, everything else). The second pair is for what the first is too short for:
# networks that read raw audio.
_GUESSES = ((224, 128), (256, 16_384))


def infer_shapes(
    model: onnx.ModelProto, count_unknown: Callable[[onnx.ModelProto], int]
) -> onnx.ModelProto:
    """Adds the shapes of all values that can be inferred, subgraphs' included.

    The batch (the first dimension of an input) becomes 1 where it is symbolic. Other symbolic
    dimensions become 224 (height and width of an image) or 128 (a sequence); the same name
    always gets the same size. Where onnx's inference stops, :mod:`core.intake.folding` helps.

    Args:
        model: A model without functions of its own; tensors need no values.
        count_unknown: How much is still missing in a result.

    Returns:
        The first result in which nothing is missing, or the one in which least is.
    """
    best, missing = model, math.inf
    for height, length in _GUESSES:
        sized = _with_sizes(model, height, length)
        emptied = _take_out_emptied(sized.graph)
        for result in _results(sized):
            _put_back(result.graph, emptied)
            unknown = count_unknown(result)
            if unknown < missing:
                best, missing = result, unknown
            if missing == 0:
                return best
    return best


def input_values(graph: onnx.GraphProto) -> list[onnx.ValueInfoProto]:
    """The inputs that must be fed: old files also list their initializers."""
    stored = {tensor.name for tensor in graph.initializer}
    stored |= {tensor.values.name for tensor in graph.sparse_initializer}
    return [value for value in graph.input if value.name not in stored]


def _results(model: onnx.ModelProto) -> Iterator[onnx.ModelProto]:
    for infer in (_infer_plainly, _infer_after_folding):
        try:
            result = infer(model)
        except FAILURES:
            continue
        yield result


def _infer_plainly(model: onnx.ModelProto) -> onnx.ModelProto:
    return shape_inference.infer_shapes(model, data_prop=True)


def _infer_after_folding(model: onnx.ModelProto) -> onnx.ModelProto:
    result = onnx.ModelProto()
    result.CopyFrom(model)
    take_types(_infer_plainly(fold_sizes(model)).graph, result.graph)
    return result


def _take_out_emptied(graph: onnx.GraphProto) -> list[TensorProto]:
    """Makes inputs of the weights that lost their values: inference may not look for them."""
    emptied = [tensor for tensor in graph.initializer if _is_emptied(tensor)]
    kept = [tensor for tensor in graph.initializer if not _is_emptied(tensor)]
    nodes = []
    for node in graph.node:
        tensor = next((one.t for one in node.attribute if one.HasField("t")), None)
        if node.op_type == "Constant" and tensor is not None and _is_emptied(tensor):
            tensor.name = node.output[0]
            emptied.append(tensor)
        else:
            nodes.append(node)
    listed = {value.name for value in graph.input}
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    graph.input.extend(
        helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        for tensor in emptied
        if tensor.name not in listed
    )
    return emptied


def _put_back(graph: onnx.GraphProto, emptied: list[TensorProto]) -> None:
    names = {tensor.name for tensor in emptied}
    inputs = [value for value in graph.input if value.name not in names]
    del graph.input[:]
    graph.input.extend(inputs)
    graph.initializer.extend(emptied)


def _is_emptied(tensor: TensorProto) -> bool:
    filled = tensor.HasField("raw_data") or any(getattr(tensor, one) for one in TYPED_FIELDS)
    return not filled and math.prod(tensor.dims) > 0


def _with_sizes(model: onnx.ModelProto, height: int, length: int) -> onnx.ModelProto:
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    # Shapes that the exporter noted are in its own symbols; they would stand against ours.
    del sized.graph.value_info[:]
    named: dict[str, int] = {}
    for value in input_values(sized.graph):
        if not value.type.tensor_type.HasField("shape"):
            continue
        dims = value.type.tensor_type.shape.dim
        is_image = (
            len(dims) == _IMAGE_RANK and value.type.tensor_type.elem_type != TensorProto.INT64
        )
        channels_last = is_image and 0 < dims[-1].dim_value <= _MOST_CHANNELS
        for axis, dim in enumerate(dims):
            if dim.HasField("dim_value") and dim.dim_value > 0:
                continue
            if axis == 0:
                size = 1
            elif is_image and axis == 1 and not channels_last:
                size = 3
            else:
                size = height if is_image else length
            if dim.dim_param:
                size = named.setdefault(dim.dim_param, size)
            dim.dim_value = size
    for value in sized.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in named:
                dim.dim_value = named[dim.dim_param]
            elif dim.dim_param:
                dim.ClearField("dim_param")
    return sized

"""The tensors that an ONNX file stores: where they are and how many bytes each must have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import onnx
from onnx import TensorProto
from onnx.helper import tensor_dtype_to_np_dtype

from core.records import BadInput

# The bits of the types that share bytes; all others fill whole bytes (onnx.proto, TensorProto).
_SUB_BYTE_BITS = {
    TensorProto.UINT4: 4,
    TensorProto.INT4: 4,
    TensorProto.FLOAT4E2M1: 4,
    TensorProto.UINT2: 2,
    TensorProto.INT2: 2,
    TensorProto.FLOAT6E2M3: 6,
    TensorProto.FLOAT6E3M2: 6,
}
_VALUES_PER_INT32 = {4: 2, 2: 4}
TYPED_FIELDS = (
    "float_data",
    "int32_data",
    "string_data",
    "int64_data",
    "double_data",
    "uint64_data",
)
FLOAT_TYPES = frozenset(
    value
    for name, value in TensorProto.DataType.items()
    if name.startswith(("FLOAT", "BFLOAT", "DOUBLE"))
)
NARROW_INTEGER_TYPES = frozenset(
    {
        TensorProto.INT8,
        TensorProto.UINT8,
        TensorProto.INT4,
        TensorProto.UINT4,
        TensorProto.INT2,
        TensorProto.UINT2,
    }
)


def bits_of(dtype: int) -> int:
    """Bits of one value of an ONNX element type; 0 for strings and unknown types."""
    if dtype in _SUB_BYTE_BITS:
        return _SUB_BYTE_BITS[TensorProto.DataType.ValueType(dtype)]
    if dtype == TensorProto.STRING or dtype not in TensorProto.DataType.values() or dtype == 0:
        return 0
    return int(tensor_dtype_to_np_dtype(dtype).itemsize) * 8


def stored_bytes(dtype: int, elements: int) -> int:
    """Bytes that ``elements`` values take in a file, the last byte padded."""
    return -(-elements * bits_of(dtype) // 8)


def is_external(tensor: TensorProto) -> bool:
    """Whether the values are in another file."""
    return tensor.data_location == TensorProto.EXTERNAL


def subgraphs_of(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """The graphs in a node's attributes: branches of If, bodies of Loop and Scan."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """The nodes and those of their subgraphs.

    The recursion is bounded: protobuf refuses more than 100 nested messages, three a subgraph.
    """
    for node in nodes:
        yield node
        for graph in subgraphs_of(node):
            yield from all_nodes(graph.node)


def model_nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model: of the graph, its subgraphs and the model's own functions."""
    yield from all_nodes(model.graph.node)
    for function in model.functions:
        yield from all_nodes(function.node)


def model_tensors(model: onnx.ModelProto) -> Iterator[tuple[str, TensorProto]]:
    """Every stored tensor with the name of the value it gives."""
    yield from _initializers(model.graph)
    for node in model_nodes(model):
        for attribute in node.attribute:
            name = node.output[0] if node.output else node.name
            if attribute.HasField("t"):
                yield name, attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from _parts(name, [attribute.sparse_tensor])
            yield from ((name, tensor) for tensor in attribute.tensors)
            yield from _parts(name, attribute.sparse_tensors)
        for graph in subgraphs_of(node):
            yield from _initializers(graph)


def _initializers(graph: onnx.GraphProto) -> Iterator[tuple[str, TensorProto]]:
    yield from ((tensor.name, tensor) for tensor in graph.initializer)
    yield from _parts("", graph.sparse_initializer)


def _parts(
    name: str, tensors: Iterable[onnx.SparseTensorProto]
) -> Iterator[tuple[str, TensorProto]]:
    for sparse in tensors:
        yield name or sparse.values.name, sparse.values
        yield name or sparse.values.name, sparse.indices


def elements_of(name: str, dims: Sequence[int]) -> int:
    """Number of values of a tensor.

    Raises:
        BadInput: A dimension is negative.
    """
    if any(size < 0 for size in dims):
        raise BadInput(
            f"The tensor '{name}' has a negative dimension, so the file is damaged: "
            "export the model again."
        )
    return math.prod(dims)


def check_length(name: str, tensor: TensorProto) -> None:
    """Checks that a tensor in the file holds as many bytes as its shape asks for.

    A file cut off in the wrong place still parses; onnxruntime would read what is not there.

    Raises:
        BadInput: The type is unknown, or there are too few or too many bytes.
    """
    elements = elements_of(name, tensor.dims)
    bits = bits_of(tensor.data_type)
    if tensor.data_type == TensorProto.STRING:
        expected, found = elements, len(tensor.string_data)
    elif bits == 0:
        raise BadInput(
            f"The tensor '{name}' has the unknown type {tensor.data_type}: export the model with "
            "a released version of ONNX."
        )
    elif tensor.HasField("raw_data"):
        expected, found = stored_bytes(tensor.data_type, elements), len(tensor.raw_data)
    else:
        expected = elements
        if tensor.data_type in (TensorProto.COMPLEX64, TensorProto.COMPLEX128):
            expected *= 2
        expected = -(-expected // _VALUES_PER_INT32.get(bits, 1))
        found = sum(len(getattr(tensor, field)) for field in TYPED_FIELDS)
    if expected != found:
        unit = "bytes" if tensor.HasField("raw_data") else "values"
        raise BadInput(
            f"The file is cut off or damaged: the tensor '{name}' should hold {expected:,} {unit} "
            f"but holds {found:,}; upload or export it again."
        )

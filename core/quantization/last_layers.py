"""Finds the layers that write a model's results, and reaches their biases."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from core.quantization.graph import WEIGHTED, Graph, attribute

_BIASED = frozenset({"Conv", "ConvTranspose", "Gemm"})
_INT32 = np.iinfo(np.int32)
Array = NDArray[np.float64]


def last_layers(graph: Graph) -> list[NodeProto]:
    """Lists the layers whose bias reaches an output before another layer comes.

    That is a convolution or ``Gemm``, quantized or not, or the ``Add`` of a constant vector, as
    exporters write the bias of a ``MatMul``. None of them feeds another.

    Args:
        graph: FP32 or QDQ model.
    """
    found = set(_reaching_an_output(graph))
    last: list[NodeProto] = []
    before: set[str] = set()
    for node in reversed(graph.nodes):
        if node.name in found and node.name not in before:
            last.append(node)
            before |= _ancestors(graph, node)
    return last


def _reaching_an_output(graph: Graph) -> Iterator[str]:
    seen: set[str] = set()
    waiting = sorted(graph.outputs)
    while waiting:
        producer = graph.producers.get(waiting.pop())
        if producer is None or producer.name in seen:
            continue
        seen.add(producer.name)
        if _takes_a_bias(graph, producer):
            yield producer.name
        elif producer.op_type not in WEIGHTED:
            waiting += producer.input


def _ancestors(graph: Graph, node: NodeProto) -> set[str]:
    found: set[str] = set()
    waiting = list(node.input)
    while waiting:
        producer = graph.producers.get(waiting.pop())
        if producer is not None and producer.name not in found:
            found.add(producer.name)
            waiting += producer.input
    return found


def _takes_a_bias(graph: Graph, node: NodeProto) -> bool:
    if node.op_type not in _BIASED:
        return _added_vector(graph, node) is not None
    bias = node.input[2] if len(node.input) > 2 else ""
    return not bias or bias in graph.constants or _dequantized(graph, bias) is not None


def _added_vector(graph: Graph, node: NodeProto) -> int | None:
    """Where an ``Add`` takes its constant vector; None where a node is not such an ``Add``."""
    for position, name in enumerate(node.input) if node.op_type == "Add" else ():
        constant = graph.constants.get(name)
        if constant is not None and len(constant.dims) == 1 and constant.dims[0] > 1:
            return position if constant.data_type == TensorProto.FLOAT else None
    return None


def _dequantized(graph: Graph, tensor: str) -> NodeProto | None:
    """The ``DequantizeLinear`` that makes a tensor, if one does."""
    producer = graph.producers.get(tensor)
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def channel_means(node: NodeProto, result: NDArray[np.float32]) -> Array:
    """The mean of each of a layer's channels, shape ``(channels,)``."""
    last = result if node.op_type in ("Gemm", "Add") else np.moveaxis(result, 1, -1)
    means: Array = last.reshape(-1, last.shape[-1]).mean(axis=0, dtype=np.float64)
    return means


def subtract_from_bias(graph: Graph, node: NodeProto, error: Array) -> None:
    """Makes each channel of a layer's result smaller.

    A bias in INT32 stays one, in the same steps; a layer without a bias receives one, which the
    INT8 kernels add for nothing.

    Args:
        graph: Model of the layer; changed.
        node: From :func:`last_layers`.
        error: What to subtract, shape ``(channels,)``.
    """
    name = f"{node.name}_corrected_bias"
    if node.op_type == "Add":
        position = _added_vector(graph, node)
        assert position is not None  # noqa: S101  (that makes it a last layer)
        node.input[position] = _store(graph, name, _float(graph, node.input[position]) - error)
        return
    beta = attribute(node, "beta")
    shift = -error / beta if isinstance(beta, float) and beta else -error
    old = node.input[2] if len(node.input) > 2 else ""
    source = _dequantized(graph, old)
    reads = [_dequantized(graph, read) for read in node.input[:2]]
    if source is not None:
        # Each layer has one of its own, as its steps depend on the layer's input and weights.
        scale = source.input[1]
        steps = _float(graph, source.input[0]) + shift / _float(graph, scale)
        source.input[0] = _store_integers(graph, name, steps)
        return
    if not old and reads[0] is not None and reads[1] is not None:
        step = _float(graph, reads[0].input[1]) * _float(graph, reads[1].input[1])
        inputs = [
            _store_integers(graph, f"{name}_quantized", shift / step),
            _store(graph, f"{name}_step", step),
        ]
        dequantize = helper.make_node("DequantizeLinear", inputs, [name], f"{name}_node", axis=0)
        graph.model.graph.node.append(dequantize)
    else:
        _store(graph, name, (_float(graph, old) if old else 0.0) + shift)
    node.input[:] = [*node.input[:2], name]


def _store_integers(graph: Graph, name: str, steps: Array) -> str:
    integers = np.clip(np.rint(steps), _INT32.min, _INT32.max).astype(np.int32)
    graph.model.graph.initializer.append(numpy_helper.from_array(integers, name))
    return name


def _store(graph: Graph, name: str, values: Array) -> str:
    constant = numpy_helper.from_array(values.astype(np.float32), name)
    graph.model.graph.initializer.append(constant)
    return name


def _float(graph: Graph, tensor: str) -> Array:
    return numpy_helper.to_array(graph.constants[tensor]).astype(np.float64)

"""INT8 weight-only: weights stored in 8 bits, everything computed on FP32 activations.

Two forms. With ``block_size`` 0 a weight becomes INT8 values with a scale for each output, and in
matrices one for each input beside it, since inputs of very different magnitude have weights that
are as different (an LSTM over sensors of several units: 52 dB instead of 15). The graph says
``Cast`` and ``Mul``, which onnxruntime computes once, when the session opens, so the file is a
quarter and each run is as fast as before. (A ``DequantizeLinear`` in their place would be run each
time: EfficientNetV2-S then takes 1.6 times as long.) With a block size, matrix products become
``MatMulNBits``, which keeps the weights small in memory too and can be faster where a run waits
for them, at small batches of short sequences.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from core.quantization.graph import Graph, attribute
from core.records import Recipe

_LARGEST = 127
_LEAST_VALUES = 256
"""Smaller constants are not worth two more nodes."""
_COMPUTE_IN_INT8 = 4
"""``accuracy_level`` of MatMulNBits: activations may be made INT8 on the way."""
_BLOCKED = "MatMul"


@dataclass(frozen=True, slots=True)
class _Weight:
    """Which axis of a weight numbers the outputs, and which, if any, the inputs with a scale."""

    outputs: int
    inputs: int | None


def _layout(node: NodeProto, rank: int) -> _Weight:
    match node.op_type:
        case "Conv" | "Gather":
            return _Weight(0, None)
        case "ConvTranspose":
            return _Weight(1, None)
        case "Gemm" if attribute(node, "transB") == 1:
            return _Weight(0, 1)
        case "GRU" | "LSTM" | "RNN":
            return _Weight(1, 2)
        case _:
            return _Weight(rank - 1, rank - 2)


_INPUTS: dict[str, tuple[int, ...]] = {
    "Attention": (1,),
    "Conv": (1,),
    "ConvTranspose": (1,),
    "GRU": (1, 2),
    "Gather": (0,),
    "Gemm": (1,),
    "LSTM": (1, 2),
    "MatMul": (0, 1),
    "RNN": (1, 2),
}
"""Which inputs of a node hold weights."""


def weight_only() -> Recipe:
    """The recipe that stores every weight it can, row by row."""
    return Recipe(
        id="int8_weight_only",
        method="int8_weight_only",
        op_types=tuple(sorted(_INPUTS)),
        note="Stores the weights in INT8 and computes in FP32: a quarter of the file, hardly any "
        "loss, and as fast as before.",
    )


def to_int8_weight_only(model: Path, recipe: Recipe) -> onnx.ModelProto:
    """Stores the weights of a prepared FP32 model in INT8.

    Args:
        model: Prepared FP32 ``.onnx`` file.
        recipe: With method ``int8_weight_only``.
    """
    loaded = onnx.load(model)
    if recipe.block_size:
        logging.getLogger("onnxruntime.quantization").setLevel(logging.WARNING)
        quantizer = MatMulNBitsQuantizer(
            loaded,
            bits=8,
            block_size=recipe.block_size,
            is_symmetric=True,
            accuracy_level=_COMPUTE_IN_INT8,
            nodes_to_exclude=list(recipe.left_in_float),
            op_types_to_quantize=(_BLOCKED,),
        )
        quantizer.process()
        loaded = quantizer.model.model
    _store(loaded, dict(_found(Graph(loaded), recipe)))
    return loaded


def _found(graph: Graph, recipe: Recipe) -> Iterator[tuple[str, _Weight]]:
    """Names of weights with their layout; each once, by its first reader."""
    seen: set[str] = set()
    for node in graph.nodes:
        if node.op_type not in recipe.op_types or node.name in recipe.left_in_float:
            continue
        for index in _INPUTS.get(node.op_type, ()):
            name = node.input[index] if index < len(node.input) else ""
            tensor = graph.constants.get(name)
            if tensor is None or name in seen or tensor.data_type != TensorProto.FLOAT:
                continue
            rank = len(tensor.dims)
            if rank >= 2 and np.prod(tensor.dims) >= _LEAST_VALUES:
                seen.add(name)
                yield name, _layout(node, rank)


def _store(model: onnx.ModelProto, weights: dict[str, _Weight]) -> None:
    """Replaces weights by INT8 values, scales and the nodes that multiply them."""
    kept, decoding = [], []
    for tensor in model.graph.initializer:
        if tensor.name not in weights:
            kept.append(tensor)
            continue
        name = tensor.name
        values, *scales = _rounded(numpy_helper.to_array(tensor), weights[name])
        parts = [f"{name}_int8", *(f"{name}_scale{number}" for number in range(len(scales)))]
        kept += map(numpy_helper.from_array, (values, *scales), parts)
        steps = [f"{name}_float", *(f"{name}_times{number}" for number in range(len(scales)))]
        steps[-1] = name
        decoding.append(
            onnx.helper.make_node("Cast", parts[:1], steps[:1], to=TensorProto.FLOAT, name=parts[0])
        )
        decoding += [
            onnx.helper.make_node("Mul", [before, scale], [after], name=scale)
            for before, scale, after in zip(steps, parts[1:], steps[1:], strict=False)
        ]
    nodes = [*decoding, *model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)


def _rounded(values: NDArray[np.float32], weight: _Weight) -> list[NDArray[Any]]:
    """Symmetric INT8 values, and scales that broadcast to them: their product is the weight.

    The scale of an input is its largest weight, that of an output then makes its largest 127.
    """
    scales: list[NDArray[Any]] = []
    if weight.inputs is not None:
        scales.append(_largest(values, weight.outputs))
        values = values / scales[0]
    across = weight.inputs if weight.inputs is not None else _others(values, weight.outputs)
    scales.append(_largest(values, across) / _LARGEST)
    return [np.rint(values / scales[-1]).astype(np.int8), *scales]


def _largest(values: NDArray[np.float32], axes: int | tuple[int, ...]) -> NDArray[np.float32]:
    largest = np.abs(values).max(axis=axes, keepdims=True)
    return np.where(largest > 0, largest, 1).astype(np.float32)


def _others(values: NDArray[np.float32], axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(values.ndim) if other != axis)

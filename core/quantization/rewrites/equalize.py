"""Cross-layer equalisation: evens out the channels between two layers.

Behind a ReLU nothing changes when a layer's channel is divided by a positive number and the next
layer's weights for it are multiplied by the same. Nagel et al., "Data-Free Quantization Through
Weight Equalization and Bias Correction" (2019), section 4.1, choose the number that gives the
channel the same range in both layers; a range with 256 steps then serves every channel equally.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import NodeProto

from core.quantization.graph import Graph, every_node
from core.quantization.rewrites.layer_weights import LAYERS, LayerWeights
from core.records import BadInput

_TO_ONE_PIXEL = frozenset({"GlobalMaxPool", "GlobalAveragePool"})
_HOMOGENEOUS = _TO_ONE_PIXEL | {"Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool"}
_FLATTEN = frozenset({"Flatten", "Reshape", "Squeeze"})
_MOST_SWEEPS = 50
_CONVERGED = 1e-3
_DEAD = 1e-4
"""Part of the largest channel's range below which a channel counts as constant."""


@dataclass(frozen=True)
class _Pair:
    first: LayerWeights
    second: LayerWeights


def equalize(model: onnx.ModelProto) -> onnx.ModelProto:
    """Gives each channel between two layers the same range in the weights of both.

    Pairs are convolutions (depthwise and grouped ones too) and ``Gemm`` with constant weights,
    with nothing between them but ``Relu``, ``LeakyRelu``, ``PRelu``, pooling and the flattening of
    single pixels. ``Clip`` is not positively homogeneous (a ReLU6 would have to end at another
    value in each channel), nor are SiLU and the like: what they join stays as it is.

    Args:
        model: Prepared FP32 model; not changed.

    Returns:
        A model that computes the same up to rounding.

    Raises:
        BadInput: There is no such pair.
    """
    equalized = onnx.ModelProto()
    equalized.CopyFrom(model)
    pairs = list(_pairs(equalized))
    if not pairs:
        message = (
            "There is nothing to equalise: no two convolutions or dense layers follow each other "
            "with at most a ReLU between them."
        )
        raise BadInput(message)
    # What one pair settles its neighbours disturb; chains converge within a few sweeps.
    for _ in range(_MOST_SWEEPS):
        if max([_even_out(pair) for pair in pairs]) < _CONVERGED:
            break
    for layer in dict.fromkeys(layer for pair in pairs for layer in (pair.first, pair.second)):
        layer.store()
    return equalized


def _even_out(pair: _Pair) -> float:
    """Equalizes one pair; returns the largest change, as a logarithm."""
    first, second = pair.first.output_ranges(), pair.second.input_ranges()
    factors = np.ones_like(first)
    # A channel that nothing reads, or that is constant, has no range to share: it would only have
    # its bias blown up.
    alive = (first > _DEAD * first.max()) & (second > _DEAD * second.max())
    np.sqrt(np.divide(first, second, out=factors, where=alive), out=factors)
    pair.first.divide_outputs(factors)
    pair.second.multiply_inputs(factors)
    return float(np.abs(np.log(factors)).max())


def _pairs(model: onnx.ModelProto) -> Iterator[_Pair]:
    graph = Graph(model)
    # Those inside branches and loop bodies count too.
    reads = Counter(name for node in every_node(model.graph) for name in set(node.input))
    layers: dict[str, LayerWeights] = {}
    for node in graph.nodes:
        own = [name for name in node.input[1:] if name]
        if node.op_type in LAYERS and all(reads[name] == 1 for name in own):
            layer = LayerWeights.of(graph, node)
            if layer is not None:
                layers[node.output[0]] = layer
    for first in layers.values():
        reader = _next_layer(graph, reads, first.node)
        second = None if reader is None else layers.get(reader.output[0])
        if second is not None and second.inputs == first.outputs:
            yield _Pair(first, second)


def _next_layer(graph: Graph, reads: Counter[str], first: NodeProto) -> NodeProto | None:
    """The only layer that a layer's result reaches, if all that lies between keeps channels."""
    tensor, one_pixel = first.output[0], False
    while reads[tensor] == 1 and tensor not in graph.outputs and graph.consumers[tensor]:
        reader = graph.consumers[tensor][0]
        if reader.input[0] != tensor or reader.op_type in LAYERS:
            return reader if reader.input[0] == tensor else None
        one_pixel |= reader.op_type in _TO_ONE_PIXEL
        # A flattened image has a column for each pixel of each channel.
        if reader.op_type not in _HOMOGENEOUS and not (one_pixel and reader.op_type in _FLATTEN):
            return None
        tensor = reader.output[0]
    return None

"""Convolutions as matrix products: the same integers, for another kernel of onnxruntime.

Its CPU provider convolves directly where the weights have no zero point, and unfolds the image
and multiplies matrices (im2col) where they have one. Which is faster depends on the layer and on
the CPU. With AMX, which only the product uses, a 3x3 convolution of 64 channels takes 0.18 ms
instead of 0.25 ms, but a 1x1 one of 24 channels 0.24 ms instead of 0.08 ms; of EfficientNetV2-S 45
of 170 are faster as products, and the whole is by 8%. Nothing but the file says which it will be,
so weights for the product are stored one lower, with a zero point of -1: the same numbers, for
symmetric weights use -127 to 127 only. Source: ``qlinearconv.cc`` of onnxruntime, which also wants
the same zero point for all channels.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper

from core.quantization.graph import Graph, drop_unread_constants

_ZERO_POINT = -1


def to_im2col(model: onnx.ModelProto, layers: Collection[str]) -> tuple[str, ...]:
    """Stores the weights of convolutions so that they run as matrix products; edits the model.

    Args:
        model: QDQ model.
        layers: Names of ``Conv`` nodes. What is not quantized to signed symmetric weights, or
            shares its weights, stays as it is.

    Returns:
        The names of those that were changed; their answers are the same to the bit.
    """
    graph = Graph(model)
    changed = tuple(
        node.name
        for node in graph.nodes
        if node.op_type == "Conv" and node.name in layers and _shift(graph, node)
    )
    drop_unread_constants(model)
    return changed


def _shift(graph: Graph, node: NodeProto) -> bool:
    dequantize = graph.producers.get(node.input[1])
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or len(dequantize.input) < 3:
        return False
    name, _, zero_point = dequantize.input
    weights, zeros = graph.value(name), graph.value(zero_point)
    if weights is None or zeros is None or weights.dtype != np.int8 or np.any(zeros):
        return False
    if np.min(weights) == -128 or graph.consumers[name] != [dequantize]:
        return False
    if graph.consumers[dequantize.output[0]] != [node]:
        return False
    shifted = weights.astype(np.int16) + _ZERO_POINT
    graph.constants[name].CopyFrom(numpy_helper.from_array(shifted.astype(np.int8), name))
    dequantize.input[2] = f"{name}_shift"
    shift = np.full_like(zeros, _ZERO_POINT)
    graph.model.graph.initializer.append(numpy_helper.from_array(shift, dequantize.input[2]))
    return True

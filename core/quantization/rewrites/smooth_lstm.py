"""SmoothQuant for LSTMs: evens out the features that share one range in dynamic INT8."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

from core.quantization.graph import Graph, drop_unread_constants, sort_nodes
from core.quantization.rewrites.smooth import smoothing_factors

_WORTH_SMOOTHING = 4.0
"""Largest channel over the smallest: below, a range fits all of them well enough."""


def smoothable_inputs(model: onnx.ModelProto) -> list[str]:
    """Names the sequences whose channels can be evened out: LSTMs with constant weights read them.

    Args:
        model: Prepared FP32 model.
    """
    graph = Graph(model)
    layers = [node for node in graph.nodes if node.op_type == "LSTM"]
    return list(dict.fromkeys(node.input[0] for node in layers if node.input[1] in graph.constants))


def smooth_inputs(
    model: onnx.ModelProto, maxima: Mapping[str, NDArray[np.float32]], alpha: float
) -> onnx.ModelProto:
    """Evens out the channels that LSTMs read, and undoes it in their input weights.

    Source: Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
    Language Models" (2023), whose matrix product is here the input's of all gates. Layers whose
    channels are alike already, such as the state of the layer before, stay as they are.

    Args:
        model: Prepared FP32 model; not changed.
        maxima: Largest magnitude of each channel, shape ``(channels,)``, by sequence, for
            :func:`smoothable_inputs`.
        alpha: 0 leaves all outliers to the activations, 1 gives all to the weights.

    Returns:
        A model that computes the same up to rounding.
    """
    smoothed = onnx.ModelProto()
    smoothed.CopyFrom(model)
    graph = Graph(smoothed)
    for node in graph.nodes:
        constant = graph.value(node.input[1]) if node.op_type == "LSTM" else None
        if constant is None:
            continue
        weights, channels = constant.astype(np.float32), maxima[node.input[0]]
        largest = np.abs(weights).max(axis=(0, 1))
        active = (channels > 0) & (largest > 0)
        if not active.any() or np.ptp(np.log(channels[active])) < np.log(_WORTH_SMOOTHING):
            continue
        factors = smoothing_factors(channels, largest, alpha)
        _scale_input(smoothed, node, factors, weights)
    sort_nodes(smoothed)
    drop_unread_constants(smoothed)
    return smoothed


def _scale_input(
    model: onnx.ModelProto,
    node: NodeProto,
    factors: NDArray[np.float32],
    weights: NDArray[np.float32],
) -> None:
    """Divides what a layer reads by ``factors`` and multiplies its weights by them."""
    factor, name, even = (f"{node.name}_{part}" for part in ("factor", "weights", "even"))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(1 / factors, factor),
            numpy_helper.from_array(weights * factors, name),
        ]
    )
    model.graph.node.append(helper.make_node("Mul", [node.input[0], factor], [even], name=even))
    node.input[0], node.input[1] = even, name

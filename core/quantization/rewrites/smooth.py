"""SmoothQuant: moves outliers of the activations into the weights that they are multiplied with.

A few channels behind a transformer's layer normalisation are tens of times as large as the rest,
and take the rest's steps of a range. Xiao et al., "SmoothQuant: Accurate and Efficient
Post-Training Quantization for Large Language Models" (2023), divide channel ``j`` by
``max|X_j|^alpha / max|W_j|^(1 - alpha)`` and multiply its weights by the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from core.quantization.activations.inner_values import InnerValues
from core.quantization.calibration import CalibrationSamples
from core.quantization.graph import Graph, drop_unread_constants, sort_nodes
from core.quantization.rewrites.norms import find_norms
from core.records import BadInput

Array = NDArray[np.float32]


def norm_outputs(model: onnx.ModelProto) -> list[str]:
    """Names what can be smoothed: results of layer normalisations that products read.

    Raises:
        BadInput: There is none.
    """
    found = [norm.output for norm in find_norms(Graph(model))]
    if not found:
        message = (
            "There is nothing to smooth: no matrix product with constant weights reads the result "
            "of a layer normalisation."
        )
        raise BadInput(message)
    return found


def channel_maxima(
    model: onnx.ModelProto, tensors: Sequence[str], samples: CalibrationSamples
) -> dict[str, Array]:
    """Measures the largest magnitude of each channel, in one streamed pass.

    Args:
        model: Prepared FP32 model.
        tensors: Names of float tensors whose last axis is the channels.
        samples: Read to their end.

    Returns:
        By tensor, shape ``(channels,)``. Infinite and undefined values count for nothing.
    """
    maxima: dict[str, Array] = {}
    network = InnerValues(model, tensors)
    for feeds in samples:
        for name, array in network.run(feeds).items():
            rows = np.abs(array.reshape(-1, array.shape[-1]))
            highest = np.where(np.isfinite(rows), rows, 0).max(axis=0, initial=0)
            maxima[name] = np.maximum(maxima.get(name, highest), highest)
    return maxima


def smooth(model: onnx.ModelProto, maxima: Mapping[str, Array], alpha: float) -> onnx.ModelProto:
    """Evens out the channels of layer normalisations' results before matrix products.

    The division goes into the normalisation's own scale and bias where products alone read its
    result; where a residual path reads it too, one ``Mul`` before the products does it.

    Args:
        model: Prepared FP32 model; not changed.
        maxima: From :func:`channel_maxima`, for :func:`norm_outputs`.
        alpha: 0 leaves all outliers to the activations, 1 gives all to the weights.

    Returns:
        A model that computes the same up to rounding.
    """
    smoothed = onnx.ModelProto()
    smoothed.CopyFrom(model)
    for norm in list(find_norms(Graph(smoothed))):
        factors = smoothing_factors(maxima[norm.output], norm.weight_maxima(), alpha)
        norm.multiply_weights(factors)
        norm.divide_output(factors)
    sort_nodes(smoothed)
    drop_unread_constants(smoothed)
    return smoothed


def smoothing_factors(activations: Array, weights: Array, alpha: float) -> Array:
    """What each channel is divided by; one where it is always zero, or not read."""
    active = (activations > 0) & (weights > 0)
    x, w = np.where(active, activations, 1), np.where(active, weights, 1)
    return np.where(active, x**alpha / w ** (1 - alpha), 1).astype(np.float32)

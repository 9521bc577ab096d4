"""The weights of a convolution or dense layer, by output and input channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, numpy_helper

from core.quantization.graph import Graph, attribute

LAYERS = frozenset({"Conv", "Gemm"})
Array = NDArray[np.floating[Any]]


@dataclass(eq=False)
class LayerWeights:
    """A layer's constants, in a form that is the same for every kind of layer.

    Attributes:
        node: The ``Conv`` or ``Gemm``.
        weights: Shape ``(groups, outputs a group, inputs a group, taps)``.
        bias: Shape ``(outputs,)``; None where it has none.
    """

    node: NodeProto
    weights: Array
    bias: Array | None
    _weights_constant: TensorProto
    _bias_constant: TensorProto | None

    @classmethod
    def of(cls, graph: Graph, node: NodeProto) -> LayerWeights | None:
        """Reads a layer; None where a constant is missing, or it transposes its input."""
        constants = [graph.constants.get(name) for name in node.input[1:] if name]
        if not constants or attribute(node, "transA"):
            return None
        if any(found is None or found.data_type != TensorProto.FLOAT for found in constants):
            return None
        weights, bias = (*constants, None)[:2]
        assert weights is not None  # noqa: S101
        values = numpy_helper.to_array(weights).astype(np.float64)
        if node.op_type == "Gemm":
            values = (values if attribute(node, "transB") else values.T)[None, ..., None]
        else:
            groups = attribute(node, "group") or 1
            assert isinstance(groups, int)  # noqa: S101
            values = values.reshape(groups, len(values) // groups, values.shape[1], -1)
        outputs = values.shape[0] * values.shape[1]
        if bias is not None and list(bias.dims) not in ([outputs], [1, outputs]):
            return None
        shift = None if bias is None else numpy_helper.to_array(bias).reshape(-1).astype(np.float64)
        return cls(node, values, shift, weights, bias)

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0] * self.weights.shape[1])

    @property
    def inputs(self) -> int:
        """Number of input channels."""
        return int(self.weights.shape[0] * self.weights.shape[2])

    def output_ranges(self) -> Array:
        """Largest magnitude of the weights of each output channel, shape ``(outputs,)``."""
        ranges: Array = np.abs(self.weights).max(axis=(2, 3))
        return ranges.reshape(-1)

    def input_ranges(self) -> Array:
        """Largest magnitude of the weights for each input channel, shape ``(inputs,)``."""
        ranges: Array = np.abs(self.weights).max(axis=(1, 3))
        return ranges.reshape(-1)

    def divide_outputs(self, factors: Array) -> None:
        """Makes each output channel smaller by a factor, shape ``(outputs,)``."""
        self.weights /= factors.reshape(*self.weights.shape[:2], 1, 1)
        if self.bias is not None:
            self.bias /= factors

    def multiply_inputs(self, factors: Array) -> None:
        """Makes up for input channels that were divided by factors, shape ``(inputs,)``."""
        groups, _, inputs, _ = self.weights.shape
        self.weights *= factors.reshape(groups, 1, inputs, 1)

    def store(self) -> None:
        """Writes the weights and the bias back into the model."""
        values = self.weights
        if self.node.op_type == "Gemm":
            values = values[0, ..., 0]
            values = values if attribute(self.node, "transB") else values.T
        _overwrite(self._weights_constant, values)
        if self._bias_constant is not None and self.bias is not None:
            _overwrite(self._bias_constant, self.bias)


def _overwrite(constant: TensorProto, values: Array) -> None:
    shaped = np.ascontiguousarray(values, np.float32).reshape(constant.dims)
    constant.CopyFrom(numpy_helper.from_array(shaped, constant.name))

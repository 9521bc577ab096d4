"""What the libraries that rewrite graphs raise on a graph they cannot handle."""

from __future__ import annotations

from onnx import checker, shape_inference, version_converter
from onnxruntime.capi import onnxruntime_pybind11_state as native

GRAPH_FAILURES: tuple[type[Exception], ...] = (
    # The quantizers walk untyped graphs and say whatever Python says when one surprises them.
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
    checker.ValidationError,
    shape_inference.InferenceError,
    version_converter.ConvertError,
    native.Fail,
    native.InvalidArgument,
    native.InvalidGraph,
    native.InvalidProtobuf,
    native.NotImplemented,
    native.RuntimeException,
)

"""Runs a model, FP32 or quantized, and hands out some of its inner tensors in their own shape."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from core.quantization.activations.taps import available_threads
from core.records import Deployment
from core.sandbox import open_session


class InnerValues:
    """A session whose outputs are tensors of one's choice.

    Args:
        model: The model; not changed.
        tensors: Names of float tensors.
    """

    def __init__(self, model: onnx.ModelProto, tensors: Sequence[str]) -> None:
        self._tensors = list(dict.fromkeys(tensors))
        tapped = onnx.ModelProto()
        tapped.CopyFrom(model)
        del tapped.graph.output[:]
        tapped.graph.output.extend(
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in self._tensors
        )
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tapped.onnx"
            onnx.save(tapped, path)
            self._session = open_session(path, Deployment(threads=available_threads()))

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        """Runs the model once; returns the values by tensor."""
        results = self._session.run(self._tensors, dict(feeds))
        return dict(zip(self._tensors, results, strict=True))
